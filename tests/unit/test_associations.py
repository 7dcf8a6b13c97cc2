import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
from exposures import (
    associate_headers,
    bots_pair_program,
    bots_program,
    ifu_program,
    lrs_program,
    make_exposure,
    mrs_program,
)
from hypothesis import given
from hypothesis import strategies as st

from config.recipe import AssociationChoice, LinkedObservations, MemberRule
from flows.associations import document_name, to_json_text
from flows.errors import FileNameError
from flows.models.associations import Association, AssociationSet
from flows.models.exposures import Exposure, Role
from flows.names import parse_file_name

OFFICIAL = AssociationChoice()
DITHER_1 = "jw99001001001_03101_00001_nrs1"
DITHER_2 = "jw99001001001_03101_00002_nrs1"
LEAKCAL = "jw99001001001_05101_00001_nrs1"
SKY = "jw99001002001_03101_00001_nrs1"
SKY_LEAKCAL = "jw99001002001_05101_00001_nrs1"
LEVEL_2B = ("spec2", "tso-spec2")


def build(
    exposures: Sequence[Exposure], options: AssociationChoice = OFFICIAL
) -> AssociationSet:
    return associate_headers(exposures, options)


def find(made: AssociationSet, product_name: str) -> Association:
    [found] = [a for a in made.associations if a.product_name == product_name]
    return found


def members(association: Association) -> list[tuple[str, str]]:
    return [(member.exptype, member.exposure) for member in association.members]


def science(association: Association) -> list[str]:
    return [name for exptype, name in members(association) if exptype == "science"]


def reason(exposure: Exposure, *others: Exposure) -> str:
    [unused] = [u for u in build([exposure, *others]).unused if u.name == exposure.name]
    return unused.reason


def test_a_dither_gets_the_background_and_the_leakcals_of_both() -> None:
    association = find(build(ifu_program()), DITHER_1)
    assert (association.asn_rule, association.asn_type) == ("Asn_Lv2Spec", "spec2")
    assert members(association) == [
        ("science", DITHER_1),
        ("background", SKY),
        ("imprint", LEAKCAL),
        ("imprint", SKY_LEAKCAL),
    ]


def test_level_2b_members_are_rates_with_a_reason() -> None:
    association = find(build(ifu_program()), DITHER_1)
    assert association.members[1].expname == f"{SKY}_rate.fits"
    assert "nearest in time" in association.members[1].reason
    assert all(member.reason for member in association.members)


def test_a_background_is_also_processed_as_science() -> None:
    association = find(build(ifu_program()), SKY)
    assert association.asn_rule == "Asn_Lv2SpecSpecial"
    assert members(association) == [("science", SKY), ("imprint", SKY_LEAKCAL)]


def test_without_backgrounds_their_leakcals_are_left_out_too() -> None:
    made = build(ifu_program(), AssociationChoice(backgrounds="none"))
    expected = [("science", DITHER_1), ("imprint", LEAKCAL)]
    assert members(find(made, DITHER_1)) == expected
    assert find(made, SKY)


def test_selfcal_adds_the_other_exposures_on_sky_once() -> None:
    made = build(ifu_program(), AssociationChoice(selfcal=True))
    expected = [("selfcal", DITHER_2)]
    assert [m for m in members(find(made, DITHER_1)) if m[0] == "selfcal"] == expected
    expected = [("selfcal", DITHER_1), ("selfcal", DITHER_2)]
    assert [m for m in members(find(made, SKY)) if m[0] == "selfcal"] == expected


def test_selfcal_takes_backgrounds_that_are_not_subtracted() -> None:
    options = AssociationChoice(selfcal=True, backgrounds="none")
    assert ("selfcal", SKY) in members(find(build(ifu_program(), options), DITHER_1))


def test_leakcals_are_science_only_when_asked() -> None:
    made = build(ifu_program(), AssociationChoice(imprints_as_science=True))
    association = find(made, LEAKCAL)
    assert association.asn_rule == "Asn_Lv2SpecImprint"
    assert members(association) == [("science", LEAKCAL)]
    assert LEAKCAL not in [a.product_name for a in build(ifu_program()).associations]


def mrs_members(*exposures: Exposure, **options: str) -> list[tuple[str, str]]:
    made = build(exposures, AssociationChoice(**options))
    spec3 = next(a for a in made.associations if a.asn_rule == "Asn_Lv3MIRMRS")
    return [(member.exptype, member.expname[-8:]) for member in spec3.members]


MRS_SCIENCE = [("science", "cal.fits")] * 2
MRS_SKY = ("background", "x1d.fits")


def test_a_background_of_the_mrs_joins_spec3_as_a_spectrum_once() -> None:
    assert mrs_members(*mrs_program()) == [*MRS_SCIENCE, MRS_SKY]


def test_a_linked_background_of_the_mrs_joins_spec3_no_second_time() -> None:
    link = LinkedObservations(
        id="c1000", type="background", observations=("001", "002")
    )
    made = build(mrs_program(), AssociationChoice(candidates=(link,)))
    spec3 = [a for a in made.associations if a.asn_rule == "Asn_Lv3MIRMRS"]
    assert [len(a.members) for a in spec3] == [3] * len(spec3)


def test_the_mrs_gets_no_background_of_another_band() -> None:
    program = mrs_program(sky_band="MEDIUM")
    assert mrs_members(*program) == MRS_SCIENCE
    spec2 = find(build(program), program[0].name)
    assert members(spec2) == [("science", program[0].name)]


def test_the_mrs_gets_no_background_when_none_is_wanted() -> None:
    assert mrs_members(*mrs_program(), backgrounds="none") == MRS_SCIENCE


def test_a_dither_of_the_mrs_that_is_missing_leaves_the_rest() -> None:
    assert mrs_members(*mrs_program()[1:]) == [MRS_SCIENCE[0], MRS_SKY]


def test_of_two_backgrounds_the_nearest_in_time_is_linked() -> None:
    target = make_exposure(DITHER_1, EXPSTART=60_010.0)
    before, after = (
        make_exposure(f"jw990010{n}001_03101_00001_nrs1", EXPSTART=start, BKGDTARG=True)
        for n, start in (("02", 60_000.0), ("03", 60_011.0))
    )
    linked = members(find(build([target, before, after]), DITHER_1))
    assert linked == [("science", DITHER_1), ("background", after.name)]


def test_of_several_leakcals_the_one_at_the_same_dither_is_taken() -> None:
    leakcals = [
        make_exposure(f"jw99001001001_05101_0000{n}_nrs1", IS_IMPRT=True, PATT_NUM=n)
        for n in (1, 2)
    ]
    target = make_exposure(DITHER_2, PATT_NUM=2)
    linked = members(find(build([target, *leakcals]), DITHER_2))
    assert linked == [("science", DITHER_2), ("imprint", leakcals[1].name)]


def test_a_mosaic_tile_takes_the_leakcal_of_its_visit() -> None:
    tiles = [make_exposure(f"jw9900100100{v}_03101_00001_nrs1") for v in (1, 2)]
    leakcals = [
        make_exposure(f"jw9900100100{v}_05101_00001_nrs1", IS_IMPRT=True)
        for v in (1, 2)
    ]
    linked = members(find(build([*tiles, *leakcals]), tiles[1].name))
    assert linked == [("science", tiles[1].name), ("imprint", leakcals[1].name)]


@pytest.mark.parametrize("keyword", ["GRATING", "FILTER", "DETECTOR", "SUBARRAY"])
def test_nothing_of_another_mode_is_linked(keyword: str) -> None:
    other = make_exposure(SKY, BKGDTARG=True, **{keyword: "OTHER"})
    made = build([make_exposure(DITHER_1), other])
    assert members(find(made, DITHER_1)) == [("science", DITHER_1)]


def test_level_3_joins_dithers_of_a_target() -> None:
    made = build(ifu_program())
    association = find(made, "jw99001-o001_t002_nirspec_prism")
    assert (association.asn_rule, association.asn_id) == ("Asn_Lv3NRSIFU", "o001")
    assert association.target == "t002"
    expected = [f"{DITHER_1}_cal.fits", f"{DITHER_2}_cal.fits"]
    assert [member.expname for member in association.members] == expected


def test_the_name_in_the_proposal_tells_targets_apart_that_have_no_other() -> None:
    one = make_exposure(DITHER_1, TARGNAME="", TARGPROP="B")
    other = make_exposure(DITHER_2, TARGNAME="", TARGPROP="A")
    made = build([one, other])
    assert science(find(made, "jw99001-o001_t001_nirspec_prism")) == [DITHER_2]
    assert science(find(made, "jw99001-o001_t002_nirspec_prism")) == [DITHER_1]


def test_level_3_joins_both_detectors_where_both_see_light() -> None:
    names = [f"jw99001001001_03101_00001_nrs{n}" for n in (1, 2)]
    lines = {"GRATING": "G395H", "FILTER": "F290LP"}
    made = build([make_exposure(name, **lines) for name in names])
    assert science(find(made, "jw99001-o001_t001_nirspec_g395h")) == names


def test_a_background_has_a_level_3_of_its_own() -> None:
    association = find(build(ifu_program()), "jw99001-o002_t001_nirspec_prism")
    assert association.asn_rule == "Asn_Lv3NRSIFUBackground"
    assert members(association) == [("science", SKY)]


def test_every_segment_of_a_time_series_has_a_level_2b_of_its_own() -> None:
    segments = bots_program()
    made = [find(build(segments), segment.name) for segment in segments]
    assert [a.asn_type for a in made] == ["tso-spec2", "tso-spec2"]
    assert made[0].members[0].expname == f"{segments[0].name}_rateints.fits"


def test_level_3_joins_the_segments_of_a_time_series() -> None:
    segments = bots_program()
    name = "jw99002-o001_t001_nirspec_clear-prism-s1600a1-sub512"
    association = find(build(segments), name)
    assert (association.asn_type, association.asn_rule) == ("tso3", "Asn_Lv3TSO")
    expected = [f"{segment.name}_calints.fits" for segment in segments]
    assert [member.expname for member in association.members] == expected


def test_level_3_joins_both_detectors_of_a_time_series_in_the_order_of_names() -> None:
    series = bots_pair_program()
    found = [asn for asn in build(series).associations if asn.asn_type == "tso3"]
    assert [asn.product_name for asn in found] == [
        "jw99012-o001_t001_nirspec_f290lp-g395h-s1600a1-sub2048"
    ]
    expected = [
        f"jw99012001001_04101_00001-seg00{segment}_nrs{detector}_calints.fits"
        for segment in (1, 2)
        for detector in (1, 2)
    ]
    assert [member.expname for member in found[0].members] == expected


def test_a_damaged_exposure_stays_a_member() -> None:
    damaged = replace(make_exposure(DITHER_2), defect="expected more bytes")
    made = build([make_exposure(DITHER_1), damaged])
    assert science(find(made, "jw99001-o001_t001_nirspec_prism")) == [
        DITHER_1,
        DITHER_2,
    ]


@pytest.mark.parametrize(
    ("keywords", "expected"),
    [
        ({"EXP_TYPE": "NRS_WATA"}, "ignored: NRS_WATA is a target acquisition"),
        ({"EXP_TYPE": "NRS_IMAGE"}, "ignored: NRS_IMAGE is not spectroscopic science"),
        ({"EXP_TYPE": "NRS_LAMP"}, "ignored: NRS_LAMP is not spectroscopic science"),
        (
            {"EXP_TYPE": "NRS_MSASPEC"},
            "no value of MSAMETFL, which the rules for NRS_MSASPEC need",
        ),
        (
            {"EXP_TYPE": "NRS_FIXEDSLIT"},
            "no light of PRISM with CLEAR falls on NRS1",
        ),
        (
            {"EXP_TYPE": "NIS_SOSS", "FILTER": "F277W", "TSOVISIT": True},
            "exposures through F277W are not calibrated",
        ),
        ({"EXP_TYPE": "NRC_WFSS"}, "no direct image of the same field"),
        ({"DETECTOR": "NRS2"}, "no light of PRISM with CLEAR falls on NRS2"),
        ({"FILTER": "OPAQUE"}, "no light of PRISM with OPAQUE falls on NRS1"),
        ({"IS_IMPRT": True}, "no exposure that is processed goes with this leakcal"),
        (
            {"EXP_TYPE": "NRS_BRIGHTOBJ", "FXD_SLIT": "S1600A1", "DETECTOR": "NRS2"},
            "no light of PRISM with CLEAR falls on NRS2",
        ),
    ],
)
def test_what_no_rule_takes_is_listed_with_the_reason(
    keywords: dict[str, str | bool], expected: str
) -> None:
    assert reason(make_exposure(DITHER_1, **keywords)) == expected


def test_what_only_serves_others_is_still_listed() -> None:
    lone = make_exposure(SKY, BKGDTARG=True, TARGNAME="SKY")
    leave_out = MemberRule(exposure="*", exptype="*")
    put_in = MemberRule(exposure=SKY, exptype="selfcal", product=DITHER_1)
    options = AssociationChoice(include=(put_in,))
    made = build([make_exposure(DITHER_1), lone], options)
    assert ("background", SKY) in members(find(made, DITHER_1))
    bare = build(
        [make_exposure(DITHER_1), lone], AssociationChoice(exclude=(leave_out,))
    )
    assert members(find(bare, DITHER_1)) == [("science", DITHER_1)]


def test_nothing_comes_of_nothing() -> None:
    assert build([]) == AssociationSet((), ())


def test_a_header_cannot_lead_a_product_out_of_its_folder() -> None:
    hostile = make_exposure(
        DITHER_1,
        EXP_TYPE="NRS_BRIGHTOBJ",
        FXD_SLIT="S1600A1",
        TSOVISIT=True,
        SUBARRAY="../../etc/passwd",
    )
    with pytest.raises(FileNameError):
        build([hostile])


PROGRAM = [
    *ifu_program(),
    *ifu_program("99003", detector="nrs2"),
    *bots_program(),
    make_exposure("jw99001001001_02101_00001_nrs1", EXP_TYPE="NRS_WATA"),
    make_exposure("jw99001004001_03101_00001_nrs1", PATTTYPE="2-POINT-NOD"),
    make_exposure("jw99001005001_03101_00001_nrs1", TARGNAME="Z", GRATING="G395M"),
    make_exposure("jw99001006001_03101_00001_nrs1", FILTER="F290LP", GRATING="G395M"),
    make_exposure("jw99001007001_03101_00001_nrs1", EXP_TYPE="MIR_MRS"),
]
choices = st.builds(
    AssociationChoice,
    backgrounds=st.sampled_from(["same-program", "none"]),
    selfcal=st.booleans(),
    imprints_as_science=st.booleans(),
)
some = st.lists(st.sampled_from(PROGRAM), unique_by=lambda e: e.name)


@given(st.permutations(PROGRAM), choices)
def test_the_order_of_exposures_does_not_matter(
    shuffled: list[Exposure], options: AssociationChoice
) -> None:
    assert build(shuffled, options) == build(PROGRAM, options)


@given(some, choices)
def test_every_exposure_is_of_use_or_is_told_why_not(
    exposures: list[Exposure], options: AssociationChoice
) -> None:
    made = build(exposures, options)
    every = [member for a in made.associations for member in a.members]
    used = {m.exposure for m in every if m.exptype in ("science", "imprint")}
    unused = {exposure.name for exposure in made.unused}
    assert used | unused == {exposure.name for exposure in exposures}
    assert not used & unused


@given(some, choices)
def test_science_is_in_one_level_2b_and_a_level_2b_has_one_science(
    exposures: list[Exposure], options: AssociationChoice
) -> None:
    made = build(exposures, options)
    level_2b = [a for a in made.associations if a.asn_type in LEVEL_2B]
    assert all(science(a) == [a.product_name] for a in level_2b)
    assert len({a.product_name for a in level_2b}) == len(level_2b)
    unused = {exposure.name for exposure in made.unused}
    on_sky = {e.name for e in exposures if e.role is not Role.IMPRINT} - unused
    assert on_sky <= {a.product_name for a in level_2b}


@given(some, choices)
def test_level_3_takes_only_what_a_level_2b_makes(
    exposures: list[Exposure], options: AssociationChoice
) -> None:
    made = build(exposures, options).associations
    level_2b = {a.product_name for a in made if a.asn_type in LEVEL_2B}
    level_3 = [a for a in made if a.asn_type not in LEVEL_2B]
    assert {name for a in level_3 for name in science(a)} <= level_2b


@given(some, choices)
def test_no_exposure_is_twice_in_an_association(
    exposures: list[Exposure], options: AssociationChoice
) -> None:
    for association in build(exposures, options).associations:
        names = [member.exposure for member in association.members]
        assert len(names) == len(set(names))


@given(some, choices)
def test_documents_and_products_have_names_of_their_own(
    exposures: list[Exposure], options: AssociationChoice
) -> None:
    made = build(exposures, options).associations
    assert len({document_name(a) for a in made}) == len(made)
    for association in made:
        parse_file_name(f"{association.product_name}_x1d.fits")


def test_an_unrelated_observation_changes_nothing_else() -> None:
    other = make_exposure("jw99001009001_03101_00001_nrs1", TARGNAME="Z", GRATING="G")
    before, after = build(ifu_program()), build([*ifu_program(), other])
    assert set(before.associations) <= set(after.associations)


def test_a_target_that_sorts_before_others_renumbers_them() -> None:
    other = make_exposure("jw99001009001_03101_00001_nrs1", TARGNAME="A", GRATING="G")
    made = build([*ifu_program(), other])
    assert find(made, "jw99001-o001_t003_nirspec_prism")


def test_the_document_is_what_the_official_generator_writes() -> None:
    association = find(build(ifu_program()), SKY)
    document = json.loads(to_json_text(association, pool_name="pool.csv"))
    assert document["asn_pool"] == "pool.csv"
    assert (document["asn_id"], document["program"]) == ("o002", "99001")
    [product] = document["products"]
    assert product["name"] == SKY
    assert [m["exptype"] for m in product["members"]] == ["science", "imprint"]


def test_documents_are_named_after_product_and_type() -> None:
    made = build(bots_program()).associations
    assert [document_name(association) for association in made] == [
        "jw99002001001_04101_00001-seg001_nrs1_tso-spec2_asn.json",
        "jw99002001001_04101_00001-seg002_nrs1_tso-spec2_asn.json",
        "jw99002-o001_t001_nirspec_clear-prism-s1600a1-sub512_tso3_asn.json",
    ]


def test_nods_of_the_lrs_have_each_other_and_the_verification_image() -> None:
    image, *nods = lrs_program()
    made = build([image, *nods])
    for nod, other in (nods, nods[::-1]):
        assert members(find(made, nod.name)) == [
            ("science", nod.name),
            ("background", other.name),
            ("target_acquisition", image.name),
        ]
    assert made.lacking == ()


def test_a_nod_of_the_lrs_alone_is_told_to_have_no_background() -> None:
    image, nod, _ = lrs_program()
    [lacking] = build([image, nod]).lacking
    assert lacking.exposures == (nod.name,)
    assert "ALONG-SLIT-NOD" in lacking.reason
    assert "spec2 subtracts none" in lacking.reason
    assert lacking.level == 2


def test_nods_of_the_lrs_without_verification_image_are_told() -> None:
    _, *nods = lrs_program()
    lacking = build(nods).lacking
    assert [one.exposures for one in lacking] == [(nod.name,) for nod in nods]
    assert all("MIR_TACONFIRM" in one.reason for one in lacking)
    assert [one.level for one in lacking] == [None, None]


def test_nods_that_a_recipe_does_not_subtract_lack_nothing() -> None:
    made = build(lrs_program(), AssociationChoice(nod_backgrounds="off"))
    assert made.lacking == ()
