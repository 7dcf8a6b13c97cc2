"""Which known issues apply, and what mitigates them."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest
from exposures import ifu_program, mrs_program
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.version import Version

from config.known_issues import KnownIssue, get_serial, load_known_issues
from config.match import FACTS
from config.recipe import AssociationChoice, Recipe, load_recipe
from flows.advice import (
    Advice,
    AdviceState,
    Situation,
    StageUse,
    advise,
    count_states,
    make_recipe_situation,
    name_open,
    to_fragment_lines,
)
from workers.contract import Stage

ISSUES = {issue.id: issue for issue in load_known_issues()}
OFFICIAL = load_recipe("official")
IFU = {e.name: e.facts for e in ifu_program()}
MRS = {e.name: e.facts for e in mrs_program()}

versions = st.builds(
    "{}.{}.{}{}".format,
    st.integers(0, 4),
    st.integers(0, 25),
    st.integers(0, 9),
    st.sampled_from(["", "rc1", ".dev3", ".post1"]),
)
serials = st.integers(1, 9999)
any_issue = st.sampled_from([*ISSUES.values()])


def make_facts(issue: KnownIssue) -> Mapping[str, Mapping[str, str]]:
    """Make the facts of an exposure that an issue is of."""
    facts = dict.fromkeys(FACTS, "")
    for name, patterns in issue.match:
        if isinstance(patterns, tuple) and patterns:
            facts[name] = patterns[0]
    day = issue.match.taken_until or issue.match.taken_from
    return {"it": {**facts, "exposure": "it", "date": str(day or "2024-05-01")}}


def judge(
    issue: KnownIssue,
    recipe: Recipe = OFFICIAL,
    *,
    jwst: str | None = "3.0.0",
    context: str | None = "jwst_1581.pmap",
) -> Advice | None:
    """Judge an issue of an exposure that it is of."""
    facts = make_facts(issue)
    situation = make_recipe_situation(facts, recipe, jwst=jwst, context=context)
    found = advise([issue], situation)
    return found[0] if found else None


def with_lines(lines: tuple[str, ...], path: Path) -> Recipe:
    path.write_text("\n".join(['title = "T"', *lines]))
    return load_recipe(str(path))


@pytest.mark.parametrize("issue", ISSUES.values(), ids=ISSUES)
def test_the_lines_that_are_offered_mitigate(issue: KnownIssue, tmp_path: Path) -> None:
    found = judge(issue)
    assert found is not None
    if not found.add:
        assert found.state not in {AdviceState.OPEN, AdviceState.OPTIONAL} or (
            issue.versions.fixed_with
        )
        return
    again = judge(issue, with_lines(found.add, tmp_path / "mine.toml"))
    assert again is not None
    assert again.state is AdviceState.MITIGATED


@pytest.mark.parametrize("issue", ISSUES.values(), ids=ISSUES)
def test_each_alternative_mitigates_in_a_version_that_has_it(
    issue: KnownIssue, tmp_path: Path
) -> None:
    for number, fragment in enumerate(issue.mitigation):
        recipe = with_lines(to_fragment_lines(fragment), tmp_path / f"{number}.toml")
        jwst = "1.10.0" if issue.versions.fixed_in else "3.0.0"
        found = judge(issue, recipe, jwst=jwst)
        assert found is not None
        assert found.state is AdviceState.MITIGATED


@settings(max_examples=400)
@given(issue=any_issue, jwst=versions)
def test_an_issue_is_fixed_from_its_version_on(issue: KnownIssue, jwst: str) -> None:
    found = judge(issue, jwst=jwst, context="jwst_0001.pmap")
    first = issue.versions.fixed_in
    is_fixed = first is not None and issue.versions.fixed_with is None
    is_fixed = is_fixed and Version(jwst) >= Version(first or "0")
    assert found is not None
    assert (found.state is AdviceState.FIXED) == is_fixed
    assert found.why


@given(serial=serials)
def test_wavelengths_of_the_mrs_are_fixed_from_their_context_on(serial: int) -> None:
    context = f"jwst_{serial:04d}.pmap"
    found = judge(ISSUES["MRS-WAVELENGTH"], context=context)
    assert found is not None
    assert (found.state is AdviceState.FIXED) == (serial >= 970)
    assert context in found.why
    assert get_serial(context) == serial


@settings(max_examples=400)
@given(issue=any_issue, jwst=versions | st.none(), serial=serials)
def test_what_is_mended_is_never_mitigated_again(
    issue: KnownIssue, jwst: str | None, serial: int
) -> None:
    context = f"jwst_{serial:04d}.pmap"
    found = judge(issue, jwst=jwst, context=context)
    assert found is not None
    if found.state is AdviceState.FIXED:
        assert not found.add
    if found.add:
        assert found.state in {AdviceState.OPEN, AdviceState.OPTIONAL}


def test_nothing_is_fixed_by_a_version_or_context_that_is_not_known() -> None:
    for issue in ISSUES.values():
        found = judge(issue, jwst=None, context=None)
        assert found is not None
        assert found.state is not AdviceState.FIXED
    found = judge(ISSUES["MRS-WAVELENGTH"], context=None)
    assert found is not None
    assert found.state is AdviceState.OPEN
    assert found.why.endswith("the context is not known yet")


def test_issues_are_of_the_exposures_of_their_mode_alone() -> None:
    situation = make_recipe_situation(
        {**IFU, **MRS}, OFFICIAL, jwst="3.0.0", context=None
    )
    found = {one.issue.id: one for one in advise(ISSUES.values(), situation)}
    assert all(one.startswith(("NS-IFU", "MRS-")) for one in found)
    assert found["NS-IFU03"].count == len(IFU)
    assert found["MRS-FRINGES"].count == len(MRS)
    assert "MRS-FRINGES-2C" not in found, "it is of the band LONG"
    assert set(found["NS-IFU03"].examples) <= IFU.keys()


def test_a_mitigation_that_the_version_does_not_have_says_so() -> None:
    found = judge(ISSUES["NS-IFU05"], jwst="1.20.2")
    assert found is not None
    assert (found.state, found.add) == (AdviceState.OPEN, ())
    assert found.why == "its mitigation needs jwst >=2.0; this is 1.20.2"


def make_uses(
    parameters: Mapping[Stage, Mapping[str, object]],
    references: Mapping[str, bool] = MappingProxyType({}),
) -> Situation:
    """Make the situation of IFU exposures whose jobs are resolved."""
    uses = {
        (stage, name): StageUse({"steps": steps}, references)
        for stage, steps in parameters.items()
        for name in IFU
    }
    return Situation(
        exposures=IFU,
        stages=frozenset(parameters),
        find_use=lambda stage, name: uses.get((stage, name)),
        jwst="3.0.0",
        context="jwst_1581.pmap",
        associations=AssociationChoice(),
    )


def find(issue: str, situation: Situation) -> Advice | None:
    found = advise([ISSUES[issue]], situation)
    return found[0] if found else None


def test_effective_parameters_mitigate_whatever_set_them() -> None:
    steps = {"extract_1d": {"ifu_autocen": True, "apply_apcorr": True}}
    found = find("NS-IFU04", make_uses({Stage.SPEC3: steps}))
    assert found is not None
    assert found.state is AdviceState.MITIGATED


def test_a_file_of_the_user_mitigates_where_any_exposure_has_one() -> None:
    situation = make_uses({Stage.SPEC3: {}})
    found = find("NS-IFU-MASTER-BACKGROUND", situation)
    assert found is not None
    assert found.state is AdviceState.OPTIONAL
    assert found.add[:2] == ("[[files]]", 'kind = "background-spectrum"')
    odd, own = min(IFU), StageUse({}, changes=frozenset({"background-spectrum"}))

    def find_use(stage: Stage, name: str) -> StageUse | None:
        return own if name == odd else situation.find_use(stage, name)

    found = find("NS-IFU-MASTER-BACKGROUND", replace(situation, find_use=find_use))
    assert found is not None
    assert found.state is AdviceState.MITIGATED


def test_only_what_is_missing_is_offered() -> None:
    steps = {"adaptive_trace_model": {"skip": False, "oversample": 1.0}}
    found = find("NS-IFU05", make_uses({Stage.SPEC3: steps}))
    assert found is not None
    assert found.add[-1] == "steps.adaptive_trace_model.oversample = 3.0"
    assert not any("skip" in line for line in found.add)


def test_one_exposure_without_it_is_enough_to_be_open() -> None:
    situation = make_uses({Stage.SPEC3: {"extract_1d": {"ifu_autocen": True}}})
    other = StageUse({"steps": {"extract_1d": {"ifu_autocen": False}}})
    odd = min(IFU)

    def find_use(stage: Stage, name: str) -> StageUse | None:
        return other if name == odd else situation.find_use(stage, name)

    found = find("NS-IFU04", replace(situation, find_use=find_use))
    assert found is not None
    assert found.state is AdviceState.OPEN


def test_an_alternative_in_another_stage_mitigates() -> None:
    steps = {"clean_flicker_noise": {"skip": False}}
    found = find("NS-IFU03", make_uses({Stage.DETECTOR1: {}, Stage.SPEC2: steps}))
    assert found is not None
    assert found.state is AdviceState.MITIGATED


def test_countrates_are_not_told_what_concerns_their_cubes() -> None:
    found = advise(ISSUES.values(), make_uses({Stage.DETECTOR1: {}}))
    assert [one.issue.id for one in found] == ["NS-IFU03"]


def test_a_run_that_starts_late_cannot_take_what_comes_before() -> None:
    issue = ISSUES["NS-IFU03"]
    only = issue.model_copy(update={"mitigation": issue.mitigation[:1]})
    (found,) = advise([only], make_uses({Stage.SPEC2: {}, Stage.SPEC3: {}}))
    assert (found.state, found.add) == (AdviceState.OPEN, ())
    assert "does not come to the stage" in found.why


def test_a_correction_by_a_reference_needs_the_reference() -> None:
    states = [
        find("NS-IFU06", make_uses({Stage.SPEC2: {}}, references))
        for references in ({}, {"chromcorr": False}, {"chromcorr": True})
    ]
    assert [one and one.state for one in states] == [
        AdviceState.OPEN,
        AdviceState.OPEN,
        AdviceState.FIXED,
    ]
    assert states[2]
    assert states[2].why.endswith("which is taken, unless that changes nothing")
    older = replace(make_uses({Stage.SPEC2: {}}, {"chromcorr": True}), jwst="2.0")
    found = find("NS-IFU06", older)
    assert found is not None
    assert found.state is AdviceState.OPEN


def test_choices_of_associations_count() -> None:
    steps = {"badpix_selfcal": {"skip": False}}
    situation = make_uses({Stage.SPEC2: steps})
    chosen = {"yes": True, "all": "all", "no": False}
    states = {
        name: find(
            "NS-IFU-SUBTRACTED-OUTLIERS",
            replace(
                situation,
                associations=AssociationChoice.model_validate({"selfcal": value}),
            ),
        )
        for name, value in chosen.items()
    }
    assert {n: one and one.state for n, one in states.items()} == {
        "yes": AdviceState.MITIGATED,
        "all": AdviceState.MITIGATED,
        "no": AdviceState.OPEN,
    }
    unknown = find("NS-IFU-SUBTRACTED-OUTLIERS", replace(situation, associations=None))
    assert unknown is not None
    assert unknown.add == ("[associations]", "selfcal = true")


def test_issues_come_in_the_order_of_the_attention_that_they_need() -> None:
    situation = make_recipe_situation(IFU, OFFICIAL, jwst="3.0.0", context=None)
    found = advise(ISSUES.values(), situation)
    assert [*dict.fromkeys(one.state for one in found)] == [
        state for state in AdviceState if any(one.state is state for one in found)
    ]
    counts = count_states(found)
    assert sum(map(len, counts.values())) == len(found)
    assert name_open(counts).startswith(f"{len(found)} apply, 6 open: NS-IFU-PRISM")
    assert name_open({"FIXED": ("NS-IFU01",)}) == "1 apply, 0 open"


SLIT = {
    **dict.fromkeys(FACTS, ""),
    "exp_type": "NRS_FIXEDSLIT",
    "grating": "G140M",
    "filter": "F070LP",
    "fixed_slit": "S1600A1",
    "exposure": "jw99005001001_03101_00001_nrs1",
}


@pytest.mark.parametrize(
    ("facts", "change", "state"),
    [
        (SLIT, ("", ""), AdviceState.MITIGATED),
        (SLIT, ("1.02", "1.01"), AdviceState.MITIGATED),
        (SLIT, ('"G140M"', '"G140*"'), AdviceState.MITIGATED),
        (SLIT, ('"G140M"', '"PRISM"'), AdviceState.OPEN),
        ({**SLIT, "exp_type": "NRS_BRIGHTOBJ"}, ("", ""), AdviceState.OPEN),
    ],
)
def test_edits_of_the_exposures_that_an_issue_is_of_mitigate_it(
    tmp_path: Path,
    facts: Mapping[str, str],
    change: tuple[str, str],
    state: AdviceState,
) -> None:
    issue = ISSUES["NS-BOTS05"]
    lines = to_fragment_lines(issue.mitigation[0])
    changed = tuple(line.replace(*change) for line in lines)
    recipe = with_lines(changed, tmp_path / "mine.toml")
    situation = make_recipe_situation(
        {facts["exposure"]: facts}, recipe, jwst="3.0.0", context=None
    )
    (found,) = advise([issue], situation)
    assert found.state is state
    if state is AdviceState.OPEN and facts is SLIT:
        assert found.add == lines


def test_an_edit_of_calibrated_slits_must_be_of_all_exposures(tmp_path: Path) -> None:
    issue = ISSUES["NS-BOTS05"]
    lines = to_fragment_lines(issue.mitigation[0])
    narrowed = (*lines, f'match.exposure = "{SLIT["exposure"]}"')
    other = SLIT["exposure"].replace("_00001_", "_00002_")
    exposures = {name: {**SLIT, "exposure": name} for name in (SLIT["exposure"], other)}
    states = []
    for each in (lines, narrowed):
        recipe = with_lines(each, tmp_path / "mine.toml")
        situation = make_recipe_situation(exposures, recipe, jwst="3.0.0", context=None)
        states += [one.state for one in advise([issue], situation)]
    assert states == [AdviceState.MITIGATED, AdviceState.OPEN]


@pytest.mark.parametrize(
    ("exposures", "skip", "state"),
    [
        (3, True, AdviceState.MITIGATED),
        (3, False, AdviceState.OPTIONAL),
        (4, False, AdviceState.OPTIONAL),
    ],
)
def test_advice_on_few_exposures_is_not_for_many(
    exposures: int, state: AdviceState, *, skip: bool
) -> None:
    steps = {"steps": {"outlier_detection": {"skip": skip}}}
    situation = replace(
        make_uses({Stage.SPEC3: {}}),
        exposures={"it": {**SLIT, "exp_type": "NRS_MSASPEC"}},
        find_use=lambda *_: StageUse(steps, exposures=exposures),
    )
    found = find("NS-MOS-OUTLIER-REJECTION", situation)
    assert found is not None
    assert found.state is state
    assert ("max_exposures = 3" in found.add) == (exposures == 3 and not skip)


@pytest.mark.parametrize(
    ("nods", "backgrounds", "state", "why"),
    [
        ("on", 2, AdviceState.MITIGATED, "is set"),
        ("on", None, AdviceState.MITIGATED, "is set"),
        ("both", 2, AdviceState.OPTIONAL, "does not set"),
        ("off", 0, AdviceState.OPTIONAL, "does not set"),
        ("on", 0, AdviceState.OPTIONAL, "spec2 has no nods to subtract"),
    ],
)
def test_nods_mitigate_where_there_are_nods(
    nods: str, backgrounds: int | None, state: AdviceState, why: str
) -> None:
    situation = replace(
        make_uses({Stage.SPEC2: {}}),
        exposures={"it": {**SLIT, "exp_type": "NRS_MSASPEC"}},
        find_use=lambda *_: StageUse({}, backgrounds=backgrounds),
        associations=AssociationChoice.model_validate({"nod_backgrounds": nods}),
    )
    found = find("NS-MOS-OPTICAL-SHORTS", situation)
    assert found is not None
    assert found.state is state
    assert why in found.why
    assert ('nod_backgrounds = "on"' in found.add) == (nods != "on")
