"""What is measured of which product, and what is said where nothing can be."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units
from astropy.io import fits
from astropy.table import Table
from numpy.typing import NDArray
from real_data import REAL_SLITS, needs_real_data

from config.measurements import list_measurements
from workers.contract import Measurement
from workers.errors import ProductError
from workers.stages.measurements import measure
from workers.stages.measurements.cubes import measure_outliers
from workers.stages.measurements.measure import READERS, _take, _Task
from workers.stages.measurements.robust import Measured
from workers.stages.measurements.spectra import count_spikes
from workers.stages.wrapping import wrap_slits

Array = NDArray[np.float64]

NAMES = {
    *("vertical-banding", "spaxel-oscillation", "outlier-fraction"),
    *("absorption-spikes", "fringe-amplitude", "band-steps", "nan-fraction"),
    *("source-offset", "source-wander", "sky-level", "white-light-slope"),
    *("white-light-scatter", "x1d-over-s3d", "line-positions"),
    *("spectral-noise", "plane-correlation", "light-curve-scatter"),
    "unexpected-light",
}
IFU = {"INSTRUME": "NIRSPEC", "EXP_TYPE": "NRS_IFU"}
MRS = {"INSTRUME": "MIRI", "EXP_TYPE": "MIR_MRS"}
BOTS = {"INSTRUME": "NIRSPEC", "EXP_TYPE": "NRS_BRIGHTOBJ"}
UM = np.linspace(1.0, 1.4, 200)


def write(path: Path, header: Mapping[str, Any], *extensions: Any) -> Path:
    primary = fits.PrimaryHDU(header=fits.Header(header))
    fits.HDUList([primary, *extensions]).writeto(path)
    return path


def image(name: str, data: Any, version: int = 1, **cards: Any) -> Any:
    return fits.ImageHDU(data, fits.Header(cards), name=name, ver=version)


def table(flux: Array, wavelength: Array = UM, **cards: Any) -> Any:
    """Make the extension of a spectrum; ERROR, AREA, SKY and RF are columns."""
    columns = {
        "WAVELENGTH": wavelength,
        "FLUX": flux,
        "FLUX_ERROR": cards.pop("ERROR", 0 * flux + 0.01),
        "NPIXELS": cards.pop("AREA", 0 * flux + 9.0),
        "BACKGROUND": cards.pop("SKY", 0 * flux),
    }
    if "RF" in cards:
        columns["RF_FLUX"] = cards.pop("RF")
    if flux.ndim == 2:
        columns["WAVELENGTH"] = np.broadcast_to(wavelength, flux.shape)
        columns["INT_NUM"] = np.arange(len(flux))
    return fits.BinTableHDU(Table(columns), fits.Header(cards), name="EXTRACT1D")


def take(
    path: Path, name: str, *, lines_um: Sequence[float] = (), **others: Any
) -> dict[tuple[str, str], Measurement]:
    """Take the numbers of one measurement of a product, by part and unit."""
    found = measure(path, lines_um=lines_um, **others)
    keys = [(one.name, one.part, one.unit) for one in found]
    assert len(set(keys)) == len(keys)
    assert all(one.product == path.name for one in found)
    return {(one.part, one.unit): one for one in found if one.name == name}


def value(path: Path, name: str, **others: Any) -> float | None:
    """Take a measurement that gives one number."""
    (one,) = take(path, name, **others).values()
    assert (one.value is None) == bool(one.why)
    return one.value


def test_every_measurement_is_defined_and_can_be_taken() -> None:
    kinds = list_measurements()
    assert {*kinds} == NAMES == {*READERS, "line-positions"}
    for kind in kinds.values():
        assert len({number.unit for number in kind.values}) == len(kind.values) > 0
        assert kind.definition.endswith(".")
        assert kind.source
        assert kind.suffixes


def test_a_number_is_compared_by_how_near_it_is_to_the_ideal() -> None:
    (spikes,) = list_measurements()["absorption-spikes"].values
    (step,) = list_measurements()["band-steps"].values
    assert spikes.compare(12, 3) == 4
    assert spikes.compare(12, 0) is None
    assert step.compare(1.2, 0.95) == pytest.approx(4)
    assert step.compare(0.9, 1.4) == pytest.approx(0.25)


def write_rate(path: Path, **cards: Any) -> Path:
    rng = np.random.default_rng(1)
    data = rng.normal(size=(64, 400)) + 0.5 * rng.normal(size=400)
    data[:, 7] = 1e9
    forbidden = np.zeros((64, 400), np.uint32)
    forbidden[:, 7] = 1
    header = {"INSTRUME": "NIRSPEC", "FASTAXIS": 2, **cards}
    return write(path, header, image("SCI", data), image("DQ", forbidden))


def test_a_rate_image_of_nirspec_has_bands(tmp_path: Path) -> None:
    found = take(write_rate(tmp_path / "jw1_nrs1_rate.fits"), "vertical-banding")
    assert found["", "DN/s"].value == pytest.approx(0.5, rel=0.1)
    assert found["", "1"].value == pytest.approx(17, rel=0.2)
    assert found["", "1"].n == 399


def test_products_that_nothing_is_for_give_nothing(tmp_path: Path) -> None:
    assert not measure(write_rate(tmp_path / "jw1_nrs1_rate.fits", INSTRUME="MIRI"))
    assert not measure(write_rate(tmp_path / "jw1_nrs1_uncal.fits"))
    (tmp_path / "jw1_spec3_asn.json").write_text("{}")
    assert not measure(tmp_path / "jw1_spec3_asn.json")


def test_what_prevents_a_number_is_said_in_its_place(tmp_path: Path) -> None:
    path = write_rate(tmp_path / "jw1_nrs1_rate.fits", FASTAXIS=None)
    with fits.open(path, mode="update") as hdus:
        del hdus[0].header["FASTAXIS"]
    found = take(path, "vertical-banding")
    assert [one.value for one in found.values()] == [None, None]
    assert {one.unit for one in found.values()} == {"DN/s", "1"}
    for one in found.values():
        assert one.why == "the header does not tell the FASTAXIS"
    empty = write(tmp_path / "jw2_nrs1_rate.fits", {**IFU, "FASTAXIS": 2})
    (one, _) = take(empty, "vertical-banding").values()
    assert one.why == "jw2_nrs1_rate.fits has no extension SCI"


def write_cube(path: Path, *, brightness: float = 2.0, header: Any = IFU) -> Path:
    """Write a source at x = 11.3, y = 9.6 in 200 planes; the corners see nothing."""
    y, x = np.indices((20, 20))
    profile = np.exp(-((x - 11.3) ** 2 + (y - 9.6) ** 2) / 4)
    data = brightness * profile * np.ones((200, 1, 1))
    weight = np.ones(data.shape)
    weight[:, :2] = 0
    data[:, :2] = np.nan
    data[40, 10, 10] = np.nan
    weight[40, 10, 10] = 0
    cards = {"PIXAR_SR": 1e-13, "CDELT1": 0.1 / 3600}
    parts = image("SCI", data, **cards), image("ERR", data), image("WMAP", weight)
    return write(path, header, *parts)


def write_spectrum(path: Path, flux_jy: float, **cards: Any) -> Path:
    aperture = {"EXTR_X": 11, "EXTR_Y": 9, "SRCTYPE": "POINT"} | cards
    flux = np.full(200, flux_jy)
    return write(path, IFU, table(flux, AREA=np.full(200, 80.0), **aperture))


FLUX_JY = 2.0 * 4 * np.pi * 1e-7
"""Of the source in a cube, nearly all of which is in an aperture of 80 spaxels."""


def test_a_spectrum_is_compared_with_the_cube_beside_it(tmp_path: Path) -> None:
    path = write_spectrum(tmp_path / "jw1_g140m_x1d.fits", 1.1 * FLUX_JY)
    write_cube(tmp_path / "jw1_g140m_s3d.fits")
    assert value(path, "x1d-over-s3d") == pytest.approx(1.1, rel=0.01)
    offset = take(path, "source-offset")
    assert offset["", "pixel"].value == pytest.approx(np.hypot(0.3, 0.6), abs=0.02)
    assert offset["", "arcsec"].value == pytest.approx(0.067, abs=0.002)
    assert take(path, "x1d-over-s3d")["", "1"].n == 199


def test_a_cube_may_be_elsewhere_and_that_in_the_folder_goes_first(
    tmp_path: Path,
) -> None:
    path = write_spectrum(tmp_path / "jw1_g140m_x1d.fits", FLUX_JY)
    (other,) = take(path, "x1d-over-s3d").values()
    assert other.value is None
    assert other.why == "there is no jw1_g140m_s3d.fits beside it"
    (tmp_path / "elsewhere").mkdir()
    cube = write_cube(tmp_path / "elsewhere" / "jw1_g140m_s3d.fits", brightness=4)
    assert value(path, "x1d-over-s3d", others=[cube]) == pytest.approx(0.5, rel=0.01)
    write_cube(tmp_path / "jw1_g140m_s3d.fits")
    assert value(path, "x1d-over-s3d", others=[cube]) == pytest.approx(1, rel=0.01)


def test_a_cube_tells_where_its_source_is_by_wavelength_and_how_bright_the_sky_is(
    tmp_path: Path,
) -> None:
    path = write_cube(tmp_path / "jw1_g140m_s3d.fits")
    wander = take(path, "source-wander")
    assert wander["", "pixel"].n == 8
    assert wander["", "arcsec"].value == pytest.approx(0, abs=1e-6)
    assert value(path, "sky-level") == pytest.approx(0, abs=1e-6)
    (planes,) = take(path, "plane-correlation").values()
    assert planes.why == "no part of the cube has noise in enough planes"


def test_an_extended_source_has_no_aperture(tmp_path: Path) -> None:
    path = write_spectrum(tmp_path / "jw1_x1d.fits", FLUX_JY, SRCTYPE="EXTENDED")
    write_cube(tmp_path / "jw1_s3d.fits")
    assert value(path, "x1d-over-s3d") == pytest.approx(1, rel=0.01)
    for one in take(path, "source-offset").values():
        assert "whole field" in one.why


def test_an_extended_source_is_summed_in_every_spaxel(tmp_path: Path) -> None:
    """Also in those that few planes see; a background is known, and not subtracted."""
    data = np.ones((200, 6, 6))
    data[:, :2] = np.nan
    data[:80, 0] = data[80:160, 1] = 1
    cube, weight = image("SCI", data, PIXAR_SR=1e-13), 1.0 * np.isfinite(data)
    write(tmp_path / "jw1_s3d.fits", MRS, cube, image("WMAP", weight))
    flux = 1e-7 * np.nansum(data, axis=(1, 2))
    spectrum = table(flux, SRCTYPE="EXTENDED", SKY=np.full(200, 0.3))
    path = write(tmp_path / "jw1_x1d.fits", MRS, spectrum)
    assert value(path, "x1d-over-s3d") == pytest.approx(1)


def test_what_is_missing_in_a_cube_is_counted_where_light_falls(tmp_path: Path) -> None:
    cube = write_cube(tmp_path / "jw1_s3d.fits")
    gaps = take(cube, "nan-fraction")
    assert gaps["SCI", "1"].value == gaps["ERR", "1"].value == 1 / (200 * 18 * 20)
    assert value(cube, "outlier-fraction") == 0
    assert value(cube, "spaxel-oscillation") == pytest.approx(0, abs=1e-6)


def test_errors_that_are_all_nan_are_found(tmp_path: Path) -> None:
    """Known issue NS-MOS02; wavelengths without an aperture do not count."""
    area = np.where(np.arange(200) < 50, 0.0, 9.0)
    flux = np.where(area > 0, 1.0, np.nan)
    spectrum = table(flux, AREA=area, ERROR=np.full(200, np.nan))
    gaps = take(write(tmp_path / "jw1_x1d.fits", IFU, spectrum), "nan-fraction")
    assert gaps["FLUX", "1"].value == 0
    assert gaps["FLUX_ERROR", "1"].value == 1
    assert gaps["FLUX_ERROR", "1"].n == 150


def test_each_slit_is_measured(tmp_path: Path) -> None:
    flux = np.ones(200)
    flux[60] = 0
    slits = [table(flux, SLTNAME="7"), table(np.ones(200), SLTNAME="12")]
    header = {"INSTRUME": "NIRSPEC", "EXP_TYPE": "NRS_MSASPEC"}
    found = take(write(tmp_path / "jw1_x1d.fits", header, *slits), "absorption-spikes")
    assert found["slit 7", "pixel"].value == 1
    assert found["slit 12", "pixel"].value == 0
    noise = take(tmp_path / "jw1_x1d.fits", "spectral-noise")
    assert noise["slit 7", "1"].n == 200 - 4 - 3
    assert noise["slit 12", "1"].value == 0


def series(flux: float, **cards: Any) -> Any:
    spectra = flux * np.ones((12, 200))
    spectra[:, 30] = 0
    spectra[5, 100] = 0
    return table(spectra, **cards)


def test_segments_are_one_time_series_and_detectors_are_two(tmp_path: Path) -> None:
    red_um = UM + 0.42
    parts = [
        series(1.0, DETECTOR="NRS1"),
        series(1.2, wavelength=red_um, DETECTOR="NRS2"),
        series(1.0, DETECTOR="NRS1"),
        series(1.2, wavelength=red_um, DETECTOR="NRS2"),
    ]
    path = write(tmp_path / "jw1_x1dints.fits", BOTS, *parts)
    spikes = take(path, "absorption-spikes")
    assert {part for part, _ in spikes} == {"NRS1", "NRS2"}
    assert spikes["NRS1", "pixel"].value == 1
    assert take(path, "nan-fraction")["NRS1 FLUX", "1"].n == 24 * 200
    steps = take(path, "band-steps")
    assert steps["NRS2 after NRS1", "1"].value == pytest.approx(1.2)
    assert len(steps) == 1


def test_the_next_band_is_in_a_file_beside(tmp_path: Path) -> None:
    um = np.linspace(5, 5.7, 200)
    names = ("jw1_miri_ch1-short", "jw1_miri_ch1-medium", "jw2_miri_ch1-long")
    paths = [
        write(tmp_path / f"{name}_x1d.fits", MRS, table(flux * np.ones(200), um + by))
        for name, flux, by in zip(names, (1.0, 0.9, 5.0), (0.0, 0.6, 1.2), strict=True)
    ]
    blue, red, other = (take(path, "band-steps") for path in paths)
    assert not blue
    assert red["after ch1-short", "1"].value == pytest.approx(0.9)
    assert not other


def test_fringes_are_measured_before_and_after_their_correction(tmp_path: Path) -> None:
    um = np.arange(5.0, 5.6, 0.0008)
    fringe = np.sin(2 * np.pi * 1e4 / um / 2.9)
    spectrum = table(1 + 0.1 * fringe, um, RF=1 + 0.01 * fringe)
    found = take(write(tmp_path / "jw1_x1d.fits", MRS, spectrum), "fringe-amplitude")
    assert found["FLUX", "1"].value == pytest.approx(0.1, rel=0.05)
    assert found["RF_FLUX", "1"].value == pytest.approx(0.01, rel=0.05)
    plain = write(
        tmp_path / "jw2_x1d.fits", MRS, table(1 + 0.1 * fringe, um, RF=0 * um)
    )
    assert {part for part, _ in take(plain, "fringe-amplitude")} == {"FLUX"}


def test_flagged_outliers_are_a_share_of_the_pixels_with_light(tmp_path: Path) -> None:
    wavelength = np.full((6, 50), np.nan)
    wavelength[1:5] = 1.0
    data = np.where(wavelength > 0, 1.0, np.nan)
    flags = np.zeros((6, 50), np.uint32)
    flags[2, :10], data[2, :10] = 16 + 1, np.nan  # rejected
    flags[3, :20], data[3, :20] = 1, np.nan  # was never used
    flags[0, :20] = 16  # outside the slit
    names = ("SCI", "DQ", "WAVELENGTH")
    exposures = [
        image(name, array, version, SLTNAME="7")
        for version in (1, 2)
        for name, array in zip(names, (data, flags, wavelength), strict=True)
    ]
    found = take(write(tmp_path / "jw1_crf.fits", IFU, *exposures), "outlier-fraction")
    assert {part for part, _ in found} == {"slit 7 exposure 1", "slit 7 exposure 2"}
    assert found["slit 7 exposure 1", "1"].value == 10 / 180


def test_outliers_of_a_rectified_slit_are_found_along_wavelength(
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(1)
    rows = np.exp(-((np.arange(21.0) - 10) ** 2) / 4)
    data = 300 * rows[:, None] * np.ones(300) + rng.normal(size=(21, 300))
    data[4, 100] = data[12, 200] = 1000
    for number, (way, array) in enumerate([(1, data), (2, data.T)]):
        weight = image("WHT", np.ones(array.shape))
        path = tmp_path / f"jw{number}_s2d.fits"
        write(path, IFU, image("SCI", array, DISPAXIS=way), weight)
        assert value(path, "outlier-fraction") == pytest.approx(2 / 6300, abs=3 / 6300)


def write_curve(path: Path, flux: Array) -> Path:
    columns = {"MJD_UTC_NRS1": 60000 + np.arange(flux.size) / 1000.0}
    curve = Table(columns | {"whitelight_flux_NRS1": flux * units.Jy})
    curve.meta = {"instrument": "NIRSPEC", "exp_type": "NRS_BRIGHTOBJ"}
    curve.write(path, format="ascii.ecsv")
    return path


def test_the_scatter_of_a_curve_is_compared_with_the_errors_of_its_spectra(
    tmp_path: Path,
) -> None:
    noise = np.random.default_rng(1).normal(size=(400, 200))
    flux, error = 1 + 0.02 * noise, np.full((400, 200), 0.01)
    path = write_curve(tmp_path / "jw1_whtlt.ecsv", np.nansum(flux, axis=1))
    ppm = 1e6 * 0.02 / np.sqrt(200)
    alone = take(path, "white-light-scatter")
    assert alone["", "ppm"].value == pytest.approx(ppm, rel=0.1)
    assert alone["", "1"].why == "there is no jw1_x1dints.fits beside it"
    parts = [series(1.0, DETECTOR="NRS2"), table(flux, ERROR=error, DETECTOR="NRS1")]
    spectra = write(tmp_path / "jw1_x1dints.fits", BOTS, *parts)
    beside = take(path, "white-light-scatter")
    assert beside["", "1"].value == pytest.approx(2, rel=0.1)
    native = take(spectra, "light-curve-scatter")
    assert native["NRS1", "1"].value == pytest.approx(2, rel=0.02)
    assert native["NRS2", "1"].value == 0
    spectra.unlink()
    write(spectra, BOTS, series(1.0, DETECTOR="NRS1"))
    assert "sum up" in take(path, "white-light-scatter")["", "1"].why
    assert value(path, "white-light-slope") == pytest.approx(0, abs=100)


def test_lines_are_measured_where_they_are_asked_for(tmp_path: Path) -> None:
    line = np.exp(-((np.arange(200) - 100.5) ** 2) / 2)
    path = write(tmp_path / "jw1_x1d.fits", IFU, table(1 + line))
    assert not take(path, "line-positions")
    step_um = UM[1] - UM[0]
    found = take(path, "line-positions", lines_um=[UM[100], 3.0])
    part = f"{UM[100]:g} um"
    assert found[part, "pixel"].value == pytest.approx(0.5, abs=0.01)
    velocity = 299792.458 * 0.5 * step_um / UM[100]
    assert found[part, "km/s"].value == pytest.approx(velocity, rel=0.02)
    assert found["3 um", "pixel"].why == "the spectrum does not reach 3.0 um"


def test_an_exposure_of_which_the_file_does_not_tell_what_is_lit(
    tmp_path: Path,
) -> None:
    path = write(tmp_path / "jw1_cal.fits", MRS, image("SCI", np.ones((9, 9))))
    (one,) = measure(path)
    assert one.why == "the file does not tell where light falls"
    regions = image("REGIONS", np.eye(9))
    lit = write(tmp_path / "jw2_cal.fits", MRS, image("SCI", np.ones((9, 9))), regions)
    found = take(lit, "nan-fraction")
    assert found["SCI", "1"].value == 0
    assert found["ERR", "1"].value == 1  # there are none
    assert found["SCI", "1"].n == 9


def test_nothing_but_nan_gives_no_number_that_is_not_finite(tmp_path: Path) -> None:
    nan = np.full((200, 9, 9), np.nan)
    cube = write(tmp_path / "jw1_s3d.fits", MRS, image("SCI", nan, PIXAR_SR=1.0))
    spectrum = write(tmp_path / "jw1_x1d.fits", MRS, table(nan[:, 0, 0]))
    curve = write_curve(tmp_path / "jw1_whtlt.ecsv", nan[:, 0, 0])
    for path in (cube, spectrum, curve):
        found = measure(path, lines_um=[1.2])
        assert found
        for one in found:
            assert one.name == "nan-fraction" or one.value is None
            assert (one.value is None) == bool(one.why)


@pytest.mark.parametrize("name", ["jw1_x1d.fits", "jw1_rate.fits", "jw1_whtlt.ecsv"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"\x80 no product")
    with pytest.raises(ProductError, match=f"{name} is not a product that can be read"):
        measure(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ProductError, match="a pipe"):
        measure(path)


def test_a_file_that_was_cut_is_named(tmp_path: Path) -> None:
    path = write_rate(tmp_path / "jw1_nrs1_rate.fits")
    path.write_bytes(path.read_bytes()[: 1 << 16])
    with pytest.raises(ProductError, match=r"rate\.fits is not a product"):
        measure(path)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_is_none(number: float) -> None:
    kind = list_measurements()["band-steps"]
    task = _Task("", lambda: Measured(number, 3))
    (found,) = _take(task, "band-steps", kind, "jw1_x1d.fits")
    assert found.value is None
    assert found.why == f"the number is {number}"


@needs_real_data
def test_real_slits_lack_few_values(tmp_path: Path) -> None:
    for name in wrap_slits(REAL_SLITS, tmp_path):
        found = take(tmp_path / name, "nan-fraction")
        assert found["SCI", "1"].value == pytest.approx(0.05, abs=0.002)
        assert found["ERR", "1"].value == 0


def read_real(path: Path) -> Array:
    """Read a real slit with wavelength first, without what must not be used."""
    with fits.open(path) as hdus:
        good = (hdus["WAVELENGTH"].data > 0) & (hdus["DQ"].data & 1 == 0)
        return np.where(good, hdus["SCI"].data, np.nan).T.astype(float)


@needs_real_data
@pytest.mark.parametrize("number", range(3))
def test_outliers_are_counted_in_real_noise_too(number: int) -> None:
    real = read_real(REAL_SLITS[number])
    found = measure_outliers(real)
    assert 0.004 < found.value < 0.015
    assert measure_outliers(1e-6 * (real + 2)).value == pytest.approx(found.value)
    places = np.flatnonzero(np.isfinite(real))[::97]
    struck = real.copy()
    struck.flat[places] += 100 * np.nanstd(real)
    more = measure_outliers(struck)
    assert (more.value - found.value) * found.n == pytest.approx(places.size, rel=0.1)


@needs_real_data
@pytest.mark.parametrize("number", range(3))
def test_spikes_are_counted_in_real_noise_too(number: int) -> None:
    real = np.nansum(read_real(REAL_SLITS[number]), axis=1)[20:-20]
    found = count_spikes(real)
    assert found.value <= 1
    real[10::50] -= 20 * np.std(np.diff(real))
    assert count_spikes(real).value == found.value + 6


def write_slitlets(path: Path, *, is_known: bool = False, unit: str = "MJy") -> Path:
    """Make a point source, an extended one and empty sky, and a glow in the last."""
    rng, extensions = np.random.default_rng(2), []
    wavelength = np.broadcast_to(np.linspace(0.6, 5.3, 400), (20, 400))
    kinds = (("POINT", "1_1"), ("EXTENDED", "1_2"), ("EXTENDED", "1_BKG3"))
    for version, (kind, name) in enumerate(kinds, start=1):
        data = rng.normal(0.2, 0.1, (20, 400))
        dq = np.zeros((20, 400), np.uint32)
        if version == 1:
            data[8:12] += 30.0
        if version == 3:
            data[4:9, 250:] += np.linspace(0, 3, 150)
            dq[4:9, 250:] = is_known << 29
        cards = {"SRCTYPE": kind, "SRCNAME": name, "SLTNAME": str(version)}
        cards |= {"BUNIT": unit if version == 1 else "MJy/sr", "PIXAR_SR": 5e-13}
        data *= 5e-13 if version == 1 else 1.0
        extensions += [image("SCI", data, version, **cards), image("DQ", dq, version)]
        extensions.append(image("WAVELENGTH", wavelength, version))
    return write(path, {**BOTS, "EXP_TYPE": "NRS_MSASPEC"}, *extensions)


def test_light_is_unexpected_where_neither_source_nor_sky_is(tmp_path: Path) -> None:
    found = take(write_slitlets(tmp_path / "jw1_nrs1_cal.fits"), "unexpected-light")
    assert {part for part, _ in found} == {"slit 1", "slit 3"}
    # The last of 8 parts has the last 50 columns, from 2 to 3 MJy/sr.
    assert found["slit 3", "MJy/sr"].value == pytest.approx(2.5, abs=0.1)
    assert (found["slit 3", "1"].value or 0) > 50
    assert abs(found["slit 1", "MJy/sr"].value or 9) < 0.1
    assert (found["slit 1", "1"].value or 9) < 4


def test_light_of_shutters_that_are_known_to_be_open_is_expected(
    tmp_path: Path,
) -> None:
    path = write_slitlets(tmp_path / "jw1_nrs1_cal.fits", is_known=True)
    found = take(path, "unexpected-light")
    assert (found["slit 3", "1"].value or 9) < 4


def test_light_in_other_units_is_not_compared(tmp_path: Path) -> None:
    path = write_slitlets(tmp_path / "jw1_nrs1_cal.fits", unit="DN/s")
    (one, _) = take(path, "unexpected-light").values()
    assert one.why == "expected MJy/sr, or MJy and PIXAR_SR, got DN/s and 5e-13"


def test_slitlets_without_enough_sky_are_not_compared(tmp_path: Path) -> None:
    path = write_slitlets(tmp_path / "jw1_nrs1_cal.fits")
    with fits.open(path, mode="update") as hdus:
        for version in (1, 3):
            hdus["DQ", version].data[:] = 1
    found = take(path, "unexpected-light")
    assert {one.why for one in found.values()} == {"no pixel is usable"}
    with fits.open(path, mode="update") as hdus:
        hdus["DQ", 3].data[5:10] = 0
    found = take(path, "unexpected-light")
    why = "expected 8 rows of sky or more, three of them in the slitlet"
    assert {one.why for one in found.values()} == {why}
