from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from workers.sample.flawed import MRS_FLAWED
from workers.sample.frames import MIRI_FULL
from workers.sample.headers import primary_cards
from workers.sample.library import Library
from workers.sample.miri_mrs import FRINGE, MRS, MRS_BANDS
from workers.sample.mrs_geometry import Band, load_bands, map_slices
from workers.sample.mrs_light import MrsLight, trace_mrs
from workers.sample.mrs_references import FLAT_FRINGE
from workers.sample.nirspec_light import Tracer
from workers.sample.program import Program

PROGRAM = MRS
BANDS = MRS_BANDS
SCENE = PROGRAM.scene


@pytest.fixture(scope="module", params=["SHORT", "MEDIUM", "LONG"])
def band(request: pytest.FixtureRequest) -> Band:
    return load_bands()[request.param]


@pytest.fixture(scope="module")
def light() -> MrsLight:
    return trace_mrs("SHORT")


def test_a_band_has_the_slices_of_both_channels(band: Band) -> None:
    numbers = [each.number for each in band.slices]
    assert numbers == [*range(101, 122), *range(201, 218)]


def test_slices_do_not_touch_on_the_detector(band: Band) -> None:
    numbers = map_slices(band).astype(int)
    left, right = numbers[:, :-1], numbers[:, 1:]
    assert ((left == right) | (left == 0) | (right == 0)).all()
    assert 0.7 < (numbers > 0).mean() < 0.8


def test_reference_pixels_belong_to_no_slice(band: Band) -> None:
    outside = np.ones(MIRI_FULL.shape, bool)
    outside[MIRI_FULL.inside] = False
    assert not map_slices(band)[outside].any()


def test_places_in_the_field_are_found_again(band: Band) -> None:
    for channel in band.channels:
        back = channel.to_v2v3.inverse(*channel.to_v2v3(0.4, -1.1))
        assert back == pytest.approx((0.4, -1.1), abs=1e-9)


def test_light_is_scattered_along_slices_and_dispersion(tmp_path: Path) -> None:
    scene = replace(SCENE, background_mjy_sr=0.0)
    raw, _ = MRS_FLAWED.plan()
    tracer = Tracer(Library(tmp_path, "NIRSPEC"))
    seen, clean = (
        each.see(replace(each, scene=scene), tracer, raw)
        for each in (MRS_FLAWED, MRS_BANDS)
    )
    extra = seen - clean
    dark = clean == 0
    assert extra[~dark].sum() / clean.sum() > 0.01
    assert extra[dark].max() > 0
    assert extra.sum() == pytest.approx(0.04 * clean.sum(), rel=0.3)


def test_the_program_has_two_dithers_and_a_background() -> None:
    kinds = [(raw.stem, raw.is_background) for raw in PROGRAM.plan()]
    assert kinds == [
        ("jw99003001001_02101_00001_mirifushort", False),
        ("jw99003001001_02101_00002_mirifushort", False),
        ("jw99003002001_02101_00001_mirifushort", True),
    ]


def test_three_bands_are_observed_from_the_same_two_places() -> None:
    plan = BANDS.plan()
    kinds = [(raw.activity, raw.number, raw.band) for raw in plan]
    assert kinds == [
        (activity, number, band)
        for activity, band in (
            ("02101", "SHORT"),
            ("02103", "MEDIUM"),
            ("02105", "LONG"),
        )
        for number in (1, 2)
    ]
    assert len({raw.pointing for raw in plan}) == 2


@pytest.mark.parametrize("program", [PROGRAM, BANDS])
def test_exposures_follow_each_other(program: Program) -> None:
    plan = program.plan()
    ends = [raw.start_s + raw.duration_s for raw in plan]
    starts = [raw.start_s for raw in plan]
    assert all(end < start for end, start in zip(ends[:-1], starts[1:], strict=True))


def test_headers_tell_channel_and_band() -> None:
    cards = primary_cards(PROGRAM.plan()[0])
    wanted = {"INSTRUME": "MIRI", "CHANNEL": "12", "BAND": "SHORT"}
    assert {name: cards[name] for name in wanted} == wanted
    assert "GRATING" not in cards


def test_all_light_of_the_source_falls_on_the_detector(light: MrsLight) -> None:
    assert SCENE.spectrum
    dark_sky = replace(SCENE, background_mjy_sr=0.0)
    for channel in light.channels:
        raw = PROGRAM.plan()[0]
        brightness = channel.brightness(raw, dark_sky)
        flux = (
            brightness
            * channel.sky_arcsec2
            / SCENE.spectrum.flux(channel.wavelength_um)
        )
        middle = np.abs(channel.rows - 512) < 100
        share = flux[middle].sum() / np.unique(channel.rows[middle]).size
        assert share * 2.3504430539097885e-5 == pytest.approx(1, rel=0.02)


def test_empty_sky_is_even(light: MrsLight) -> None:
    assert PROGRAM.sky
    rate = light.rate(PROGRAM.plan()[2], PROGRAM.sky)
    assert np.unique(rate).tolist() == [0, 1]


def test_fringes_are_even_in_wavenumber() -> None:
    crests = 1e4 / (
        FRINGE.period_per_cm * (np.arange(500, 510) - FRINGE.phase / 6.2832)
    )
    assert FRINGE.transmission(crests) == pytest.approx(1.04, abs=1e-4)


def test_no_fringe_is_where_no_light_is(light: MrsLight) -> None:
    fringes = light.fringes(FLAT_FRINGE)
    assert fringes[:, :4].tolist() == np.ones((1024, 4)).tolist()
    assert fringes.max() == pytest.approx(1.03, abs=1e-3)


def test_a_shower_is_brightest_at_its_centre() -> None:
    shower = PROGRAM.defects.showers[0]
    charge = shower.charge(MIRI_FULL)
    peak = np.unravel_index(charge.argmax(), charge.shape)
    assert peak == (shower.row, shower.column)
    assert charge.max() == pytest.approx(shower.peak_dn)
    assert not charge[:, :4].any()
