"""Each measurement finds a defect of the size that was put in, and nothing else."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from workers.errors import MeasurementError
from workers.stages.measurements.cubes import (
    find_illuminated,
    measure_correlation,
    measure_flux_ratio,
    measure_offset,
    measure_oscillation,
    measure_outliers,
    measure_sky,
    measure_wander,
)
from workers.stages.measurements.detector import measure_banding, measure_fraction
from workers.stages.measurements.light_curves import (
    measure_excess,
    measure_scatter,
    measure_scatter_ratio,
    measure_slope,
)
from workers.stages.measurements.spectra import (
    count_spikes,
    measure_fringes,
    measure_line,
    measure_noise,
    measure_step,
)

Array = NDArray[np.float64]

scales = st.floats(1e-15, 1e15)
"""Units may be anything from W to nJy."""


def noise(*shape: int, seed: int = 1) -> Array:
    return np.random.default_rng(seed).normal(size=shape)


# Banding: an image of 512 x 512 pixels with noise of 1.

ALL = np.ones((512, 512), dtype=bool)


def banded(size: float) -> Array:
    return noise(512, 512) + size * noise(512, seed=2)


def band(image: Array, fast_axis: int = 2) -> float:
    usable = np.ones(image.shape, dtype=bool)
    return measure_banding(image, usable, fast_axis)[0].value


@pytest.mark.parametrize("size", [0.1, 0.3, 1.0, 3.0])
def test_banding_is_the_deviation_that_was_put_in(size: float) -> None:
    deviation, ratio = measure_banding(banded(size), ALL, 2)
    assert deviation.value == pytest.approx(size, rel=0.1)
    assert ratio.value == pytest.approx(512 * size**2 + 1, rel=0.2)
    assert deviation.n == ratio.n == 512


def test_white_noise_is_no_banding() -> None:
    deviation, ratio = measure_banding(noise(512, 512), ALL, 2)
    assert deviation.value < 0.02
    assert ratio.value == pytest.approx(1, abs=0.15)


def test_bands_run_along_the_fast_axis() -> None:
    assert band(banded(0.3).T, 1) == pytest.approx(band(banded(0.3), -2))
    assert band(banded(0.3), 1) < 0.03


def test_each_amplifier_of_a_full_frame_has_bands_of_its_own() -> None:
    signs = np.repeat([1, -1, 1, -1], 512)
    image = noise(2048, 256) + 0.3 * np.outer(signs, noise(256, seed=2))
    deviation, _ = measure_banding(image, np.ones(image.shape, dtype=bool), 2)
    assert deviation.value == pytest.approx(0.3, rel=0.1)
    assert deviation.n == 4 * 256


def test_light_is_no_banding() -> None:
    image, lit = banded(0.3), banded(0.3)
    lit[100:300] += 50 + 5 * noise(512, seed=4) + 0.2 * np.arange(512)  # traces
    lit[350:410, 250:253] += 500  # a line
    hot = np.random.default_rng(5).choice(lit.size, lit.size // 100, replace=False)
    lit.flat[hot] += 1000
    lit += 0.002 * np.arange(512)  # a background
    assert band(lit) == pytest.approx(band(image), rel=0.07)


def test_banding_is_in_the_unit_of_the_image_whatever_its_level_and_borders() -> None:
    image = banded(0.3)
    bordered = 1e-3 * (np.pad(image, 4, constant_values=np.nan) + 7)
    assert band(bordered) == pytest.approx(1e-3 * band(image), rel=0.02)


def test_pixels_that_must_not_be_used_are_not() -> None:
    image = banded(0.3)
    image[:, 100] = 1e6
    usable = ALL.copy()
    usable[:, 100] = False
    assert measure_banding(image, usable, 2)[0].value == pytest.approx(0.3, rel=0.1)
    with pytest.raises(MeasurementError, match="no pixel is usable"):
        measure_banding(image, ~ALL, 2)


def test_few_bands_are_not_measured() -> None:
    with pytest.raises(MeasurementError, match=r"32 bands or more .* got 20"):
        measure_banding(noise(64, 20), np.ones((64, 20), dtype=bool), 2)


# Fractions.


def test_a_fraction_counts_only_where_light_falls() -> None:
    chosen, among = np.eye(4) > 0, np.arange(16).reshape(4, 4) < 8
    assert measure_fraction(chosen, among).value == 2 / 8
    with pytest.raises(MeasurementError, match="nothing sees light"):
        measure_fraction(chosen, np.zeros((4, 4), dtype=bool))


def test_gaps_between_detectors_and_corners_of_a_cube_see_no_light() -> None:
    weight = np.ones((10, 4, 5))
    weight[4:6] = 0
    weight[:, 0] = 0
    weight[0, 1, 1] = 0  # a hole, which should have been filled
    lit = find_illuminated(weight)
    assert lit.sum() == 8 * 3 * 5
    assert lit[0, 1, 1]


# Cubes: a source of 1.5 spaxels in 200 planes of 21 x 21 spaxels, noise of 1.

Y, X = np.indices((21, 21)) - 10.0
PROFILE = np.exp(-(X**2 + Y**2) / (2 * 1.5**2))
PLANES = np.arange(200)
LINE = np.exp(-((PLANES - 90) ** 2) / 2)


def source(brightness: float = 300) -> Array:
    spectrum = brightness * (1 + 0.3 * np.sin(PLANES / 60))
    return spectrum[:, None, None] * PROFILE + noise(200, 21, 21)


def struck(cube: Array, count: int) -> Array:
    places = np.random.default_rng(3).choice(cube.size, count, replace=False)
    cube = cube.copy()
    cube.flat[places] += 60
    return cube


@pytest.mark.parametrize("count", [0, 20, 200, 800])
def test_outliers_are_counted(count: int) -> None:
    found = measure_outliers(struck(source(), count))
    assert found.n == 200 * 21 * 21
    assert found.value * found.n == pytest.approx(count, abs=0.03 * count + 10)


def test_outliers_on_a_bright_source_are_counted_too() -> None:
    """Also where another one of another colour is in the field."""
    red = 600 * (PLANES / 200)[:, None, None] * np.roll(PROFILE, 6, axis=1)
    cube = source() + red
    for number in range(27):
        cube[7 * number, 9 + number % 3, 15 + number // 9] += 60
    found = measure_outliers(cube)
    assert found.value * found.n == pytest.approx(27, abs=5)


@pytest.mark.parametrize(
    "change",
    [
        lambda cube: cube + 500 * LINE[:, None, None] * PROFILE,
        lambda cube: cube + 50 * LINE[:, None, None],
        lambda cube: cube + 400 * np.roll(PROFILE, 6, axis=1),
        lambda cube: 1e-9 * (cube + 40),
        lambda cube: np.pad(cube, ((3, 3), (2, 2), (2, 2)), constant_values=np.nan),
    ],
    ids=["line of the source", "line everywhere", "source", "unit", "borders"],
)
def test_what_is_no_outlier_does_not_count(change: Callable[[Array], Array]) -> None:
    plain = measure_outliers(struck(source(), 200))
    changed = measure_outliers(change(struck(source(), 200)))
    assert changed.value == pytest.approx(plain.value, rel=0.1)
    assert changed.n == plain.n


def test_outliers_of_a_rectified_spectrum_are_counted() -> None:
    spectrum = 200 * PROFILE[10] * np.ones((200, 1)) + noise(200, 21)
    spectrum += 400 * LINE[:, None] * PROFILE[10]
    found = measure_outliers(struck(spectrum, 40))
    assert found.value * found.n == pytest.approx(40, abs=8)


def test_a_cube_without_values_is_not_measured() -> None:
    for take in (measure_outliers, measure_oscillation):
        with pytest.raises(MeasurementError, match="no voxel has a value"):
            take(np.full((9, 3, 3), np.nan))


def rippled(size: float, brightness: float = 3000) -> Array:
    """Give neighbours opposite ripples: the sum over an aperture has next to none."""
    signs = np.where((X + Y) % 2, -1, 1)
    ripple = np.sin(2 * np.pi * PLANES / 23)[:, None, None] * signs
    spectrum = brightness * (1 + 0.3 * np.sin(PLANES / 60))[:, None, None]
    return spectrum * PROFILE * (1 + size * ripple) + noise(200, 21, 21)


def ripple(cube: Array) -> float:
    return measure_oscillation(cube).value


@pytest.mark.parametrize("size", [0.02, 0.1, 0.3])
def test_an_oscillation_is_as_large_as_it_was_put_in(size: float) -> None:
    assert ripple(rippled(size)) == pytest.approx(size, rel=0.1)


def test_a_smooth_spectrum_does_not_oscillate() -> None:
    assert ripple(rippled(0)) < 1e-3


@pytest.mark.parametrize(
    "change",
    [
        lambda cube: cube + 6000 * LINE[:, None, None] * PROFILE,
        lambda cube: 1e-9 * cube,
        lambda cube: np.pad(cube, ((3, 3), (2, 2), (2, 2)), constant_values=np.nan),
        lambda cube: np.where(np.arange(21) == 20, np.nan, cube),
    ],
    ids=["line", "unit", "borders", "edge"],
)
def test_what_is_no_oscillation_does_not_count(
    change: Callable[[Array], Array],
) -> None:
    assert ripple(change(rippled(0.1))) == pytest.approx(ripple(rippled(0.1)), rel=0.05)


@settings(max_examples=20)
@given(y=st.floats(-4, 4), x=st.floats(-4, 4), scale=scales, level=st.floats(-100, 1e6))
def test_an_offset_is_the_distance_from_the_aperture(
    y: float, x: float, scale: float, level: float
) -> None:
    profile = np.exp(-((X - x) ** 2 + (Y - y) ** 2) / (2 * 1.2**2))
    cube = scale * (1000 * profile + level) * np.ones((9, 1, 1))
    pixels, arcsec = measure_offset(cube, (10, 10), 0.1)
    assert pixels.value == pytest.approx(np.hypot(x, y), abs=0.02)
    assert arcsec.value == pytest.approx(0.1 * pixels.value)


def test_an_offset_is_along_a_slit_too_whatever_has_no_data() -> None:
    rows = np.arange(25.0)
    slit = np.exp(-((rows - 14.3) ** 2) / 2) + 0.01 * noise(300, 25)
    slit[:, :3] = slit[::7, 14] = np.nan
    pixels, _ = measure_offset(slit, (12.0,), 0.1)
    assert pixels.value == pytest.approx(2.3, abs=0.02)
    with pytest.raises(MeasurementError, match="no peak"):
        measure_offset(np.ones((300, 25)), (12.0,), 0.1)


def wandering(pixels: float) -> Array:
    """Let a source move along y from the first plane to the last."""
    shift = pixels * (PLANES / 199 - 0.5)[:, None, None]
    profile = np.exp(-(X**2 + (Y - shift) ** 2) / (2 * 1.2**2))
    return 300 * profile + noise(200, 21, 21)


@pytest.mark.parametrize("pixels", [0.5, 2.0, 6.0])
def test_a_source_wanders_as_far_as_it_moves_from_the_first_part_to_the_last(
    pixels: float,
) -> None:
    distance, arcsec = measure_wander(wandering(pixels), 0.1)
    assert distance.value == pytest.approx(7 / 8 * pixels, rel=0.05)
    assert arcsec.value == pytest.approx(0.1 * distance.value)
    assert distance.n == arcsec.n == 8


def test_a_source_that_stays_does_not_wander() -> None:
    assert measure_wander(source(), 0.1)[0].value < 0.05


def test_parts_of_a_cube_that_do_not_show_the_source_tell_no_centre() -> None:
    cube = wandering(2.0)
    cube[:25] = np.nan  # as between two detectors
    cube[175:] = noise(25, 21, 21)
    distance, _ = measure_wander(cube, 0.1)
    assert distance.n == 6
    assert distance.value == pytest.approx(5 / 8 * 2, rel=0.05)
    cube[:150] = np.nan
    with pytest.raises(MeasurementError, match="fewer than 2 parts"):
        measure_wander(cube, 0.1)


@pytest.mark.parametrize("level", [-3.0, 0.0, 40.0])
def test_the_sky_is_what_is_far_from_the_source(level: float) -> None:
    wide = np.exp(-(X**2 + Y**2) / (2 * 2.5**2))
    cube = 300 * wide + level + 0.1 * noise(60, 21, 21)
    cube[:, :2] = np.nan
    assert measure_sky(cube).value == pytest.approx(level, abs=0.05)


def test_a_cube_that_ends_near_the_source_has_no_sky() -> None:
    with pytest.raises(MeasurementError, match="no spaxel is far enough"):
        measure_sky(source()[:, 4:17, 4:17])


def sampled(planes: int) -> Array:
    """Return a cube of which each plane is the mean of some that overlap."""
    cube = source() + np.linspace(0, 20, 200)[:, None, None]
    fine = noise(200 + planes - 1, 21, 21)
    parts = [fine[first : first + 200] for first in range(planes)]
    return np.asarray(cube - noise(200, 21, 21) + np.mean(parts, axis=0))


@pytest.mark.parametrize("planes", [1, 2, 3])
def test_planes_correlate_by_how_much_of_their_pixels_they_share(planes: int) -> None:
    measured = measure_correlation(sampled(planes))
    assert measured.value == pytest.approx(1 - 1 / planes, abs=0.08)
    assert measured.n == 8


def test_where_planes_correlate_most_counts() -> None:
    cube = sampled(1)
    cube[100:125] = sampled(2)[100:125]
    cube[:25] = np.nan  # as between two detectors
    measured = measure_correlation(cube)
    assert measured.value == pytest.approx(0.5, abs=0.08)
    assert measured.n == 7
    with pytest.raises(MeasurementError, match="noise in enough planes"):
        measure_correlation(cube[90:120])


def flux_ratio(
    flux: float, *, background: float = 0.0, hole: int = 0, brightness: float = 2.0
) -> float:
    """Compare with a circle of 30 spaxels of a cube of 2 MJy/sr."""
    cube = np.full((50, 21, 21), brightness)
    cube[:hole, 10, 10] = np.nan
    steady = np.ones(50)
    measured = measure_flux_ratio(
        flux * steady,
        cube,
        1e-13,
        area=30 * steady,
        background=background * steady,
        centre=(10.2, 9.7),
    )
    assert measured.n == 50 - hole
    return measured.value


def test_a_flux_is_compared_with_the_sum_over_its_circle() -> None:
    expected_jy = 2.0 * 30 * 1e-13 * 1e6
    assert flux_ratio(expected_jy) == pytest.approx(1, abs=0.005)
    assert flux_ratio(1.3 * expected_jy) == pytest.approx(1.3, abs=0.005)
    assert flux_ratio(0.5 * expected_jy, background=1) == pytest.approx(1, abs=0.01)
    assert flux_ratio(expected_jy, hole=20) == pytest.approx(1, abs=0.005)


def test_a_flux_without_a_cube_of_its_own_is_not_measured() -> None:
    with pytest.raises(MeasurementError, match="no plane has data"):
        flux_ratio(1.0, hole=50)
    ones = np.ones(4)
    with pytest.raises(MeasurementError, match="4 wavelengths, the cube 5"):
        measure_flux_ratio(
            ones, np.ones((5, 3, 3)), 1.0, area=ones, background=ones, centre=None
        )


def test_the_flux_of_an_extended_source_is_that_of_all_spaxels() -> None:
    cube = np.full((5, 4, 6), 3.0)
    cube[:, 0] = np.nan
    flux = np.full(5, 3.0 * 18 * 1e-13 * 1e6)
    area = np.full(5, 18.0)
    measured = measure_flux_ratio(
        flux, cube, 1e-13, area=area, background=0 * area, centre=None
    )
    assert measured.value == pytest.approx(1)


# Spectra: 600 pixels with a continuum of 100 and noise of 1.

PIXELS = np.arange(600.0)


def spectrum() -> Array:
    return 100 + 0.05 * PIXELS + noise(600)


def spiked(count: int) -> Array:
    flux = spectrum()
    flux[20 : 20 + 10 * count : 10] -= 40
    return flux


def absorbed(flux: Array, fwhm: float) -> Array:
    lines = [50.0, 150.3, 250.5, 350.8]
    sigma = fwhm / 2.3548
    depth = sum(np.exp(-((PIXELS - at) ** 2) / (2 * sigma**2)) for at in lines)
    return np.asarray(flux - 60 * depth)


@pytest.mark.parametrize("size", [0.01, 1.0, 10.0])
@pytest.mark.parametrize("scale", [1e-15, 1.0, 1e15])
def test_the_noise_is_a_share_of_the_flux(size: float, scale: float) -> None:
    flux = scale * (100 + size * noise(600))
    assert measure_noise(flux).value == pytest.approx(size / 100, rel=0.1)


def test_slopes_and_lines_and_gaps_are_no_noise() -> None:
    plain = measure_noise(spectrum())
    flux = absorbed(spectrum(), 9.0)
    flux[300:320], flux[400:410] = np.nan, 0
    measured = measure_noise(flux)
    assert measured.value == pytest.approx(plain.value, rel=0.25)
    assert plain.n - measured.n == 30 + 2 * 4


def test_dark_and_short_spectra_have_no_noise_to_measure() -> None:
    with pytest.raises(MeasurementError, match="median flux is -1"):
        measure_noise(-spectrum())
    with pytest.raises(MeasurementError, match="two pixels to both sides"):
        measure_noise(spectrum()[:4])


@pytest.mark.parametrize("count", [0, 1, 5, 50])
def test_spikes_are_counted(count: int) -> None:
    assert count_spikes(spiked(count)).value == count


@pytest.mark.parametrize("fwhm", [2.0, 2.2, 3.0, 6.0])
def test_absorption_lines_are_no_spikes(fwhm: float) -> None:
    assert count_spikes(absorbed(spectrum(), fwhm)).value == 0


def test_emission_lines_are_no_spikes() -> None:
    assert count_spikes(200 - absorbed(spectrum(), 2.2)).value == 0
    assert count_spikes(100 + 1e4 * (100 - absorbed(100 + 0 * PIXELS, 2.2))).value == 0


def test_two_dark_pixels_side_by_side_are_no_spikes() -> None:
    flux = spectrum()
    flux[100:102] -= 40
    assert count_spikes(flux).value == 0


@given(scale=scales, level=st.floats(-50, 1000), border=st.integers(0, 9))
def test_spikes_depend_neither_on_unit_nor_on_level_nor_on_borders(
    scale: float, level: float, border: int
) -> None:
    flux = np.pad(scale * (spiked(5) + level), border, constant_values=np.nan)
    assert count_spikes(flux).value == 5


def test_pixels_at_the_ends_are_no_spikes() -> None:
    flux = spectrum()
    flux[[0, 2, -3, -1]] -= 40
    found = count_spikes(flux)
    assert found.value == 0
    assert found.n == 600 - 6


def test_pixels_without_a_value_are_no_spikes() -> None:
    flux = spectrum()
    flux[::60] = np.nan
    found = count_spikes(flux)
    assert found.value == 0
    assert found.n < 600 - 7 * 9
    with pytest.raises(MeasurementError, match="no pixel has neighbours"):
        count_spikes(np.full(50, np.nan))
    with pytest.raises(MeasurementError, match="7 pixels or more, got 6"):
        count_spikes(np.ones(6))


WAVELENGTHS_UM = np.arange(4.9, 5.7, 0.0008)


def fringed(size: float, period_per_cm: float = 2.9) -> Array:
    phase = 2 * np.pi * 1e4 / WAVELENGTHS_UM / period_per_cm
    continuum = 5 + 3 * (WAVELENGTHS_UM - 4.9)
    return np.asarray(continuum * (1 + size * np.sin(phase)) + 0.01 * noise(phase.size))


def fringe(flux: Array) -> float:
    return measure_fringes(WAVELENGTHS_UM, flux).value


@pytest.mark.parametrize("size", [0.01, 0.05, 0.2])
@pytest.mark.parametrize("period_per_cm", [1.7, 2.9, 4.0])
def test_a_fringe_is_as_large_as_it_was_put_in(
    size: float, period_per_cm: float
) -> None:
    assert fringe(fringed(size, period_per_cm)) == pytest.approx(size, rel=0.06)


def test_a_smooth_spectrum_has_no_fringe() -> None:
    assert fringe(fringed(0)) < 1e-3


def test_what_is_no_fringe_does_not_count() -> None:
    flux, expected = fringed(0.05), fringe(fringed(0.05))
    lines = [5.05, 5.3, 5.51]
    peaks = sum(np.exp(-(((WAVELENGTHS_UM - at) / 8e-4) ** 2) / 2) for at in lines)
    assert fringe(flux + 20 * peaks) == pytest.approx(expected, rel=0.05)
    assert fringe(1e-6 * flux) == pytest.approx(expected)
    gaps = np.where(np.arange(flux.size) % 50 == 0, np.nan, flux)
    assert fringe(gaps) == pytest.approx(expected, rel=0.05)


def test_what_changes_from_pixel_to_pixel_is_no_fringe() -> None:
    ripple = np.sin(2 * np.pi * 1e4 / WAVELENGTHS_UM / 0.4)
    assert fringe(fringed(0) * (1 + 0.05 * ripple)) < 0.01


def test_dichroic_fringes_are_found_where_pixels_are_small_enough() -> None:
    wavelength = np.arange(15.4, 17.9, 0.001)
    phase = 2 * np.pi * 1e4 / wavelength / 0.4
    flux = 3 * (1 + 0.04 * np.sin(phase))
    assert measure_fringes(wavelength, flux).value == pytest.approx(0.04, rel=0.05)


def test_a_dark_or_short_spectrum_has_no_fringe_to_measure() -> None:
    for flux in (fringed(0.05) - 100, np.where(WAVELENGTHS_UM < 4.91, 1.0, np.nan)):
        with pytest.raises(MeasurementError, match="bright and long enough"):
            fringe(flux)


def bands(gap_um: float) -> tuple[Array, Array]:
    return np.arange(5.0, 6.0, 0.002), np.arange(6.0 + gap_um, 7.2, 0.002)


def continuum(wavelength: Array) -> Array:
    return 10 + 3 * (wavelength - 6)


@settings(max_examples=30)
@given(
    size=st.floats(0.2, 5),
    scale=scales,
    gap_um=st.sampled_from([-0.3, -0.1, -0.003, 0.0, 0.1, 0.3]),
)
def test_a_step_is_the_ratio_of_two_bands(
    size: float, scale: float, gap_um: float
) -> None:
    blue, red = bands(gap_um)
    pair = (blue, scale * continuum(blue)), (red, scale * size * continuum(red))
    measured = measure_step(*pair)
    assert measured is not None
    assert measured.value == pytest.approx(size, rel=1e-3)


@pytest.mark.parametrize("gap_um", [-0.1, 0.1])
def test_lines_and_noise_and_empty_pixels_are_no_step(gap_um: float) -> None:
    def observe(wavelength: Array, size: float) -> tuple[Array, Array]:
        lines = [(wavelength - at) / 2e-3 for at in (5.99, 6.12)]
        flux = size * continuum(wavelength) + 0.05 * noise(wavelength.size)
        flux += 30 * sum(np.exp(-(line**2) / 2) for line in lines)
        flux[:2] = flux[-2:] = np.nan
        return wavelength, flux

    blue, red = bands(gap_um)
    measured = measure_step(observe(blue, 1.0), observe(red, 1.2))
    assert measured is not None
    assert measured.value == pytest.approx(1.2, rel=0.01)


def test_spectra_that_are_not_neighbours_have_no_step() -> None:
    blue, red = bands(0.7)
    far, near = (red, continuum(red)), (blue, continuum(blue))
    assert measure_step(near, far) is None
    assert measure_step(far, near) is None
    assert measure_step(near, near) is None
    assert measure_step(near, (blue + 0.2, near[1])) is None
    assert measure_step(near, (blue, np.full(blue.size, np.nan))) is None


@pytest.mark.parametrize("gap_um", [-0.1, 0.1])
def test_a_step_from_nothing_is_not_measured(gap_um: float) -> None:
    blue, red = bands(gap_um)
    with pytest.raises(MeasurementError, match="no flux where they meet"):
        measure_step((blue, 0 * blue), (red, continuum(red)))


def lined(shift_pixels: float, *, height: float = 50.0) -> tuple[Array, Array]:
    """Put a line at 3 um, where pixel 250 of 0.001 um is, shifted."""
    wavelength = 2.75 + 0.001 * np.arange(500)
    line = np.exp(-((np.arange(500) - 250 - shift_pixels) ** 2) / (2 * 1.1**2))
    return wavelength, 20 + 0.02 * np.arange(500) + height * line


@settings(max_examples=40)
@given(
    shift=st.floats(-3, 3), scale=scales, height=st.sampled_from([-15.0, 5.0, 500.0])
)
def test_a_line_is_found_where_it_is(shift: float, scale: float, height: float) -> None:
    wavelength, flux = lined(shift, height=height)
    velocity, pixels = measure_line(wavelength, scale * flux, 3.0)
    assert pixels.value == pytest.approx(shift, abs=0.02)
    assert velocity.value == pytest.approx(299792.458 * 0.001 * shift / 3, abs=2)


def test_noise_and_levels_move_no_line() -> None:
    wavelength, flux = lined(0.4)
    flux += 0.2 * noise(500) + 100
    assert measure_line(wavelength, flux, 3.0)[1].value == pytest.approx(0.4, abs=0.02)


def test_a_line_that_is_not_there_is_not_measured() -> None:
    wavelength, flux = lined(0.0, height=0.0)
    with pytest.raises(MeasurementError, match="no line within 5 pixels"):
        measure_line(wavelength, flux + noise(500), 3.0)
    with pytest.raises(MeasurementError, match=r"does not reach 9\.0 um"):
        measure_line(wavelength, flux, 9.0)
    with pytest.raises(MeasurementError, match="too near an end"):
        measure_line(wavelength, flux, 2.751)


# Light curves: 300 integrations in 6 hours with noise of 100 ppm.

DAYS = 60000 + np.arange(300) / 300 / 4
HOURS = 24 * (DAYS - DAYS.mean())


def curve(slope_ppm: float = 0.0, *, begin: int = 0, end: int = 0) -> Array:
    """Make a curve, with a transit of 1.5 percent."""
    flux = 1 + 1e-6 * (slope_ppm * HOURS + 100 * noise(300))
    flux[begin:end] -= 0.015
    return flux


@pytest.mark.parametrize("slope", [-2000.0, -140.0, 0.0, 40.0, 140.0])
@pytest.mark.parametrize(("begin", "end"), [(0, 0), (100, 210), (0, 90), (210, 300)])
def test_a_slope_is_that_outside_the_transit(
    slope: float, begin: int, end: int
) -> None:
    measured = measure_slope(DAYS, curve(slope, begin=begin, end=end))
    assert measured.value == pytest.approx(slope, rel=0.02, abs=12)
    assert measured.n == pytest.approx(300 - end + begin, abs=3)


@settings(max_examples=20)
@given(scale=scales, empty=st.integers(0, 20))
def test_slope_and_scatter_do_not_depend_on_unit_or_empty_integrations(
    scale: float, empty: int
) -> None:
    days = np.concatenate([DAYS, np.full(empty, np.nan)])
    flux = np.concatenate([scale * curve(140), np.full(empty, np.nan)])
    plain = measure_slope(DAYS, curve(140)).value
    assert measure_slope(days, flux).value == pytest.approx(plain)
    assert measure_scatter(days, flux).value == pytest.approx(
        measure_scatter(DAYS, curve(140)).value
    )


@pytest.mark.parametrize("factor", [0.0, 0.5, 1.0, 3.0])
def test_scatter_is_the_noise_whatever_the_slope_and_the_transit(
    factor: float,
) -> None:
    steps = 1e-4 * factor * noise(300) + 1e-5 * HOURS
    flux = 1 + steps - np.where(np.abs(HOURS) < 1, 0.01, 0)
    measured = measure_scatter(DAYS, flux)
    assert measured.value == pytest.approx(100 * factor, rel=0.15, abs=0.5)
    errors = np.full(300, 1e-4)
    ratio = measure_scatter_ratio(DAYS, 7 * flux, 7 * errors)
    assert ratio.value == pytest.approx(factor, rel=0.15, abs=0.005)


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.05])
def test_light_curves_of_all_wavelengths_show_a_small_excess(factor: float) -> None:
    errors = np.linspace(1e-4, 1e-2, 2000) * np.ones((12, 1))
    transit = np.where(np.arange(12) < 6, 1, 0.999)[:, None]
    fluxes = transit + factor * errors * noise(12, 2000)
    fluxes[:, 7], errors[5, 9] = np.nan, 0
    measured = measure_excess(fluxes, errors)
    assert measured.value == pytest.approx(factor, rel=0.02)
    assert measured.n == 11 * 1999
    with pytest.raises(MeasurementError, match=r"10 differences .* got 0"):
        measure_excess(fluxes[:1], errors[:1])


def test_short_or_dark_curves_and_empty_errors_are_not_measured() -> None:
    with pytest.raises(MeasurementError, match=r"10 integrations or more .* got 4"):
        measure_slope(DAYS[:4], curve()[:4])
    with pytest.raises(MeasurementError, match="median flux is -1"):
        measure_slope(DAYS, -curve())
    with pytest.raises(MeasurementError, match="no error is a positive number"):
        measure_scatter_ratio(DAYS, curve(), np.full(300, np.nan))
