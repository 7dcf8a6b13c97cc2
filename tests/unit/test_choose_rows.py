"""A pool of DMS says more than headers, if it knows every exposure."""

from dataclasses import replace
from pathlib import Path

import pytest
from exposures import (
    bots_program,
    ifu_program,
    make_exposure,
    mos_program,
    mrs_program,
)
from pools import COLUMNS

from config.recipe import AssociationChoice, LinkedObservations
from flows.associations import associate_rows, choose_rows
from flows.errors import PoolError
from flows.models.exposures import Exposure, Inventory, PoolFile, UnusableFile

NAME = "jw99001_20240101t000000_pool.csv"


def make_pool(exposures: list[Exposure], *, candidate: str = "c1000") -> PoolFile:
    """Make a pool in which all is linked as a background candidate."""
    lines = ["|".join(COLUMNS)]
    for exposure in exposures:
        observation = f"o{exposure.observation}"
        values = {
            "filename": f"{exposure.name}_uncal.fits",
            "program": exposure.program,
            "targetid": "7",
            "obs_num": exposure.observation.lstrip("0"),
            "pntgtype": "science",
            "exp_type": "nrs_ifu",
            "instrume": "nirspec",
            "detector": "nrs1",
            "asn_candidate": f"[('{observation}', 'observation'), "
            f"('{candidate}', 'background')]",
        }
        lines.append("|".join(values.get(column, "null") for column in COLUMNS))
    return PoolFile(NAME, "\n".join(lines))


def test_without_a_pool_there_are_the_headers() -> None:
    exposures = ifu_program()
    chosen = choose_rows(Inventory(tuple(exposures), ()))
    assert [row.targetid for row in chosen.rows].count("7") == 0
    assert len(chosen.rows) == len(exposures)
    assert chosen.notes == ()


def test_a_pool_that_knows_every_exposure_is_taken() -> None:
    exposures = ifu_program()
    inventory = Inventory(tuple(exposures), (), pool=make_pool(exposures))
    chosen = choose_rows(inventory)
    assert {row.targetid for row in chosen.rows} == {"7"}
    assert all("c1000" in dict(row.candidates) for row in chosen.rows)
    assert (chosen.notes, chosen.missing) == ((), ())
    assert chosen.linked == dict.fromkeys(("001", "002"), frozenset({"001", "002"}))


def test_a_pool_that_lacks_an_exposure_is_not_taken_and_that_is_said() -> None:
    exposures = ifu_program()
    inventory = Inventory(tuple(exposures), (), pool=make_pool(exposures[1:]))
    chosen = choose_rows(inventory)
    assert not any("c1000" in dict(row.candidates) for row in chosen.rows)
    assert chosen.notes == (
        f"{NAME} does not know {exposures[0].name}: headers are used in its place",
    )


def test_what_the_archive_lacks_of_a_pool_is_said() -> None:
    exposures = ifu_program()
    inventory = Inventory(tuple(exposures[2:]), (), pool=make_pool(exposures))
    chosen = choose_rows(inventory)
    assert len(chosen.rows) == len(exposures) - 2
    names = sorted(exposure.name for exposure in exposures[:2])
    assert chosen.notes == (f"of {NAME} the archive lacks {', '.join(names)}",)
    assert [file.path.name for file in chosen.missing] == [
        f"{name}_uncal.fits" for name in names
    ]


def number_segments(exposures: list[Exposure], total: object) -> list[Exposure]:
    return [
        replace(exposure, header={**exposure.header, "EXSEGTOT": total})
        for exposure in exposures
    ]


@pytest.mark.parametrize(
    ("kept", "total", "missing"),
    [
        ([0, 1], 2, []),
        ([0, 1], 3, ["003"]),
        ([0], 2, ["002"]),
        ([1], 2, ["001"]),
        ([1], None, ["001"]),
        ([0], "many", []),
    ],
)
def test_a_segment_that_the_others_know_of_and_that_is_not_there_is_missing(
    kept: list[int], total: int | str | None, missing: list[str]
) -> None:
    series = number_segments(bots_program(), total)
    exposures = tuple(series[place] for place in kept)
    chosen = choose_rows(Inventory(exposures, ()))
    names = [
        f"jw99002001001_04101_00001-seg{segment}_nrs1_uncal.fits" for segment in missing
    ]
    assert [file.path.name for file in chosen.missing] == names
    assert len(chosen.notes) == len(names[:1])
    assert [file.observation for file in chosen.missing] == ["001"] * len(names)


@pytest.mark.parametrize("suffix", ["uncal", "rate"])
def test_a_segment_that_is_rejected_is_not_missing(suffix: str) -> None:
    first, second = number_segments(bots_program(), 2)
    path = second.path.with_name(f"{second.name}_{suffix}.fits")
    unusable = UnusableFile(path, "99002", "001", "expected EXP_TYPE")
    assert choose_rows(Inventory((first,), (unusable,))).missing == ()


def test_a_segment_that_the_pool_knows_is_missing_once() -> None:
    first, second = number_segments(bots_program(), 2)
    inventory = Inventory((first,), (), pool=make_pool([first, second]))
    [missing] = choose_rows(inventory).missing
    assert missing.path == second.path
    assert NAME in missing.reason


def test_every_detector_has_its_own_segments() -> None:
    names = ["jw99012001001_04101_00001-seg001_nrs1"]
    names += [f"jw99012001001_04101_00001-seg00{n}_nrs2" for n in (1, 2)]
    series = number_segments([make_exposure(name) for name in names], 2)
    [missing] = choose_rows(Inventory(tuple(series), ())).missing
    assert missing.path.name == f"{names[0]}_uncal.fits".replace("seg001", "seg002")
    assert "expected segment 2 of 2" in missing.reason


def test_a_time_series_of_two_subarrays_falls_apart_and_that_is_said() -> None:
    first, second = number_segments(bots_program(), 2)
    other = replace(second, header={**second.header, "SUBARRAY": "SUB1024A"})
    chosen = choose_rows(Inventory((first, other), ()))
    [note] = chosen.notes
    assert note.startswith("jw99002001001_04101_00001: ")
    assert "different subarrays (SUB1024A, SUB512)" in note
    made = associate_rows(chosen.rows, AssociationChoice()).associations
    assert [asn.product_name[-8:] for asn in made if asn.asn_type == "tso3"] == [
        "sub1024a",
        "1-sub512",
    ]


def test_candidates_of_the_recipe_are_added_to_those_of_the_pool() -> None:
    exposures = ifu_program()
    declared = LinkedObservations(
        id="c1001", type="background", observations=("001", "002")
    )
    inventory = Inventory(tuple(exposures), (), pool=make_pool(exposures))
    chosen = choose_rows(inventory, (declared,))
    assert all({"c1000", "c1001"} <= set(dict(row.candidates)) for row in chosen.rows)


def test_a_pool_that_is_none_is_an_error() -> None:
    inventory = Inventory(tuple(ifu_program()), (), pool=PoolFile(NAME, "a|b"))
    with pytest.raises(PoolError, match="is not a DMS pool"):
        choose_rows(inventory)


HIGH = {"GRATING": "G395H", "FILTER": "F290LP"}


def tell(*exposures: Exposure, **others: tuple[UnusableFile, ...]) -> tuple[str, ...]:
    inventory = Inventory(exposures, others.pop("unusable", ()), **others)
    return tuple(map(str, choose_rows(inventory).lacking))


@pytest.mark.parametrize(("here", "other"), [("nrs1", "nrs2"), ("nrs2", "nrs1")])
def test_a_detector_that_light_falls_on_and_that_is_missing_is_named(
    here: str, other: str
) -> None:
    name = "jw99006001001_02101_00001"
    both = [make_exposure(f"{name}_{one}", **HIGH) for one in (here, other)]
    assert tell(*both) == ()
    (said,) = tell(both[0])
    assert said == (
        f"{name}_{here}: light of G395H with F290LP falls on {other.upper()} too, of "
        "which the archive has no file"
    )


def test_a_detector_without_light_is_not_missed() -> None:
    name = "jw99006002001_02101_00001_nrs1"
    assert tell(make_exposure(name, GRATING="G395M", FILTER="F290LP")) == ()


def test_segments_and_slits_are_told_of_too() -> None:
    series = {"EXP_TYPE": "NRS_BRIGHTOBJ", "FXD_SLIT": "S1600A1", "TSOVISIT": True}
    name = "jw99007001001_04101_00001-seg001_nrs1"
    (said,) = tell(make_exposure(name, SUBARRAY="SUB2048", **HIGH, **series))
    assert said.startswith(f"{name}: ")


def test_a_subarray_of_one_detector_is_whole() -> None:
    series = {"EXP_TYPE": "NRS_BRIGHTOBJ", "FXD_SLIT": "S1600A1", "TSOVISIT": True}
    name = "jw99007001001_04101_00001-seg001_nrs1"
    assert tell(make_exposure(name, SUBARRAY="SUB512", **HIGH, **series)) == ()


def test_shutters_show_no_detector_by_their_headers() -> None:
    name = "jw99004001001_03101_00001_nrs1"
    assert tell(make_exposure(name, EXP_TYPE="NRS_MSASPEC", **HIGH)) == ()


def test_a_file_that_cannot_be_used_is_not_absent() -> None:
    """Its job fails, and what needs it waits."""
    name = "jw99006001001_02101_00001"
    file = UnusableFile(Path(f"{name}_nrs2_uncal.fits"), "99006", "001", "It is empty.")
    exposure = make_exposure(f"{name}_nrs1", **HIGH)
    assert tell(exposure, unusable=(file,)) == ()
    assert tell(exposure, withheld_files=(file,)) == ()


def test_positions_of_a_pattern_that_are_missing_are_named() -> None:
    first, second, sky = mrs_program()
    assert tell(first, second, sky) == ()
    (said,) = tell(second, sky)
    assert said == (
        f"{second.name}: its pattern has 2 positions (NUMDTHPT), of which the archive "
        "has 2 alone"
    )


@pytest.mark.parametrize(
    ("left", "level"),
    [(mrs_program()[1:], 3), (ifu_program()[1:], 3), (mos_program()[2:], 2)],
)
def test_nods_are_the_less_from_spec2_on_and_dithers_where_they_are_combined(
    left: list[Exposure], level: int
) -> None:
    lacking = choose_rows(Inventory(tuple(left), ())).lacking
    assert {each.level for each in lacking} == {level}
    told = {name for each in lacking for name in each.exposures}
    assert told <= {exposure.name for exposure in left if exposure.header["PATT_NUM"]}


def test_positions_are_counted_for_each_detector_and_observation() -> None:
    nods = mos_program()
    assert tell(*nods) == ()
    left = [nod for nod in nods if not nod.name.endswith("00002_nrs2")]
    (said,) = tell(*left)
    assert said.startswith(f"{nods[1].name}: its pattern has 3 positions")
    assert said.endswith("the archive has 1, 3 alone")


def test_positions_below_a_pixel_are_not_counted() -> None:
    pattern = {"NUMDTHPT": 4, "SUBPXPTS": 2}
    names = [f"jw99005001001_02101_0000{n}_nrs1" for n in (1, 2)]
    slit = {"EXP_TYPE": "NRS_FIXEDSLIT", "FXD_SLIT": "S200A1"}
    nods = [make_exposure(name, **slit, **pattern) for name in names]
    headers = [{**nod.header, "PATT_NUM": n} for n, nod in enumerate(nods, start=1)]
    whole = [replace(nod, header=h) for nod, h in zip(nods, headers, strict=True)]
    assert tell(*whole) == ()


def test_a_count_that_is_none_says_nothing() -> None:
    pattern = {"NUMDTHPT": "many", "PATT_NUM": 1}
    assert tell(make_exposure("jw99001001001_03101_00001_nrs1", **pattern)) == ()
