import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from workers.errors import SampleError
from workers.sample import Check, check_products
from workers.sample.scene import Line, Spectrum
from workers.sample.truth import publish_table, spectrum_table

LINE = Line(2.0, 0.025, 3e-5)
SPECTRUM = Spectrum(1e-5, -0.5, (LINE,))
DEPTH = 0.01
MRS_LINE = Line(5.34, 0.0025, 0.1)
MRS_SPECTRUM = Spectrum(0.1, -0.5, (MRS_LINE,))
FRINGE = {"amplitude": 0.04, "period_per_cm": 2.8, "phase": 1.0}


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    meta = {"transit_depth": DEPTH}
    table = spectrum_table(SPECTRUM, (0.6, 5.3), {LINE: 0.036}, meta)
    passing = np.where(np.arange(40) // 10 == 1, 1 - DEPTH, 1.0)
    transit = Table({"transmission": passing}, meta=meta)
    folder = tmp_path / "truth"
    for mode in ("nirspec-ifu-prism", "nirspec-bots-prism"):
        publish_table(folder / f"{mode}_spectrum.ecsv", table)
        publish_table(folder / f"{mode}_transit.ecsv", transit)
    for kind, lines in {"ch1-short": (MRS_LINE,), "ch2-short": ()}.items():
        table = spectrum_table(
            replace(MRS_SPECTRUM, lines=lines),
            (5.2, 8.3),
            {MRS_LINE: 0.0017},
            {"fringe": FRINGE},
            step_um=0.0005,
        )
        publish_table(folder / f"miri-mrs_{kind}.ecsv", table)
    return folder


def write_mrs(folder: Path, *, fringes: float, step: str = "COMPLETE") -> list[Path]:
    paths = []
    for channel, span in ((1, (5.25, 5.45, 0.0008)), (2, (7.93, 8.12, 0.0013))):
        wavelength = np.arange(*span)
        wave = np.cos(2 * np.pi * 1e4 / wavelength / FRINGE["period_per_cm"] + 0.3)
        flux = MRS_SPECTRUM.flux(wavelength) * (1 + fringes * wave)
        table = Table({"WAVELENGTH": wavelength, "FLUX": flux})
        primary = fits.PrimaryHDU(header=fits.Header({"S_RESFRI": step}))
        path = folder / f"jw99003-o001_t002_miri_ch{channel}-short_x1d.fits"
        hdus = [primary, fits.BinTableHDU(table, name="EXTRACT1D")]
        fits.HDUList(hdus).writeto(path)
        paths.append(path)
    return paths


def write_ifu(folder: Path, factor: float = 1.0, shift_um: float = 0.0) -> Path:
    wavelength = np.arange(1.5, 3.3, 0.01)
    flux = factor * SPECTRUM.flux(wavelength - shift_um)
    table = fits.BinTableHDU(
        Table({"WAVELENGTH": wavelength, "FLUX": flux}), name="EXTRACT1D"
    )
    path = folder / "jw99001-o001_t001_nirspec_prism-clear_x1d.fits"
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)
    return path


def write_light_curve(folder: Path, depth: float) -> Path:
    flux = np.where(np.arange(40) // 10 == 1, 1 - depth, 1.0)
    flux += 1e-4 * np.resize([1, -1], 40)
    path = folder / "jw99002-o001_t001_nirspec_clear-prism_whtlt.ecsv"
    Table({"whitelight_flux_NRS1": flux}).write(path, format="ascii.ecsv")
    return path


def write_time_series(folder: Path) -> Path:
    wavelength = np.tile(np.arange(0.6, 5.3, 0.01), (20, 1))
    columns = {"WAVELENGTH": wavelength, "FLUX": SPECTRUM.flux(wavelength)}
    tables = [fits.BinTableHDU(Table(columns), name="EXTRACT1D") for _ in range(2)]
    path = folder / "jw99002-o001_t001_nirspec_clear-prism_x1dints.fits"
    fits.HDUList([fits.PrimaryHDU(), *tables]).writeto(path)
    return path


def failed(checks: tuple[Check, ...]) -> list[str]:
    return [check.name for check in checks if not check.passed]


def test_a_perfect_spectrum_passes(tmp_path: Path, truth: Path) -> None:
    checks = check_products([write_ifu(tmp_path)], truth)
    assert len(checks) == 2
    assert not failed(checks)


def test_products_are_found_in_a_folder(tmp_path: Path, truth: Path) -> None:
    write_ifu(tmp_path)
    assert len(check_products(tmp_path, truth)) == 2


def test_the_spectrum_of_the_empty_sky_is_not_taken_for_the_source(
    tmp_path: Path, truth: Path
) -> None:
    path = write_ifu(tmp_path)
    path.rename(tmp_path / path.name.replace("o001_t001", "o002_t002"))
    with pytest.raises(SampleError, match="None of"):
        check_products(tmp_path, truth)


def test_too_much_flux_fails(tmp_path: Path, truth: Path) -> None:
    checks = check_products([write_ifu(tmp_path, factor=1.06)], truth)
    assert failed(checks) == ["nirspec-ifu-prism flux / injected flux"]


def test_a_line_beside_its_place_fails(tmp_path: Path, truth: Path) -> None:
    checks = check_products([write_ifu(tmp_path, shift_um=0.06)], truth)
    assert "nirspec-ifu-prism line at 2.0 um" in failed(checks)


def test_a_transit_is_measured(tmp_path: Path, truth: Path) -> None:
    files = [write_time_series(tmp_path), write_light_curve(tmp_path, DEPTH)]
    checks = check_products(files, truth)
    assert checks[-1].measured == pytest.approx(DEPTH, abs=1e-4)
    assert not failed(checks)


def test_another_depth_fails(tmp_path: Path, truth: Path) -> None:
    files = [write_time_series(tmp_path), write_light_curve(tmp_path, 0.02)]
    assert failed(check_products(files, truth)) == ["nirspec-bots-prism transit depth"]


def write_pair(folder: Path, truth: Path, depths: dict[str, float]) -> list[Path]:
    """Write the truth and the products of two detectors, NRS2 one integration late."""
    curve, extensions = {}, []
    wavelength = np.tile(np.arange(2.9, 5.1, 0.01), (40, 1))
    for late, (detector, depth) in enumerate(depths.items()):
        meta = {"transit_depth": DEPTH, "detector": detector}
        spectrum = Spectrum((1 + late) * 1e-5, -0.5, ())
        table = spectrum_table(spectrum, (0.6, 5.3), {}, meta)
        publish_table(truth / f"nirspec-bots-g395h_{detector.lower()}.ecsv", table)
        inside = (np.arange(40) - late) // 10 == 1
        transit = Table({"transmission": np.where(inside, 1 - DEPTH, 1.0)}, meta=meta)
        publish_table(
            truth / f"nirspec-bots-g395h_transit-{detector.lower()}.ecsv", transit
        )
        noise = 1e-4 * np.resize([1, -1], 40)
        curve[f"whitelight_flux_{detector}"] = np.where(inside, 1 - depth, 1) + noise
        columns = Table({"WAVELENGTH": wavelength, "FLUX": spectrum.flux(wavelength)})
        extensions.append(fits.BinTableHDU(columns, name="EXTRACT1D"))
        extensions[-1].header["DETECTOR"] = detector
    product = "jw99012-o001_t001_nirspec_f290lp-g395h-s1600a1-sub2048"
    paths = [folder / f"{product}_x1dints.fits", folder / f"{product}_whtlt.ecsv"]
    fits.HDUList([fits.PrimaryHDU(), *extensions]).writeto(paths[0])
    Table(curve).write(paths[1], format="ascii.ecsv")
    return paths


def test_each_detector_is_measured_by_its_own_clock(
    tmp_path: Path, truth: Path
) -> None:
    files = write_pair(tmp_path, truth, {"NRS1": DEPTH, "NRS2": DEPTH})
    checks = check_products(files, truth)
    assert len(checks) == 4
    assert failed(checks) == []


def test_the_transit_of_one_detector_may_be_wrong(tmp_path: Path, truth: Path) -> None:
    files = write_pair(tmp_path, truth, {"NRS1": DEPTH, "NRS2": 0.02})
    assert failed(check_products(files, truth)) == [
        "nirspec-bots-g395h transit-nrs2 depth"
    ]


def test_a_time_series_without_light_curve_is_an_error(
    tmp_path: Path, truth: Path
) -> None:
    with pytest.raises(SampleError, match=r"x1dints\.fits alone"):
        check_products([write_time_series(tmp_path)], truth)


def test_each_channel_is_compared_with_its_truth(tmp_path: Path, truth: Path) -> None:
    checks = check_products(write_mrs(tmp_path, fringes=0.0), truth)
    assert [check.name for check in checks] == [
        "miri-mrs ch1-short flux / injected flux",
        "miri-mrs ch1-short line at 5.34 um",
        "miri-mrs ch1-short fringes / injected fringes",
        "miri-mrs ch2-short flux / injected flux",
        "miri-mrs ch2-short fringes / injected fringes",
    ]
    assert not failed(checks)


def test_fringes_are_measured(tmp_path: Path, truth: Path) -> None:
    checks = check_products(write_mrs(tmp_path, fringes=0.02), truth)
    measured = [each.measured for each in checks if "fringes" in each.name]
    assert measured == pytest.approx([0.5, 0.5], rel=0.02)
    assert len(failed(checks)) == 2


def test_fringes_that_no_step_takes_away_are_no_failure(
    tmp_path: Path, truth: Path
) -> None:
    checks = check_products(write_mrs(tmp_path, fringes=0.04, step="SKIPPED"), truth)
    assert not failed(checks)


def test_a_channel_alone_is_an_error(tmp_path: Path, truth: Path) -> None:
    with pytest.raises(SampleError, match=r"ch2-short_x1d\.fits"):
        check_products(write_mrs(tmp_path, fringes=0.0)[:1], truth)


def write_nods(folder: Path, share: float) -> list[Path]:
    wavelength = np.arange(0.6, 5.3, 0.01)
    table = Table({"WAVELENGTH": wavelength, "FLUX": share * SPECTRUM.flux(wavelength)})
    paths = []
    for number in (1, 2, 3):
        name = f"jw99004-o001_s{number:09d}_nirspec_clear-prism_x1d.fits"
        hdus = [fits.PrimaryHDU(), fits.BinTableHDU(table, name="EXTRACT1D")]
        fits.HDUList(hdus).writeto(folder / name)
        paths.append(folder / name)
    return paths


@pytest.fixture
def truth_of_nods(truth: Path) -> Path:
    table = spectrum_table(SPECTRUM, (0.6, 5.3), {LINE: 0.036}, {"kept_share": 0.7})
    for number in (1, 2, 3):
        publish_table(truth / f"nirspec-mos-prism_s{number:09d}.ecsv", table)
    return truth


def test_nods_may_lose_what_they_subtract(tmp_path: Path, truth_of_nods: Path) -> None:
    checks = check_products(write_nods(tmp_path, 0.65), truth_of_nods)
    assert len(checks) == 6
    assert not failed(checks)


@pytest.mark.parametrize("share", [0.6, 0.8, 1.0])
def test_nods_that_keep_another_share_fail(
    tmp_path: Path, truth_of_nods: Path, share: float
) -> None:
    checks = check_products(write_nods(tmp_path, share), truth_of_nods)
    assert len(failed(checks)) == 3


def test_a_source_that_is_missing_is_an_error(
    tmp_path: Path, truth_of_nods: Path
) -> None:
    with pytest.raises(SampleError, match="s000000003"):
        check_products(write_nods(tmp_path, 0.7)[:2], truth_of_nods)


def test_nothing_to_check_is_an_error(truth: Path) -> None:
    with pytest.raises(SampleError, match="None of 0 files"):
        check_products([], truth)


def test_nan_never_passes() -> None:
    assert not Check("flux", math.nan, 1.0, 0.05, "").passed


GRATING_LINES = (Line(3.93, 0.0015, 6e-4), Line(4.26, 0.0015, 6e-4))
GRATING_SPECTRUM = Spectrum(4e-4, -0.5, GRATING_LINES)


def write_gratings(folder: Path) -> list[Path]:
    """Write spectra of which half is lost between the detectors."""
    found = []
    for number, grating, span in (
        (1, "g395h", (3.88, 4.31, 0.00067)),
        (2, "g395m", (3.9, 4.0, 0.00067)),
    ):
        wavelength = np.arange(*span)
        flux = GRATING_SPECTRUM.flux(wavelength)
        flux[(wavelength > 3.99) & (wavelength < 4.22)] /= 2
        table = Table({"WAVELENGTH": wavelength, "FLUX": flux})
        path = folder / f"jw99006-o00{number}_t001_nirspec_{grating}_x1d.fits"
        hdu = fits.BinTableHDU(table, name="EXTRACT1D")
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
        found.append(path)
    return found


@pytest.mark.parametrize(("gap_um", "ratio"), [([3.98, 4.23], 1.0), (None, 0.5)])
def test_flux_in_the_gap_between_detectors_does_not_count(
    tmp_path: Path, gap_um: list[float] | None, ratio: float
) -> None:
    meta = {"gap_um": gap_um} if gap_um else {}
    for grating, seen, its_meta in (
        ("g395h", GRATING_LINES, meta),
        ("g395m", GRATING_LINES[:1], {}),
    ):
        resolutions = dict.fromkeys(seen, 0.0013)
        table = spectrum_table(
            GRATING_SPECTRUM, (3.88, 4.31), resolutions, its_meta, step_um=0.0003
        )
        publish_table(tmp_path / f"nirspec-ifu-gratings_{grating}.ecsv", table)
    checks = check_products(write_gratings(tmp_path), tmp_path)
    assert [check.name for check in checks if "line" in check.name] == [
        "nirspec-ifu-gratings g395h line at 3.93 um",
        "nirspec-ifu-gratings g395h line at 4.26 um",
        "nirspec-ifu-gratings g395m line at 3.93 um",
    ]
    assert checks[0].measured == pytest.approx(ratio, abs=0.01)
