from itertools import combinations

import numpy as np
import pytest

from workers.sample import Mode
from workers.sample.catalogue import PROGRAMS
from workers.sample.detector_references import READOUTS
from workers.sample.exposures import RawExposure
from workers.sample.headers import primary_cards, sky_cards


@pytest.mark.parametrize("mode", Mode)
def test_each_mode_has_a_program_whose_readouts_have_references(mode: Mode) -> None:
    program = PROGRAMS[mode]
    plan = program.plan()
    assert program.mode is mode
    assert {raw.program for raw in plan} == {mode.program}
    assert {raw.instrument for raw in plan} == {program.instrument}
    there = {(each.detector, each.subarray) for each in READOUTS[program.instrument]}
    assert {(raw.detector, raw.subarray) for raw in plan} <= there
    assert len(program.seeds) >= len(plan)


def plan_ifu() -> list[RawExposure]:
    return PROGRAMS[Mode.NIRSPEC_IFU_PRISM].plan()


def plan_bots() -> list[RawExposure]:
    return PROGRAMS[Mode.NIRSPEC_BOTS_PRISM].plan()


def plan_mos() -> list[RawExposure]:
    return PROGRAMS[Mode.NIRSPEC_MOS_PRISM].plan()


def test_the_shutters_are_nodded_and_both_detectors_are_read() -> None:
    assert [(raw.stem[-10:], raw.dither[1]) for raw in plan_mos()] == [
        ("00001_nrs1", 1),
        ("00001_nrs2", 1),
        ("00002_nrs1", 2),
        ("00002_nrs2", 2),
        ("00003_nrs1", 3),
        ("00003_nrs2", 3),
    ]


def test_nods_are_as_far_apart_as_shutters() -> None:
    first, down, up = (np.array(raw.offset_arcsec) for raw in plan_mos()[::2])
    assert np.hypot(*(down - first)) == pytest.approx(0.53, abs=0.01)
    assert np.allclose(down, -up, atol=1e-3)


def test_nods_along_the_slit_are_as_far_apart_as_they_say() -> None:
    plan = PROGRAMS[Mode.NIRSPEC_FS_PRISM].plan()
    first, middle, last = (np.array(raw.offset_arcsec) for raw in plan)
    assert np.allclose(middle, 0, atol=1e-6)
    for nod in (first, last):
        assert np.hypot(*nod) == pytest.approx(0.95, abs=0.01)
    assert [primary_cards(raw)["PATT_NUM"] for raw in plan] == [1, 2, 3]
    assert {primary_cards(raw)["FXD_SLIT"] for raw in plan} == {"S200A1"}


def test_exposures_of_the_shutters_name_their_metafile() -> None:
    cards = primary_cards(plan_mos()[1])
    wanted = {
        "DETECTOR": "NRS2",
        "FASTAXIS": -2,
        "SLOWAXIS": -1,
        "SCA_NUM": 492,
        "OPMODE": "MSASPEC",
        "MSASTATE": "PRIMARYPARK_CONFIG",
        "MSAMETFL": "jw99004001001_01_msa.fits",
        "MSAMETID": 1,
        "NOD_TYPE": "3-SHUTTER-SLITLET",
        "PATTTYPE": "NONE",
        "TARGNAME": "",
    }
    assert {name: cards[name] for name in wanted} == wanted


def test_the_ifu_program_has_two_dithers_a_background_and_two_leakcals() -> None:
    kinds = [(raw.stem, raw.is_imprint, raw.is_background) for raw in plan_ifu()]
    assert kinds == [
        ("jw99001001001_02101_00001_nrs1", False, False),
        ("jw99001001001_02101_00002_nrs1", False, False),
        ("jw99001001001_04101_00001_nrs1", True, False),
        ("jw99001002001_02101_00001_nrs1", False, True),
        ("jw99001002001_04101_00001_nrs1", True, True),
    ]


def test_the_time_series_is_one_exposure_in_two_segments() -> None:
    first, second = plan_bots()
    assert first.stem == "jw99002001001_04101_00001-seg001_nrs1"
    assert second.stem == "jw99002001001_04101_00001-seg002_nrs1"
    assert second.first_integration == first.integrations + 1
    assert first.total_integrations == 2 * first.integrations


def test_a_segment_says_which_integrations_it_holds() -> None:
    _, second = plan_bots()
    cards = primary_cards(second)
    wanted = {"EXSEGNUM": 2, "EXSEGTOT": 2, "NINTS": 40, "INTSTART": 21, "INTEND": 40}
    assert {name: cards[name] for name in wanted} == wanted


def test_both_detectors_of_a_time_series_are_in_two_segments() -> None:
    plan = PROGRAMS[Mode.NIRSPEC_BOTS_G395H].plan()
    assert [raw.stem[-11:] for raw in plan] == [
        f"seg00{segment}_nrs{detector}" for detector in (1, 2) for segment in (1, 2)
    ]
    cards = [primary_cards(raw) for raw in plan]
    assert {(card["GRATING"], card["SUBARRAY"]) for card in cards} == {
        ("G395H", "SUB2048")
    }


def test_the_clock_of_nrs2_is_behind_from_the_start_to_the_end() -> None:
    plan = PROGRAMS[Mode.NIRSPEC_BOTS_G395H].plan()
    one, two = (
        np.concatenate([r.integration_starts_s for r in plan if r.detector == detector])
        for detector in ("NRS1", "NRS2")
    )
    assert np.allclose(two - one, 8)
    days = [float(primary_cards(raw)["EXPSTART"]) for raw in (plan[0], plan[2])]
    assert (days[1] - days[0]) * 86_400 == pytest.approx(8, abs=1e-4)


def test_a_planet_passes_both_detectors_at_one_time() -> None:
    program = PROGRAMS[Mode.NIRSPEC_BOTS_G395H]
    plan, transit = program.plan(), program.transit
    assert transit
    lost_s = [
        sum(
            np.sum(1 - transit.transmission(raw)) * raw.integration_s
            for raw in plan
            if raw.detector == detector
        )
        for detector in ("NRS1", "NRS2")
    ]
    firsts = [int(np.argmax(transit.transmission(raw) < 1)) for raw in plan[::2]]
    assert firsts[0] > firsts[1]
    assert lost_s[0] == pytest.approx(lost_s[1], rel=0.1)


def test_exposures_without_segments_have_no_cards_for_them() -> None:
    assert "EXSEGNUM" not in primary_cards(plan_ifu()[0])


def test_exposures_follow_each_other() -> None:
    plan = plan_ifu()
    ends = [raw.start_s + raw.duration_s for raw in plan]
    starts = [raw.start_s for raw in plan]
    assert all(end < start for end, start in zip(ends[:-1], starts[1:], strict=True))


def test_dithers_look_beside_the_target() -> None:
    first, second = plan_ifu()[:2]
    assert sky_cards(first)["RA_REF"] != sky_cards(second)["RA_REF"]
    assert primary_cards(first)["TARG_RA"] == primary_cards(second)["TARG_RA"]


def test_the_dither_pattern_is_no_nod() -> None:
    patterns = {str(primary_cards(raw)["PATTTYPE"]) for raw in plan_ifu()}
    assert patterns == {"CYCLING", "NONE"}


def test_nods_of_the_ifu_say_so_and_are_no_closer_than_the_aperture_is_wide() -> None:
    plan = PROGRAMS[Mode.NIRSPEC_IFU_NOD].plan()
    cards = [primary_cards(raw) for raw in plan]
    assert {card["PATTTYPE"] for card in cards} == {"4-POINT-NOD"}
    assert [card["PATT_NUM"] for card in cards] == [1, 2, 3, 4]
    assert {card["NUMDTHPT"] for card in cards} == {4}
    pairs = combinations([np.array(raw.offset_arcsec) for raw in plan], 2)
    assert min(np.hypot(*(one - other)) for one, other in pairs) > 2 * 0.45


def test_ids_keep_their_zeros() -> None:
    cards = primary_cards(plan_ifu()[3])
    names = ("PROGRAM", "OBSERVTN", "VISIT", "VISITGRP", "SEQ_ID", "ACT_ID")
    assert [cards[name] for name in names] == ["99001", "002", "001", "02", "1", "01"]


def plan_gratings() -> list[RawExposure]:
    return PROGRAMS[Mode.NIRSPEC_IFU_GRATINGS].plan()


def test_both_detectors_are_read_with_each_grating() -> None:
    assert [(raw.stem[7:], raw.optics) for raw in plan_gratings()] == [
        ("001001_02101_00001_nrs1", ("F290LP", "G395H")),
        ("001001_02101_00001_nrs2", ("F290LP", "G395H")),
        ("002001_02101_00001_nrs1", ("F290LP", "G395M")),
        ("002001_02101_00001_nrs2", ("F290LP", "G395M")),
    ]


def test_the_detectors_of_an_exposure_are_read_at_once() -> None:
    times = {(raw.stem[:-5], raw.start_s) for raw in plan_gratings()}
    assert len(times) == len({stem for stem, _ in times}) == 2


def test_headers_name_filter_and_grating() -> None:
    cards = primary_cards(plan_gratings()[-1])
    assert (cards["FILTER"], cards["GRATING"]) == ("F290LP", "G395M")
