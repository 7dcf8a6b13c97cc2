"""How a reference differs from the one that it replaces."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import asdf
import numpy as np
from astropy.io import fits

from workers.cache_contract import ArrayChange
from workers.stages.comparison import preview_change

WAVES = np.array([1.0, 2.0, 4.0])


def write_photom(path: Path, factors: Mapping[str, float], *, slope: float) -> Path:
    """Write conversions to flux whose response rises over wavelength."""
    curves = np.array([1 + slope * WAVES for _ in factors])
    columns = [
        fits.Column("filter", "8A", array=["CLEAR" for _ in factors]),
        fits.Column("grating", "8A", array=[*factors]),
        fits.Column("photmj", "D", array=[*factors.values()]),
        fits.Column("wavelength", "3D", array=np.array([WAVES for _ in factors])),
        fits.Column("relresponse", "3D", array=curves),
    ]
    table = fits.BinTableHDU.from_columns(columns, name="PHOTOM")
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)
    return path


def write_image(path: Path, image: Any) -> Path:
    hdu = fits.ImageHDU(np.array(image, dtype=np.float32), name="SCI")
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    return path


def write_pars(path: Path, kernel: str, **more: Any) -> Path:
    steps = [{"name": "outlier_detection", "parameters": {"kernel_size": kernel}}]
    asdf.AsdfFile({"name": "spec3", "parameters": more, "steps": steps}).write_to(path)
    return path


def test_fluxes_are_compared_over_wavelength_by_filter_and_grating(
    tmp_path: Path,
) -> None:
    old = write_photom(tmp_path / "a.fits", {"G140H": 1.0, "PRISM": 2.0}, slope=0.0)
    new = write_photom(tmp_path / "b.fits", {"PRISM": 2.0, "G140H": 1.0}, slope=0.25)
    found = preview_change(old, new)
    assert [change.part for change in found.arrays] == [
        "PHOTOM,1 CLEAR G140H",
        "PHOTOM,1 CLEAR PRISM",
    ]
    for change in found.arrays:
        assert (change.values, change.changed, change.largest_at_um) == (3, 3, 4.0)
        assert change.ratio is not None
        assert np.isclose(change.ratio[1], 1.5)
    assert found.other == ()


def test_a_flat_is_compared_by_ratio_and_coverage(tmp_path: Path) -> None:
    old = write_image(tmp_path / "a.fits", [[1, 2, np.nan], [4, 0, 6]])
    new = write_image(tmp_path / "b.fits", [[1, 3, 7.0], [4, 5, np.nan]])
    (change,) = preview_change(old, new).arrays
    assert change == ArrayChange(
        "SCI,1", 6, changed=4, lost=1, gained=1, ratio=change.ratio
    )
    assert change.ratio is not None
    assert np.allclose(change.ratio, np.percentile([1, 1.5, 1], (5, 50, 95)))


def test_images_of_other_shapes_are_told_in_words(tmp_path: Path) -> None:
    old = write_image(tmp_path / "a.fits", np.ones((2, 3)))
    new = write_image(tmp_path / "b.fits", np.ones((3, 3)))
    found = preview_change(old, new)
    assert found.arrays == ()
    assert found.other
    assert found.other[0].startswith("SCI,1: ")


def test_the_same_arrays_differ_in_nothing(tmp_path: Path) -> None:
    old = write_image(tmp_path / "a.fits", [[1, np.nan]])
    new = write_image(tmp_path / "b.fits", [[1, np.nan]])
    assert preview_change(old, new) == preview_change(new, old)
    assert preview_change(old, new).arrays == ()


def test_parameters_that_a_file_sets_are_named(tmp_path: Path) -> None:
    old = write_pars(tmp_path / "a.asdf", "7 7", save=True)
    new = write_pars(tmp_path / "b.asdf", "3 3", pixel=1)
    assert preview_change(old, new).other == (
        "outlier_detection.kernel_size '7 7' -> '3 3'",
        "pixel 'not set' -> 1",
        "save True -> 'not set'",
    )
