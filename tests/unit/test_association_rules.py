"""What holds for associations of every mode, and what recipes choose."""

import json
from collections import Counter
from random import Random

import pytest
from exposures import associate_headers, bots_program, ifu_program, make_exposure
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pools import COLUMNS, Row, pools

from config.recipe import AssociationChoice, LinkedObservations, MemberRule
from flows.associations import (
    associate_rows,
    compare_documents,
    document_name,
    name_documents,
    read_headers,
    read_pool,
    to_json_text,
)
from flows.errors import PlanError, PoolError
from flows.models.associations import Association, AssociationSet
from flows.models.exposures import Exposure
from flows.planning import build_graph

LEVEL_2B = {"spec2", "tso-spec2"}

some_pools = settings(
    max_examples=60, deadline=None, suppress_health_check=list(HealthCheck)
)


def text_of(rows: list[Row]) -> str:
    lines = ["|".join(COLUMNS)]
    lines += ["|".join(row[column] for column in COLUMNS) for row in rows]
    return "\n".join(lines) + "\n"


def associate(
    rows: list[Row], choice: AssociationChoice | None = None
) -> AssociationSet:
    """Associate a pool, without a choice by the official rules to the letter."""
    return associate_rows(read_pool(text_of(rows)), choice)


def science(association: Association) -> list[str]:
    return [m.exposure for m in association.members if m.exptype == "science"]


def level_2b(made: AssociationSet) -> list[Association]:
    return [one for one in made.associations if one.asn_type in LEVEL_2B]


def of_type(association: Association, exptype: str) -> list[str]:
    return [m.exposure for m in association.members if m.exptype == exptype]


def find(made: AssociationSet, product: str) -> Association:
    [found] = [one for one in made.associations if one.product_name == product]
    return found


any_choice = st.none() | st.builds(
    AssociationChoice,
    backgrounds=st.sampled_from(["same-program", "linked", "none"]),
    nod_backgrounds=st.sampled_from(["on", "off", "both"]),
    selfcal=st.sampled_from([False, True, "all"]),
    imprints=st.booleans(),
    background_imprints=st.booleans(),
    imprints_as_science=st.booleans(),
    level3=st.sampled_from(["observation", "target"]),
)


@some_pools
@given(pools(), any_choice, st.randoms())
def test_the_order_of_rows_does_not_matter(
    rows: list[Row], choice: AssociationChoice | None, random: Random
) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert associate(shuffled, choice) == associate(rows, choice)


@some_pools
@given(pools())
def test_an_unrelated_observation_changes_nothing_else(rows: list[Row]) -> None:
    other = rows[-1] | {
        "filename": "jw99001900001_03101_00001_nrs1_uncal.fits",
        "obs_num": "900",
        "targetid": "900",
        "asn_candidate": "[('o900', 'observation')]",
    }
    before = associate(rows).associations
    after = associate([*rows, other]).associations
    assert [one for one in after if one.asn_id != "o900"] == list(before)


@some_pools
@given(pools(), any_choice)
def test_a_level_2b_has_one_science_member_and_no_member_twice(
    rows: list[Row], choice: AssociationChoice | None
) -> None:
    for association in level_2b(associate(rows, choice)):
        assert len(science(association)) == 1
        names = Counter(member.expname for member in association.members)
        assert set(names.values()) == {1}
        assert all(member.reason for member in association.members)


@some_pools
@given(pools())
def test_an_exposure_is_in_one_level_2b_of_its_own(rows: list[Row]) -> None:
    made = associate(rows, AssociationChoice())
    names = [name for one in level_2b(made) for name in science(one)]
    doubled = {name for name, count in Counter(names).items() if count > 1}
    assert not doubled


@some_pools
@given(pools(), any_choice)
def test_every_exposure_is_of_use_or_is_told_why_not(
    rows: list[Row], choice: AssociationChoice | None
) -> None:
    made = associate(rows, choice)
    members = {m.exposure for one in made.associations for m in one.members}
    told = {one.name for one in (*made.unused, *made.untaken)}
    names = {row["filename"].removesuffix("_uncal.fits") for row in rows}
    assert members | told == names
    assert all(one.reason for one in made.unused)


@some_pools
@given(pools(), any_choice)
def test_documents_have_names_of_their_own(
    rows: list[Row], choice: AssociationChoice | None
) -> None:
    made = associate(rows, choice).associations
    names = name_documents(made)
    assert len(names) == len(made)
    if choice is not None:
        assert {document_name(one) for one in made} == set(names)
    assert all("/" not in name and "{" not in name for name in names)


def mos_program() -> list[Exposure]:
    keywords = {"EXP_TYPE": "NRS_MSASPEC", "MSAMETFL": "jw99007001001_01_msa.fits"}
    return [
        make_exposure(f"jw99007001001_03101_0000{n}_nrs1", PATT_NUM=n, **keywords)
        for n in (1, 2, 3)
    ]


NOD = "jw99007001001_03101_00001_nrs1"


def test_nods_of_the_msa_are_each_others_background() -> None:
    made = associate_headers(mos_program(), AssociationChoice())
    others = [exposure.name for exposure in mos_program()[1:]]
    assert of_type(find(made, NOD), "background") == others


@pytest.mark.parametrize(
    ("slit", "nod", "backgrounds"),
    [
        ("S1600A1", 1, [3, 4, 5]),
        ("S1600A1", 3, [1, 5]),
        ("S200A1", 3, [1, 2, 4, 5]),
    ],
)
def test_nods_next_to_each_other_in_the_small_slit_see_the_same_source(
    slit: str, nod: int, backgrounds: list[int]
) -> None:
    names = [f"jw99005001001_03101_0000{n}_nrs1" for n in range(1, 6)]
    program = [
        make_exposure(
            name,
            EXP_TYPE="NRS_FIXEDSLIT",
            FXD_SLIT=slit,
            SUBARRAY="SUB2048",
            PATTTYPE="NONE",
            PATT_NUM=number,
            NUMDTHPT=5,
        )
        for number, name in enumerate(names, start=1)
    ]
    made = associate_headers(program, AssociationChoice())
    found = of_type(find(made, names[nod - 1]), "background")
    assert found == [names[n - 1] for n in backgrounds]


def test_nods_can_be_left_alone() -> None:
    options = AssociationChoice(nod_backgrounds="off")
    made = associate_headers(mos_program(), options)
    assert of_type(find(made, NOD), "background") == []


def test_the_msa_is_processed_twice_when_both_are_wanted() -> None:
    options = AssociationChoice(nod_backgrounds="both")
    made = associate_headers(mos_program(), options)
    assert len(of_type(find(made, NOD), "background")) == 2
    assert of_type(find(made, f"{NOD}-masterbg"), "background") == []
    joined = find(made, "jw99007-o001_{source_id}_nirspec_clear-prism-masterbg")
    assert joined.members[0].expname == f"{NOD}-masterbg_cal.fits"
    graph = build_graph(mos_program(), made.associations)
    keys = {job.key for job in graph}
    assert all(producer in keys for job in graph for producer in job.producers)


def test_the_msa_never_gets_two_leakcals() -> None:
    leakcals = [
        make_exposure(
            f"jw99007001001_03101_0000{n}_nrs1",
            EXP_TYPE="NRS_MSASPEC",
            MSAMETFL="jw99007001001_01_msa.fits",
            IS_IMPRT=True,
        )
        for n in (5, 6)
    ]
    made = associate_headers([*mos_program(), *leakcals], AssociationChoice())
    assert len(of_type(find(made, NOD), "imprint")) == 1


SKY = "jw99001002001_03101_00001_nrs1"
DITHER_1 = "jw99001001001_03101_00001_nrs1"
LEAKCAL = "jw99001001001_05101_00001_nrs1"
SKY_LEAKCAL = "jw99001002001_05101_00001_nrs1"


def unflagged() -> list[Exposure]:
    """Make a program whose background does not say that it is one."""
    return [
        make_exposure(DITHER_1),
        make_exposure(SKY, TARGNAME="empty field"),
        make_exposure(SKY_LEAKCAL, TARGNAME="empty field", IS_IMPRT=True),
    ]


@pytest.mark.parametrize(
    "options",
    [
        AssociationChoice(background_observations=("002",)),
        AssociationChoice(background_targets=("Empty Field",)),
    ],
)
def test_a_recipe_names_backgrounds_off_the_scene(options: AssociationChoice) -> None:
    made = associate_headers(unflagged(), options)
    assert of_type(find(made, DITHER_1), "background") == [SKY]
    assert of_type(find(made, DITHER_1), "imprint") == [SKY_LEAKCAL]
    assert of_type(find(made, SKY), "background") == []


def test_a_background_is_combined_from_all_observations_that_a_recipe_names() -> None:
    other = SKY.replace("002001", "003001")
    program = [*unflagged(), make_exposure(other, TARGNAME="another field")]
    named = AssociationChoice(background_observations=("002", "003"))
    made = associate_headers(program, named)
    assert of_type(find(made, DITHER_1), "background") == [SKY, other]


def test_linked_backgrounds_are_those_of_a_declared_candidate() -> None:
    options = AssociationChoice(backgrounds="linked")
    made = associate_headers(ifu_program(), options)
    assert of_type(find(made, DITHER_1), "background") == []
    linked = LinkedObservations(
        id="c1000", type="background", observations=("001", "002")
    )
    options = AssociationChoice(backgrounds="linked", candidates=(linked,))
    made = associate_headers(ifu_program(), options)
    assert of_type(find(made, DITHER_1), "background") == [SKY]
    assert find(made, "jw99001-c1000_t002_nirspec_prism").asn_type == "spec3"


def test_leakcals_of_backgrounds_can_be_left_out() -> None:
    options = AssociationChoice(background_imprints=False)
    made = associate_headers(ifu_program(), options)
    assert of_type(find(made, DITHER_1), "imprint") == [LEAKCAL]
    made = associate_headers(ifu_program(), AssociationChoice(imprints=False))
    assert of_type(find(made, DITHER_1), "imprint") == []


def test_selfcal_can_take_leakcals_too() -> None:
    made = associate_headers(ifu_program(), AssociationChoice(selfcal="all"))
    assert LEAKCAL in of_type(find(made, SKY), "selfcal")


def test_members_are_put_in_and_left_out_by_name() -> None:
    options = AssociationChoice(
        include=(MemberRule(exposure=LEAKCAL, exptype="selfcal", product=SKY),),
        exclude=(
            MemberRule(exposure="*_05101_*", exptype="imprint"),
            MemberRule(exposure=SKY, exptype="*"),
        ),
    )
    made = associate_headers(ifu_program(), options)
    assert [m.exptype for m in find(made, DITHER_1).members] == ["science"]
    assert of_type(find(made, SKY), "selfcal") == [LEAKCAL]


@pytest.mark.parametrize(
    ("differs", "said"),
    [
        ({"GRATING": "G395M"}, "GRATING g395m and prism"),
        ({"SUBARRAY": "SUB512"}, "SUBARRAY sub512 and full"),
    ],
)
def test_a_background_of_another_mode_cannot_be_put_in(
    differs: dict[str, str], said: str
) -> None:
    other = "jw99001003001_03101_00001_nrs1"
    exposures = [*ifu_program(), make_exposure(other, **differs)]
    put_in = MemberRule(exposure=other, exptype="background", product="jw*")
    options = AssociationChoice(include=(put_in,))
    with pytest.raises(PlanError, match=f"{other} in as background of .*: {said}"):
        associate_headers(exposures, options)


@pytest.mark.parametrize("differs", [{"GRATING": "G395M"}, {"SUBARRAY": "SUB512"}])
def test_a_background_of_another_mode_is_not_found(differs: dict[str, str]) -> None:
    sky = make_exposure(SKY, BKGDTARG=True, TARGNAME="SKY", **differs)
    made = associate_headers([make_exposure(DITHER_1), sky], AssociationChoice())
    assert of_type(find(made, DITHER_1), "background") == []
    assert [each.name for each in made.untaken] == [SKY]


def test_a_target_is_joined_over_observations() -> None:
    pair = [make_exposure(f"jw9900100{n}001_03101_00001_nrs1") for n in (1, 2)]
    options = AssociationChoice(level3="target")
    made = associate_headers(pair, options)
    joined = find(made, "jw99001-a3001_t001_nirspec_prism")
    assert science(joined) == [exposure.name for exposure in pair]


def test_segments_and_visits_are_read_from_names_and_headers() -> None:
    [first, _] = read_headers(bots_program())
    assert (first.obs_num, first.pntgtype, first.is_tso) == ("1", "science", True)
    assert first.candidates == (("o001", "observation"),)


def test_a_document_differs_by_its_members() -> None:
    made = associate_headers(ifu_program(), AssociationChoice())
    documents = {document_name(one): to_json_text(one) for one in made.associations}
    assert compare_documents(made.associations, documents) == ()
    name = f"{DITHER_1}_spec2_asn.json"
    edited = json.loads(documents[name])
    edited["products"][0]["members"].pop()
    documents[name] = json.dumps(edited)
    del documents[f"{SKY}_spec2_asn.json"]
    found = compare_documents(made.associations, documents)
    assert [(one.what, one.member != "") for one in found] == [
        ("member only here", True),
        ("only here", False),
    ]
    with pytest.raises(PoolError):
        compare_documents(made.associations, {"a.json": "[]"})


def bad_row(**values: str) -> Row:
    row = dict.fromkeys(COLUMNS, "null") | {
        "filename": "jw99001001001_03101_00001_nrs1_uncal.fits",
        "program": "99001",
        "exp_type": "nrs_ifu",
        "asn_candidate": "[('o001', 'observation')]",
    }
    return row | values


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("filename|program\n", "asn_candidate, targetid, pntgtype"),
        (text_of([]) + "a|b\n", "expected 38 cells"),
        (text_of([bad_row(filename="../x_uncal.fits")]), "name of a raw file"),
        (text_of([bad_row(filename="x.fits")]), "name of a raw file"),
        (text_of([bad_row(asn_candidate="__import__('os')")]), "expected a list like"),
        (text_of([bad_row(program="9x")]), "five digits"),
        (text_of([bad_row(), bad_row(program="99002")]), "is there twice"),
        (text_of([bad_row(), bad_row(detector="nrs2")]), "with DETECTOR"),
        (text_of([bad_row(grating="\x07")]), "plain text in GRATING"),
    ],
)
def test_what_is_no_pool_is_told_in_a_sentence(text: str, message: str) -> None:
    with pytest.raises(PoolError, match=message):
        read_pool(text)


def test_a_pool_without_rows_gives_nothing() -> None:
    assert associate([]) == AssociationSet((), ())


def test_rows_without_a_candidate_or_a_value_say_so() -> None:
    alone = bad_row(asn_candidate="null")
    made = associate([alone])
    assert [one.reason for one in made.unused] == ["in no candidate of the pool"]


def test_recipes_choose_all_of_it() -> None:
    choice = AssociationChoice.model_validate(
        {
            "selfcal": "all",
            "candidates": [
                {"id": "c1000", "type": "background", "observations": ["001", "002"]}
            ],
            "exclude": [{"exposure": "jw*_nrs2", "exptype": "*"}],
        }
    )
    assert choice.selfcal == "all"
    assert choice.candidates[0].observations == ("001", "002")
    assert choice.exclude == (MemberRule(exposure="jw*_nrs2", exptype="*"),)
