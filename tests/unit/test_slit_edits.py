"""Edits of calibrated slits: errors that are recomputed, wavelengths left out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

from workers.contract import Caveat, CaveatKind, Edit
from workers.edits import apply_edits

NAME = "a_cal.fits"
SHAPE = (4, 6)
VARIANCES = ("VAR_RNOISE", "VAR_POISSON", "VAR_FLAT")
WAVELENGTHS = np.array([0.95, 0.97, 1.0, 1.02, 1.03, np.nan], np.float32)
MASK = {"from_um": 0.969, "to_um": 1.021, "slit": "S1600A1"}

Arrays = Mapping[str, NDArray[np.float32]]
Edited = Mapping[tuple[str, int], NDArray[Any]]


def make_slit(**changes: object) -> dict[str, NDArray[np.float32]]:
    """Make the arrays of a slit: data 1, variances 4, 5 and 16, so errors 5."""
    made: dict[str, object] = {
        "SCI": 1.0,
        "ERR": 5.0,
        "VAR_RNOISE": 4.0,
        "VAR_POISSON": 5.0,
        "VAR_FLAT": 16.0,
        "WAVELENGTH": WAVELENGTHS,
        **changes,
    }
    return {
        name: np.array(np.broadcast_to(np.float32(value), SHAPE))  # type: ignore[arg-type]  # numbers and arrays
        for name, value in made.items()
        if value is not None
    }


def edit(
    folder: Path, slits: Mapping[str, Arrays], name: str, **values: object
) -> tuple[tuple[Caveat, ...], Edited]:
    """Edit a file of slits; the source of each is in the lower half."""
    hdus = fits.HDUList([fits.PrimaryHDU()])
    for version, (slit, arrays) in enumerate(slits.items(), 1):
        for extension, values_of_it in arrays.items():
            hdu = fits.ImageHDU(values_of_it, name=extension, ver=version)
            hdu.header.update(SLTNAME=slit, SRCYPOS=0.25)
            hdus.append(hdu)
        quality = np.zeros(SHAPE, np.uint32)
        quality[0, 0] = 1
        hdus.append(fits.ImageHDU(quality, name="DQ", ver=version))
    original = folder / "original.fits"
    hdus.writeto(original)
    (folder / NAME).symlink_to(original)
    before = original.read_bytes()
    told = apply_edits([Edit(NAME, name, values)], folder)  # type: ignore[arg-type]  # JSON
    assert original.read_bytes() == before
    with fits.open(folder / NAME, memmap=False) as made:
        return told, {(hdu.name, hdu.ver): hdu.data for hdu in made[1:]}


def test_errors_are_those_of_read_noise_and_poisson_noise(tmp_path: Path) -> None:
    none = make_slit(ERR=np.nan, VAR_FLAT=np.nan)
    none["SCI"][1, 1] = np.nan
    slits = {"12": none, "13": make_slit()}
    [told], edited = edit(tmp_path, slits, "recompute-errors")
    assert told.kind is CaveatKind.EDITED
    assert told.message.startswith(f"{NAME}: slit 12 had no errors")
    bad = np.zeros(SHAPE, bool)
    bad[0, 0] = bad[1, 1] = True
    assert (np.isnan(edited["ERR", 1]) == bad).all()
    assert (np.isnan(edited["VAR_FLAT", 1]) == bad).all()
    assert set(edited["ERR", 1][~bad]) == {3.0}
    assert set(edited["VAR_FLAT", 1][~bad]) == {0.0}
    for name, array in make_slit().items():
        assert np.array_equal(edited[name, 2], array, equal_nan=True)


@pytest.mark.parametrize("name", VARIANCES[:2])
def test_errors_that_cannot_be_computed_are_a_caveat(tmp_path: Path, name: str) -> None:
    none = make_slit(ERR=np.nan, **{name: np.nan})
    [told], edited = edit(tmp_path, {"12": none}, "recompute-errors")
    assert told.kind is CaveatKind.EDIT_INCOMPLETE
    assert "slit 12 has no errors, and they cannot be computed" in told.message
    assert np.isnan(edited["ERR", 1]).all()


def test_one_finite_error_is_enough_to_leave_errors_alone(tmp_path: Path) -> None:
    some = make_slit(ERR=np.nan)
    some["ERR"][2, 2] = 7
    told, edited = edit(tmp_path, {"12": some}, "recompute-errors")
    assert told == ()
    assert np.isfinite(edited["ERR", 1]).sum() == 1


def test_wavelengths_of_one_slit_are_masked(tmp_path: Path) -> None:
    slits = {"S1600A1": make_slit(), "S200A1": make_slit()}
    [told], edited = edit(tmp_path, slits, "mask-wavelengths", **MASK)
    assert told.kind is CaveatKind.EDITED
    assert "slit S1600A1 is masked from 0.969 to 1.021 um, 12 pixels" in told.message
    masked = np.isin(np.arange(SHAPE[1]), [1, 2, 3])
    for name in ("SCI", "ERR", *VARIANCES):
        assert (np.isnan(edited[name, 1]) == masked).all()
        assert np.isfinite(edited[name, 2]).all()
    flagged = edited["DQ", 1] & 1 == 1
    assert (flagged[1:] == masked).all()
    assert edited["DQ", 2].sum() == 1


@pytest.mark.parametrize(
    ("source", "is_masked"), [("lower", True), ("upper", False), ("anywhere", True)]
)
def test_the_half_of_the_slit_decides(
    tmp_path: Path, source: str, *, is_masked: bool
) -> None:
    slits = {"S1600A1": make_slit()}
    told, edited = edit(tmp_path, slits, "mask-wavelengths", **MASK, source=source)
    assert np.isnan(edited["SCI", 1]).any() == is_masked
    assert bool(told) == is_masked


def test_a_slit_without_wavelengths_is_a_caveat(tmp_path: Path) -> None:
    slits = {"S1600A1": make_slit(WAVELENGTH=None)}
    [told], edited = edit(tmp_path, slits, "mask-wavelengths", **MASK)
    assert told.kind is CaveatKind.EDIT_INCOMPLETE
    assert np.isfinite(edited["SCI", 1]).all()
