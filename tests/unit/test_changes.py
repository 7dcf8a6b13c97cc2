"""Spectra, cubes and light curves before and after, on data whose change is known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st

from flows.reports import Changed, ProductChange, Sameness, say_change, say_changes
from workers.calls import compare_spectra
from workers.change_contract import FileChange, SpectrumChange
from workers.contract import ErrorInfo
from workers.errors import MeasurementError, ProductError
from workers.stages.measurements.changes import (
    Samples,
    compare_files,
    compare_samples,
)

WAVES_UM = np.linspace(1.0, 2.0, 400)
NOISE = np.random.default_rng(20261123).normal(size=400)


def make_samples(
    *, noise: float = 0.01, line_um: float = 1.5, waves_um: np.ndarray = WAVES_UM
) -> Samples:
    """Make a slope with a bright line, and with noise that is always the same."""
    width = 2 * (WAVES_UM[1] - WAVES_UM[0])
    line = 3 * np.exp(-0.5 * ((waves_um - line_um) / width) ** 2)
    flux = waves_um + line + noise * np.resize(NOISE, waves_um.size)
    return Samples(waves_um, flux, np.full_like(flux, noise), np.zeros(flux.size, bool))


@given(factor=st.floats(0.1, 10))
def test_a_factor_is_found_in_every_band_and_nothing_else_is(factor: float) -> None:
    before = make_samples()
    after = replace(before, flux=factor * before.flux, error=factor * before.error)
    change = compare_samples("", before, after)
    assert change.ratio == pytest.approx(factor)
    assert [band.ratio for band in change.bands] == pytest.approx([factor] * 20)
    assert change.samples == 400
    assert change.ratio_scatter == pytest.approx(0, abs=1e-12)
    assert change.bad == (0, 0)
    assert change.first_um == (1.0, 1.0)
    [line] = change.lines
    assert line.line_um == pytest.approx(1.5, abs=0.005)
    assert line.shift_pixels == pytest.approx(0, abs=1e-9)


def test_the_size_of_no_change_is_zero_and_the_line_says_so() -> None:
    change = compare_samples("", make_samples(), make_samples())
    assert change.size == pytest.approx(0, abs=1e-12)
    assert say_change(change) == "less than single precision can tell"


def test_a_slope_is_told_with_where_it_is_least_and_most() -> None:
    before = make_samples()
    change = compare_samples("", before, replace(before, flux=before.flux * WAVES_UM))
    assert change.ratio == pytest.approx(1.5, abs=0.01)
    assert change.size == pytest.approx(change.bands[-1].ratio - 1)
    told = say_change(change)
    assert "as the median, from x1.02" in told
    assert "to x1.97" in told


def test_a_line_that_moves_by_a_third_of_a_pixel_is_followed() -> None:
    pixel = WAVES_UM[1] - WAVES_UM[0]
    change = compare_samples(
        "", make_samples(noise=1e-4), make_samples(noise=1e-4, line_um=1.5 + pixel / 3)
    )
    [line] = change.lines
    assert line.shift_pixels == pytest.approx(1 / 3, abs=0.01)
    assert line.shift_km_s == pytest.approx(299792.458 * pixel / 3 / 1.5, rel=0.03)
    assert "um moved by 0.33" in say_change(change)


def test_noise_that_doubles_leaves_the_flux_as_it_is() -> None:
    change = compare_samples("", make_samples(), make_samples(noise=0.02))
    before, after = change.noise
    assert before is not None
    assert after == pytest.approx(2 * before, rel=0.1)
    assert change.ratio == pytest.approx(1, abs=3 * (change.ratio_error or 0))
    assert "flux" not in say_change(change)


def test_samples_that_become_bad_are_counted() -> None:
    before = make_samples()
    is_bad = before.is_bad.copy()
    is_bad[:20] = True
    change = compare_samples("", before, replace(before, is_bad=is_bad))
    assert change.bad == (0, 0.05)
    assert change.size == pytest.approx(0.05)
    assert "bad samples 0.000% -> 5.000%" in say_change(change)


def test_faint_spectra_have_no_ratio() -> None:
    faint = replace(make_samples(), error=np.full(400, 10.0))
    change = compare_samples("", faint, faint)
    assert (change.ratio, change.bands, change.samples) == (None, (), 0)
    assert "too faint" in say_change(change)


def test_a_spectrum_on_another_grid_is_interpolated_and_said_to_be() -> None:
    finer = make_samples(noise=0, waves_um=np.linspace(1.0, 2.0, 799))
    before = replace(make_samples(noise=0), error=np.full(400, 0.01))
    change = compare_samples("", before, finer)
    assert change.grids == "400 -> 799 samples"
    assert change.ratio == pytest.approx(1, abs=1e-6)
    shifted = replace(before, x_um=WAVES_UM * 1.001)
    assert "differ by up to 0.001" in compare_samples("", before, shifted).grids


def test_the_largest_difference_is_in_errors_of_the_first() -> None:
    before = make_samples()
    flux = before.flux.copy()
    flux[100] += 0.5
    flux[7] = np.nan
    change = compare_samples("", before, replace(before, flux=flux))
    assert change.largest_errors == pytest.approx(50)
    assert change.largest_um == WAVES_UM[100]


def write_x1d(path: Path, *names: str, factor: float = 1.0) -> Path:
    """Write a product with a spectrum for each slit."""
    samples = make_samples()
    columns = {
        "WAVELENGTH": samples.x_um,
        "FLUX": factor * samples.flux,
        "FLUX_ERROR": samples.error,
        "DQ": np.zeros(400, np.uint32),
        "BACKGROUND": np.zeros(400),
        "NPIXELS": np.ones(400),
    }
    hdus = [fits.PrimaryHDU()]
    for version, name in enumerate(names, 1):
        hdu = fits.BinTableHDU(Table(columns), name="EXTRACT1D", ver=version)
        hdu.header["SLTNAME"] = name
        hdus.append(hdu)
    fits.HDUList(hdus).writeto(path)
    return path


def test_spectra_of_files_are_paired_by_their_slits(tmp_path: Path) -> None:
    first = write_x1d(tmp_path / "a_x1d.fits", "S1", "S2")
    second = write_x1d(tmp_path / "b_x1d.fits", "S2", "S3", factor=2)
    found = compare_files(first, second)
    assert [one.part for one in found.spectra] == ["slit S2"]
    assert found.spectra[0].ratio == pytest.approx(2)
    assert found.only == {"before": ("slit S1",), "after": ("slit S3",)}


def write_cube(
    path: Path, *, factor: float = 1.0, shift: int = 0, planes: int = 60
) -> Path:
    """Write a cube with a source upon a sky that is noise."""
    y, x = np.indices((21, 21))
    source = 50 * np.exp(-0.5 * ((y - 10) ** 2 + (x - 9 - shift) ** 2) / 1.5**2)
    noise = np.random.default_rng(1).normal(scale=0.1, size=(planes, 21, 21))
    waves = np.linspace(1.0, 1.6, planes)
    header = fits.Header(
        {"CDELT1": 0.1 / 3600, "CDELT2": 0.1 / 3600, "BUNIT": "MJy/sr"}
    )
    hdus = [
        fits.PrimaryHDU(),
        fits.ImageHDU((factor * (source + noise)).astype("f4"), header, "SCI"),
        fits.ImageHDU(np.full((planes, 21, 21), 0.1, "f4"), name="ERR"),
        fits.ImageHDU(np.zeros((planes, 21, 21), np.int32), name="DQ"),
        fits.BinTableHDU(Table({"wavelength": [waves]}), name="WCS-TABLE"),
    ]
    fits.HDUList(hdus).writeto(path)
    return path


def compare_cubes(first: Path, second: Path) -> SpectrumChange:
    [change] = compare_files(first, second).spectra
    return change


def test_a_factor_of_a_cube_is_found_and_its_source_stays(tmp_path: Path) -> None:
    before = write_cube(tmp_path / "a_s3d.fits")
    change = compare_cubes(before, write_cube(tmp_path / "b_s3d.fits", factor=1.05))
    assert change.ratio == pytest.approx(1.05, rel=1e-6)
    assert change.unit == "MJy/sr"
    assert change.moved_arcsec == pytest.approx(0, abs=1e-4)
    assert change.samples > 10 * 60
    assert change.grids == ""


def test_a_source_that_moves_by_a_spaxel_is_told_in_arcsec(tmp_path: Path) -> None:
    before = write_cube(tmp_path / "a_s3d.fits")
    change = compare_cubes(before, write_cube(tmp_path / "b_s3d.fits", shift=1))
    assert change.moved_arcsec == pytest.approx(0.1, abs=0.005)
    assert "the source moved by 0.1" in say_change(change)


def test_cubes_of_other_grids_are_compared_at_their_brightest_place(
    tmp_path: Path,
) -> None:
    before = write_cube(tmp_path / "a_s3d.fits")
    after = write_cube(tmp_path / "b_s3d.fits", factor=2, planes=55)
    change = compare_cubes(before, after)
    assert change.grids == "26460 -> 24255 samples"
    assert change.ratio == pytest.approx(2, rel=0.01)
    assert change.moved_arcsec is None


def test_an_empty_sky_has_no_source_that_could_move(tmp_path: Path) -> None:
    paths = []
    for name, seed in (("a", 1), ("b", 2)):
        path = write_cube(tmp_path / f"{name}_s3d.fits")
        with fits.open(path, mode="update") as hdus:
            hdus["SCI"].data[:] = np.random.default_rng(seed).normal(size=(60, 21, 21))
        paths.append(path)
    assert compare_cubes(*paths).moved_arcsec is None


def test_products_of_two_kinds_and_of_no_spectra_are_refused(tmp_path: Path) -> None:
    spectrum, cube = (
        write_x1d(tmp_path / "a_x1d.fits", "S1"),
        write_cube(tmp_path / "a_s3d.fits"),
    )
    with pytest.raises(MeasurementError, match="one of the kinds c1d, s3d"):
        compare_files(spectrum, cube)
    with pytest.raises(MeasurementError, match=r"got a_cal\.fits"):
        compare_files(tmp_path / "a_cal.fits", tmp_path / "a_cal.fits")


def test_what_is_no_product_is_named_and_keeps_no_other_from_its_answer(
    tmp_path: Path,
) -> None:
    good = write_x1d(tmp_path / "a_x1d.fits", "S1")
    torn = tmp_path / "b_x1d.fits"
    torn.write_bytes(b"SIMPLE  = nothing of the kind")
    with pytest.raises(ProductError, match=r"b_x1d\.fits"):
        compare_files(good, torn)
    answers = compare_spectra([(good, torn), (good, good)])
    assert not isinstance(answers, ErrorInfo)
    error, change = answers
    assert isinstance(error, ErrorInfo)
    assert "b_x1d.fits" in error.message
    assert isinstance(change, FileChange)
    assert change.spectra[0].ratio == 1


def make_change(name: str, sameness: Sameness) -> ProductChange:
    return ProductChange(name, ("a", "b"), sameness)


def test_the_sentence_says_how_many_changed_or_that_nothing_did() -> None:
    same = make_change("a_x1d.fits", Sameness.SAME_PIXELS)
    other = make_change("b_x1d.fits", Sameness.DIFFERENT)
    alone = make_change("c_x1d.fits", Sameness.ONLY_SECOND)
    assert say_changes(Changed((same, same))).startswith("Nothing changed: 2 products")
    assert say_changes(Changed((same, other, alone))).startswith("2 of 3 products")
    assert say_changes(Changed(())).startswith("There is no spectrum")
    assert alone.size > other.size
