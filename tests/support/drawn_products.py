"""Small products of every kind that there are pictures of, and how they are drawn."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table

from workers.pictures_contract import DrawnProduct, DrawRequest
from workers.stages.pictures import draw_product

__all__ = ["MAKERS", "draw", "make_spectra"]

_PRIMARY = {"DETECTOR": "NRS1", "TARGNAME": "STAR"}


def draw(path: Path, *beside: Path, to: Path | None = None) -> DrawnProduct:
    """Draw a product into a folder, that beside it unless another one is given."""
    folder = to or path.parent / "pictures"
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    request = DrawRequest(path, sha256, folder / f"{path.name}.json", beside)
    return draw_product(request)


def _write(path: Path, *hdus: fits.hdu.base.ExtensionHDU) -> Path:
    primary = fits.PrimaryHDU(header=fits.Header(_PRIMARY))
    fits.HDUList([primary, *hdus]).writeto(path)
    return path


def _noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(5).normal(0, 1, shape).astype(np.float32)


def make_rate(folder: Path) -> Path:
    """Make an image of the detector, of which a tenth is not to be used."""
    data, dq = _noise(100, 120), np.zeros((100, 120), np.uint32)
    data[:5], dq[:10] = np.nan, 1
    science = fits.ImageHDU(data, fits.Header({"BUNIT": "DN/s"}), name="SCI")
    return _write(folder / "one_nrs1_rate.fits", science, fits.ImageHDU(dq, name="DQ"))


def make_slit(folder: Path) -> Path:
    """Make a slit with light on its tenth row, extracted from rows 8 to 12."""
    data = _noise(20, 60)
    data[9] += 100
    waves = np.broadcast_to(np.linspace(1, 5, 60), (20, 60)).astype(np.float32)
    cards = {"BUNIT": "MJy", "DISPAXIS": 1, "SLITID": 1, "SHUTSTA": "1x1"}
    science = fits.ImageHDU(data, fits.Header(cards), name="SCI")
    wavelengths = fits.ImageHDU(waves, name="WAVELENGTH")
    return _write(folder / "one_nrs1_s2d.fits", science, wavelengths)


def make_cube(folder: Path) -> Path:
    """Make a cube with a line in slice 25, at 3.5 um, in four spaxels."""
    data = _noise(50, 12, 14)
    data[24:27, 6:8, 7:9] += [[[300]], [[500]], [[300]]]
    cards = {
        "BUNIT": "MJy/sr",
        "WCSAXES": 3,
        "CTYPE3": "WAVE",
        "CUNIT3": "um",
        "CTYPE1": "RA---TAN",
        "CRVAL1": 150.0,
        "CRPIX1": 7.0,
        "CDELT1": -3e-5,
        "CTYPE2": "DEC--TAN",
        "CRVAL2": 2.0,
        "CRPIX2": 6.0,
        "CDELT2": 3e-5,
        "CUNIT1": "deg",
        "CUNIT2": "deg",
        "CRVAL3": 1.0,
        "CRPIX3": 1.0,
        "CDELT3": 0.1,
    }
    science = fits.ImageHDU(data, fits.Header(cards), name="SCI")
    return _write(folder / "one_s3d.fits", science)


def make_spectra(
    folder: Path, *, count: int = 1, name: str = "STAR", is_series: bool = False
) -> Path:
    """Make spectra of 40 pixels from 1 to 5 um, each brighter than the one before."""
    shape = (3, 40) if is_series else (40,)
    tables = []
    for number in range(1, count + 1):
        columns: dict[str, np.ndarray] = {
            "WAVELENGTH": np.broadcast_to(np.linspace(1, 5, 40), shape).copy(),
            "FLUX": np.full(shape, float(number)),
            "FLUX_ERROR": np.full(shape, 0.1),
            "DQ": np.zeros(shape, np.int32),
        }
        columns["FLUX"][..., 20], columns["DQ"][..., 3] = np.nan, 1
        if is_series:
            columns["FLUX"] += [[0.0], [0.01], [0.02]]
            columns["INT_NUM"] = np.arange(1, 4)
        table = Table(columns, units={"WAVELENGTH": "um", "FLUX": "Jy"})
        hdu = fits.table_to_hdu(table)
        hdu.name = "EXTRACT1D"
        cards = {"SLTNAME": str(number), "SRCNAME": name, "SLITID": number}
        rows = {"EXTRYSTR": 8, "EXTRYSTP": 12, "DETECTOR": "NRS1", "EXTVER": number}
        hdu.header.update({**cards, **rows})
        tables.append(hdu)
    suffix = "x1dints" if is_series else "x1d"
    return _write(folder / f"one_nrs1_{suffix}.fits", *tables)


def make_series(folder: Path) -> Path:
    """Make a time series of three integrations."""
    return make_spectra(folder, is_series=True)


def make_curve(folder: Path) -> Path:
    """Make a white light curve that dips by 1 %."""
    flux = np.where(np.abs(np.arange(30) - 15) < 5, 0.99, 1.0)
    columns = {"MJD_UTC": 60000 + np.arange(30) / 1440, "whitelight_flux": flux}
    path = folder / "one_whtlt.ecsv"
    Table(columns, units={"whitelight_flux": "Jy"}).write(path, format="ascii.ecsv")
    return path


MAKERS: Mapping[str, Callable[[Path], Path]] = {
    "rate": make_rate,
    "s2d": make_slit,
    "s3d": make_cube,
    "x1d": make_spectra,
    "x1dints": make_series,
    "whtlt": make_curve,
}
"""How a product of each kind is made in a folder."""
