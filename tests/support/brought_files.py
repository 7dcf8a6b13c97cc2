"""Files that users bring, as they should be, and as they should not."""

import json
from pathlib import Path
from typing import Any

import asdf
import numpy as np
from astropy.io import fits
from stdatamodels.jwst import datamodels

__all__ = ["write_apertures", "write_mask", "write_profiles", "write_spectrum"]


def write_spectrum(
    path: Path,
    *,
    wavelength: Any = (),
    bright: Any = 0.1,
    units: tuple[str, str] = ("um", "MJy/sr"),
    **cards: str,
) -> Path:
    """Write a 1-D background, of the prism if not told."""
    wavelength = np.asarray(wavelength if len(wavelength) else np.linspace(0.55, 5.4))
    spec = datamodels.SpecModel()
    table = np.zeros(len(wavelength), spec.get_dtype("spec_table"))
    table["WAVELENGTH"], table["SURF_BRIGHT"] = wavelength, bright
    spec.spec_table = table
    with datamodels.MultiSpecModel() as model:
        model.spec.append(spec)
        model.meta.filename = path.name
        model.save(path)
    with fits.open(path, mode="update") as hdus:
        hdus[0].header.update(cards)
        for name, unit in zip(("WAVELENGTH", "SURF_BRIGHT"), units, strict=True):
            number = hdus["EXTRACT1D"].columns.names.index(name) + 1
            hdus["EXTRACT1D"].header[f"TUNIT{number}"] = unit
    return path


def write_mask(path: Path, flags: Any = None) -> Path:
    """Write a mask of NIRSpec with one bad pixel."""
    if flags is None:
        flags = np.zeros((2048, 2048), np.uint32)
        flags[7, 9] = 1
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(flags)]).writeto(path)
    return path


def write_apertures(path: Path, **aperture: Any) -> Path:
    """Write apertures of slits."""
    only = {"id": "ANY", "extract_width": 6, **aperture}
    path.write_text(json.dumps({"reftype": "EXTRACT1D", "apertures": [only]}))
    return path


def write_profiles(path: Path, **changes: Any) -> Path:
    """Write apertures of cubes; what is changed to None is left out."""
    lines: dict[str, Any] = {
        "wavelength": np.array([0.5, 3.0, 5.7], np.float32),
        "radius": np.array([0.3, 0.4, 0.5], np.float32),
        "inner_bkg": np.array([0.7, 0.8, 0.9], np.float32),
        "outer_bkg": np.array([1.0, 1.1, 1.2], np.float32),
    }
    data = {k: v for k, v in {**lines, **changes}.items() if v is not None}
    meta = {"subtract_background": False, "method": "subpixel", "subpixels": 10}
    asdf.AsdfFile({"meta": meta, "data": data}).write_to(path)
    return path
