"""Work for children: the real source, extracted with one position or another."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from metafiles import Opened, make_tables, read_slits
from numpy.typing import NDArray
from scipy.optimize import curve_fit
from stdatamodels.jwst.datamodels import SlitModel

from config.edits import MetafileEdit, parse_edit
from workers.edits import edit_tables
from workers.references import pin

__all__ = ["compare_apertures"]

_CONTEXT = "jwst_0001.pmap"
_REACH = 0.9
"""How far off the planned position the source is looked for, in shutters; the images
of other nods are further."""
_BAND_UM = (1.0, 4.0)
"""Where the source is bright and the correction for nods is good."""

Image = NDArray[np.float64]


def compare_apertures(paths: Sequence[str], crds_path: str, folder: str) -> Any:
    """Extract each nod with four apertures; give their S/N and the offsets.

    The other nods are subtracted. A nod is extracted with the position that the other
    two show, so that no noise of its own decides where it is extracted. The S/N is that
    of the mean continuum, weighted by the errors.
    """
    pin(crds_path=crds_path, context=_CONTEXT)
    slits = [SlitModel(path) for path in paths]
    images = [_subtract(slits, number) for number in range(len(slits))]
    offsets = [
        _measure(slit, *image) - slit.source_ypos
        for slit, image in zip(slits, images, strict=True)
    ]
    found: dict[str, list[float]] = {}
    for number, (slit, image) in enumerate(zip(slits, images, strict=True)):
        others = float(np.mean([o for n, o in enumerate(offsets) if n != number]))
        planned = (float(slit.source_xpos), float(slit.source_ypos))
        measured = (planned[0], planned[1] + others)
        for name, width, place in (
            ("whole slit", None, None),
            ("middle, 6 pixels", 6, None),
            ("planned, 6 pixels", 6, planned),
            ("measured, 6 pixels", 6, measured),
            ("planned, 3 pixels", 3, planned),
            ("measured, 3 pixels", 3, measured),
        ):
            used = _edit_slit(slit, image, number + 1, place, Path(folder))
            found.setdefault(name, []).append(
                _extract(used, width, place is not None, Path(folder))
            )
    return found, offsets


def _subtract(slits: Sequence[Any], number: int) -> tuple[Image, Image]:
    """Subtract the mean of the other nods; give the image and its variance."""
    data = np.array([slit.data for slit in slits], np.float64)
    variance = np.array([slit.err for slit in slits], np.float64) ** 2
    others = [each for each in range(len(slits)) if each != number]
    noise = variance[others].sum(axis=0) / len(others) ** 2
    return data[number] - data[others].mean(axis=0), variance[number] + noise


def _measure(slit: Any, data: Image, variance: Image) -> float:
    """Measure where the source is across dispersion, in shutters off the middle."""
    rows, columns = np.indices(data.shape)
    _, y, wavelength = slit.meta.wcs.get_transform("detector", "slit_frame")(
        columns, rows
    )
    wavelength_um = wavelength * 1e6
    near = np.abs(y - slit.source_ypos) < _REACH
    good = near & np.isfinite(data) & np.isfinite(variance) & (variance > 0)
    good &= (wavelength_um > _BAND_UM[0]) & (wavelength_um < _BAND_UM[1])

    def profile(at: Image, height: float, y: float, sigma: float, sky: float) -> Image:
        return height * np.exp(-0.5 * ((at - y) / sigma) ** 2) + sky

    start = (float(np.std(data[good])), slit.source_ypos, 0.15, 0.0)
    (_, middle, *_), _ = curve_fit(
        profile, y[good], data[good], p0=start, sigma=np.sqrt(variance[good])
    )
    return float(middle)


def _edit_slit(
    slit: Any,
    image: tuple[Image, Image],
    nod: int,
    place: tuple[float, float] | None,
    folder: Path,
) -> Any:
    """Give a slit the position that the pipeline takes from an edited metafile."""
    made = slit.copy()
    made.data, variance = image
    made.err, made.var_rnoise = np.sqrt(variance), variance
    made.var_poisson = made.var_flat = np.zeros_like(variance)
    made.source_type = "POINT"
    if place is not None:
        tables = make_tables(
            [Opened(138, (32, 33, 34), 295, 2, slit.source_id, (1, 0, 2))], nods=3
        )
        x, y = (value + 0.5 for value in place)
        values: Mapping[str, object] = {"source": slit.source_id, "x": x, "y": y}
        edit = parse_edit("place-source", values)
        assert isinstance(edit, MetafileEdit)
        edited, _ = edit_tables(tables, [edit])
        [read] = read_slits(edited, folder)[1, nod]
        assert (read.shutter_state, read.ycen) == (slit.shutter_state, slit.ycen)
        made.source_xpos, made.source_ypos = read.source_xpos, read.source_ypos
    return made


def _extract(slit: Any, width: int | None, is_placed: bool, folder: Path) -> float:  # noqa: FBT001  # one of three
    """Extract a spectrum as spec2 does; give the S/N of its mean."""
    from jwst.extract_1d import Extract1dStep

    aperture = {"id": "ANY", "region_type": "target", "dispaxis": 1, "bkg_order": 0}
    reference = folder / "extract1d.json"
    sized = aperture if width is None else {**aperture, "extract_width": width}
    reference.write_text(json.dumps({"reftype": "EXTRACT1D", "apertures": [sized]}))
    step = Extract1dStep()
    step.override_extract1d = str(reference)
    step.use_source_posn, step.apply_apcorr = is_placed, False
    table = step.run(slit).spec[0].spec_table
    flux, error = table["FLUX"], table["FLUX_ERROR"]
    inside = (table["WAVELENGTH"] > _BAND_UM[0]) & (table["WAVELENGTH"] < _BAND_UM[1])
    good = inside & np.isfinite(flux) & (error > 0)
    weight = 1 / error[good] ** 2
    return float((flux[good] * weight).sum() / np.sqrt(weight.sum()))
