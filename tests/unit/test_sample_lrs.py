from dataclasses import replace

import numpy as np
import pytest

from workers.sample import Mode
from workers.sample.catalogue import PROGRAMS
from workers.sample.exposures import RawExposure
from workers.sample.frames import MIRI_FULL, SLITLESSPRISM
from workers.sample.headers import primary_cards
from workers.sample.lrs_geometry import (
    FILTER_OFFSETS,
    PIXEL_ARCSEC,
    PIXEL_ARCSEC2,
    SLIT,
    SLIT_COLUMNS,
    SLITLESS,
    Trace,
    load_field,
)
from workers.sample.lrs_light import (
    acquire,
    acquire_in_slit,
    disperse_all,
    disperse_slit,
    response,
    transmit,
)
from workers.sample.miri_lrs import MISS_ARCSEC, NODS_ARCSEC, find_source
from workers.sample.scene import ARCSEC2_SR, Scene

PUBLISHED_UM = {
    SLIT.exp_type: np.array(
        [
            *(5.9094, 7.2174, 8.2292, 9.0849, 9.8377, 10.5125),
            *(11.1306, 11.7002, 12.2306, 12.7264, 13.1966, 13.6397),
        ]
    ),
    SLITLESS.exp_type: np.array(
        [
            *(6.3, 7.5104, 8.4679, 9.2822, 10.0, 10.6438),
            *(11.2337, 11.7774, 12.2837, 12.757, 13.2058, 13.6288),
        ]
    ),
}
"""Every 30th row of the files that the polynomials were fitted to, from 64 above the
reference point downwards."""
MISS_PIXELS = np.array(MISS_ARCSEC) / PIXEL_ARCSEC
SLITLESS_PROGRAM = PROGRAMS[Mode.MIRI_LRS_SLITLESS]
SLITLESS_SCENE = SLITLESS_PROGRAM.scene


@pytest.fixture(scope="module")
def plan() -> list[RawExposure]:
    return PROGRAMS[Mode.MIRI_LRS_SLIT].plan()


@pytest.fixture(scope="module")
def scene() -> Scene:
    """Put the source where it is."""
    return replace(PROGRAMS[Mode.MIRI_LRS_SLIT].scene, position=find_source())


@pytest.mark.parametrize("trace", [SLIT, SLITLESS])
def test_wavelengths_fall_from_the_bottom_to_the_top(trace: Trace) -> None:
    wavelength = trace.wavelength_um(trace.above)
    assert (np.diff(wavelength) > 0).all()
    assert wavelength.min() < 5
    assert wavelength.max() == pytest.approx(14, abs=0.05)


@pytest.mark.parametrize("trace", [SLIT, SLITLESS])
def test_wavelengths_are_in_the_rows_of_the_instrument(trace: Trace) -> None:
    above = np.arange(64.0, -267.0, -30)
    found = trace.wavelength_um(above)
    pixel = np.abs(trace.wavelength_um(above + 1) - found)
    assert (np.abs(found - PUBLISHED_UM[trace.exp_type]) < 0.8 * pixel).all()


def test_every_row_of_the_spectrum_is_in_the_subarray() -> None:
    assert SLITLESS.list_rows(SLITLESSPRISM).size == SLITLESS.above.size


def test_a_pixel_sees_as_much_sky_as_it_says() -> None:
    corners = np.array(load_field()([0, 1, 0], [0, 0, 1]))
    sides = corners[:, 1:] - corners[:, :1]
    assert abs(np.linalg.det(sides)) == pytest.approx(PIXEL_ARCSEC2, rel=0.005)


def test_the_left_of_the_slitless_subarray_sees_no_light() -> None:
    inside = np.zeros(SLITLESSPRISM.shape, bool)
    inside[SLITLESSPRISM.inside] = True
    assert not inside[:, :4].any()
    assert inside[:, 4:].all()


def test_the_slit_program_has_an_image_and_two_nods(plan: list[RawExposure]) -> None:
    names = ("EXP_TYPE", "FILTER", "PATTTYPE", "PATT_NUM", "XOFFSET", "YOFFSET")
    cards = [[primary_cards(raw)[name] for name in names] for raw in plan]
    assert cards == [
        ["MIR_TACONFIRM", "F560W", "NONE", 1, 0.0, 0.0],
        ["MIR_LRS-FIXEDSLIT", "P750L", "ALONG-SLIT-NOD", 1, -0.95, 0.0],
        ["MIR_LRS-FIXEDSLIT", "P750L", "ALONG-SLIT-NOD", 2, 0.95, 0.0],
    ]


def test_exposures_follow_each_other(plan: list[RawExposure]) -> None:
    ends = [raw.start_s + raw.duration_s for raw in plan]
    starts = [raw.start_s for raw in plan]
    assert all(end < start for end, start in zip(ends[:-1], starts[1:], strict=True))


def test_headers_of_the_imager_tell_no_band(plan: list[RawExposure]) -> None:
    cards = primary_cards(plan[1])
    assert {"CHANNEL", "BAND", "GRATING"}.isdisjoint(cards)
    assert (cards["DETECTOR"], cards["SCA_NUM"]) == ("MIRIMAGE", 493)


def test_nods_are_on_both_sides_of_the_slit(
    plan: list[RawExposure], scene: Scene
) -> None:
    dark_sky = replace(scene, background_mjy_sr=0.0)
    row = round(SLIT.row)
    middles = [
        np.average(
            np.arange(MIRI_FULL.columns), weights=disperse_slit(raw, dark_sky)[row]
        )
        for raw in plan[1:]
    ]
    nods = np.array(NODS_ARCSEC) / PIXEL_ARCSEC
    expected = SLIT.column + MISS_PIXELS[0] + nods
    assert middles == pytest.approx(expected, abs=0.3)


def test_the_image_shows_the_source_off_the_middle(
    plan: list[RawExposure], scene: Scene
) -> None:
    dark_sky = replace(scene, background_mjy_sr=0.0)
    light = acquire_in_slit(plan[0], dark_sky)
    rows, columns = np.mgrid[: MIRI_FULL.rows, : MIRI_FULL.columns]
    offset = FILTER_OFFSETS["F560W"]
    column = np.average(columns, weights=light) + offset[0] - SLIT.column
    row = np.average(rows, weights=light) + offset[1] - SLIT.row
    # The edge of the slit takes a little of one side.
    assert (column, row) == pytest.approx(tuple(MISS_PIXELS), abs=0.3)


def test_no_light_is_beside_the_slit(plan: list[RawExposure], scene: Scene) -> None:
    light = disperse_slit(plan[1], scene)
    lit = np.flatnonzero((light > 1).any(axis=0))
    low, high = SLIT_COLUMNS
    # Spectra lean to the left at long wavelengths.
    assert low - 3 < lit.min() < low
    assert high - 1 < lit.max() < high + 1


def test_the_slit_takes_its_share_of_the_light(
    plan: list[RawExposure], scene: Scene
) -> None:
    dark_sky = replace(scene, background_mjy_sr=0.0)
    rows = SLIT.list_rows(MIRI_FULL)
    wavelength = SLIT.wavelength_um(rows - SLIT.row - MISS_PIXELS[1])
    light = disperse_slit(plan[1], dark_sky)[rows.astype(int)].sum(axis=1)
    flux_mjy = light * response(wavelength) * PIXEL_ARCSEC2 * ARCSEC2_SR
    assert scene.spectrum
    share = flux_mjy * 1e6 / scene.spectrum.flux(wavelength)
    assert share == pytest.approx(transmit(wavelength, MISS_PIXELS[1]), rel=0.01)


def test_the_slit_takes_more_from_a_source_off_its_middle() -> None:
    wavelength = np.array([5.0, 8.0, 12.0])
    middle, off = transmit(wavelength, 0.0), transmit(wavelength, MISS_PIXELS[1])
    assert (off < middle).all()
    assert (np.diff(middle) < 0).all()
    assert middle[0] == pytest.approx(1, abs=0.01)


def test_the_slitless_program_is_a_time_series_after_an_image() -> None:
    image, *parts = SLITLESS_PROGRAM.plan()
    assert image.stem == "jw99008001001_02101_00001_mirimage"
    assert [raw.stem for raw in parts] == [
        f"jw99008001001_04101_00001-seg00{segment}_mirimage" for segment in (1, 2)
    ]
    names = ("EXP_TYPE", "SUBARRAY", "TSOVISIT", "INTSTART", "SUBSTRT2", "NOUTPUTS")
    assert [[primary_cards(raw)[name] for name in names] for raw in parts] == [
        ["MIR_LRS-SLITLESS", "SLITLESSPRISM", True, first, 529, 4] for first in (1, 21)
    ]


def test_without_slit_all_light_of_the_star_falls_on_the_subarray() -> None:
    raw = SLITLESS_PROGRAM.plan()[1]
    scene = replace(SLITLESS_SCENE, background_mjy_sr=0.0)
    rows = SLITLESS.list_rows(SLITLESSPRISM)
    wavelength = SLITLESS.wavelength_um(rows - SLITLESS.row)
    light = disperse_all(raw, scene)[rows.astype(int) - 528].sum(axis=1)
    flux_jy = light * response(wavelength) * PIXEL_ARCSEC2 * ARCSEC2_SR * 1e6
    assert SLITLESS_SCENE.spectrum
    assert flux_jy == pytest.approx(SLITLESS_SCENE.spectrum.flux(wavelength), rel=0.02)


def test_without_slit_the_background_is_everywhere() -> None:
    raw = SLITLESS_PROGRAM.plan()[1]
    light = disperse_all(raw, SLITLESS_SCENE)
    assert light[0, 0] > 100
    assert light[:, 60:] == pytest.approx(light[0, 0], rel=1e-5)


def test_the_image_without_slit_shows_the_star_where_spectra_are_from() -> None:
    raw = SLITLESS_PROGRAM.plan()[0]
    light = acquire(raw, replace(SLITLESS_SCENE, background_mjy_sr=0.0))
    rows, columns = np.mgrid[: SLITLESSPRISM.rows, : SLITLESSPRISM.columns]
    found = [np.average(axis, weights=light) for axis in (columns, rows)]
    offset = FILTER_OFFSETS["F560W"]
    wanted = SLITLESS.column - offset[0], SLITLESS.row - 528 - offset[1]
    assert found == pytest.approx(wanted, abs=0.4)
