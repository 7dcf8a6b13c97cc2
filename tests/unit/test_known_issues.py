"""The files of known issues: what may be in them, and that pipelines know it."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from beside import FACTS, needs
from mitigations import ELSEWHERE
from write_known_issues import (
    PAGE,
    REASONS,
    Number,
    find_reason,
    load_numbers,
    load_programs,
    load_unmeasured,
    make_page,
)

from config.errors import KnownIssueError
from config.known_issues import (
    Fragment,
    KnownIssue,
    load_known_issue,
    load_known_issues,
)
from config.recipe import ParameterSet, load_recipe
from flows.advice import to_fragment_lines
from workers.sample import Mode

ISSUES = load_known_issues()
FRAGMENTS = [(issue.id, one) for issue in ISSUES for one in issue.mitigation]
PIPELINES = {
    "detector1": "Detector1Pipeline",
    "spec2": "Spec2Pipeline",
    "spec3": "Spec3Pipeline",
    "tso3": "Tso3Pipeline",
}

GOOD = """\
id = "NS-IFU99"
title = "T"
mode = "NIRSpec IFU"
status = "open"
stage = "spec3"
link = "https://jwst-docs.stsci.edu/x"
symptom = "S."
cause = "C."
advice = "A."

[[sources]]
page = "nirspec-ifu"
section = "NS-IFU99"

[match]
exp_type = "NRS_IFU"
"""

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_text(text: str) -> Path:
        path = tmp_path / "ns-ifu99.toml"
        path.write_text(text)
        return path

    return write_text


def test_an_issue_can_be_loaded(write: Write) -> None:
    assert load_known_issue(write(GOOD)).id == "NS-IFU99"


VERSIONS = "[versions]\n"
FRAGMENT = "[[mitigation]]\n"
WRONG = {
    "an unknown key": ('cavets = ["x"]\n' + GOOD, "unknown key `cavets`; did you mean"),
    "an unknown key of a table": (
        GOOD + VERSIONS + 'fixed = "1.0"',
        "unknown key `versions.fixed`; did you mean `versions.fixed_in`?",
    ),
    "specifiers that are none": (
        GOOD + VERSIONS + 'holds = "before 1.11"',
        "expected specifiers of PEP 440",
    ),
    "a version that is none": (
        GOOD + VERSIONS + 'fixed_in = "B9.3"',
        "expected a version of jwst such as",
    ),
    "a fix in a version that has it": (
        GOOD + VERSIONS + 'holds = "<2"\nfixed_in = "1.11.3"',
        "holds '<2' and fixed_in 1.11.3 contradict each other",
    ),
    "a fix that is not called resolved": (
        GOOD + VERSIONS + 'holds = "<2"\nfixed_in = "2.0"',
        "status open and the fix contradict each other",
    ),
    "resolved by nothing": (
        GOOD.replace('"open"', '"resolved"'),
        "status resolved and the fix contradict each other",
    ),
    "a reference without a version": (
        GOOD + VERSIONS + 'fixed_with = "chromcorr"',
        "fixed_with needs fixed_in",
    ),
    "a context that is none": (
        GOOD + '[contexts]\nholds_before = "0970"',
        "expected a context such as jwst_0970.pmap",
    ),
    "an unknown measurement": (
        GOOD + '[detection]\nmeasurement = "banding"',
        "detection.measurement: Input should be 'vertical-banding'",
    ),
    "a page that is not read": (
        GOOD.replace('page = "nirspec-ifu"', 'page = "nirspec-fs"'),
        "page: Input should be 'nirspec-ifu'",
    ),
    "another site": (GOOD.replace("jwst-docs.stsci.edu", "example.org"), "link:"),
    "no mode": (
        GOOD.replace('exp_type = "NRS_IFU"', 'grating = "PRISM"'),
        "expected the exp_type of the mode",
    ),
    "one program": (GOOD + 'observation = "001"', "an issue is not of one observation"),
    "a fragment of nothing": (
        GOOD + FRAGMENT + 'jwst = ">=2"',
        "expected parameters, associations, edits or files",
    ),
    "an unknown stage": (
        GOOD + FRAGMENT + '[[mitigation.parameters]]\nstage = "spec1"',
        "stage: Input should be 'detector1'",
    ),
    "another name of the file": (
        GOOD.replace('id = "NS-IFU99"', 'id = "NS-IFU98"'),
        "has the id NS-IFU98: expected ns-ifu98.toml",
    ),
    "an id of no mode": (GOOD.replace('id = "NS-IFU99"', 'id = "IFU99"'), "id: "),
    "a stage that is none": (GOOD.replace("spec3", "image3"), "stage: Input should be"),
    "no TOML": ("id = ", "Invalid value"),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_an_error(write: Write, text: str, message: str) -> None:
    with pytest.raises(KnownIssueError) as caught:
        load_known_issue(write(text))
    assert message in str(caught.value)
    assert "ns-ifu99.toml" in str(caught.value)


@pytest.mark.parametrize(("issue", "fragment"), FRAGMENTS)
def test_a_fragment_is_part_of_a_recipe(
    issue: str, fragment: Fragment, tmp_path: Path
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("\n".join([f'title = "{issue}"', *to_fragment_lines(fragment)]))
    recipe = load_recipe(str(path))
    assert recipe.parameters == fragment.parameters
    if fragment.associations is not None:
        assert recipe.associations == fragment.associations


def list_set(given: ParameterSet, pipeline: Any) -> list[tuple[str, Any, str]]:
    """List what a set sets: its name, the value, and what the pipeline declares."""
    found = [(n, v, pipeline["pipeline_pars"][n]) for n, v in given.pipeline.items()]
    for step, of_step in given.steps.items():
        known = pipeline["steps"][step]
        declared = {**known["pars"], **known["base_overridden"]}
        found += [(f"{step}.{n}", v, declared[n]) for n, v in of_step.items()]
    return found


def is_allowed(value: Any, declared: str) -> bool:
    """Return whether a value is what a step declares: ``option('a', 'b', ...)``."""
    kind, _, inside = declared.partition("(")
    match kind:
        case "boolean":
            return isinstance(value, bool)
        case "float":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "option":
            choices = inside.partition("default")[0]
            return value in re.findall(r"""["']([^"']+)["']""", choices)
    return False


@needs(FACTS)
@pytest.mark.parametrize(("issue", "fragment"), FRAGMENTS)
def test_the_pipelines_know_what_a_fragment_sets(
    issue: str, fragment: Fragment
) -> None:
    assert fragment.is_known_to("3.0.0"), issue
    specs = json.loads((FACTS / "step_specs_3.0.0.json").read_text())
    for given in fragment.parameters:
        for name, value, declared in list_set(given, specs[PIPELINES[given.stage]]):
            assert is_allowed(value, declared), f"{name} = {value!r}: {declared}"


@pytest.mark.parametrize("issue", ISSUES, ids=lambda issue: issue.id)
def test_a_fragment_is_of_the_exposures_of_its_issue(issue: KnownIssue) -> None:
    for fragment in issue.mitigation:
        for given in fragment.parameters:
            assert given.exp_types == issue.match.exp_type


def test_the_page_for_users_is_what_the_files_make() -> None:
    assert PAGE.read_text() == make_page(), "run tools/write_known_issues.py"


def test_an_issue_without_a_number_has_one_of_four_reasons() -> None:
    """An open issue that a recipe mends has none of them: a program must show it."""
    measured = {number.issue for number in load_numbers()}
    without = [issue for issue in ISSUES if issue.id not in measured]
    found = {issue.id: find_reason(issue) for issue in without}
    assert [issue for issue, reason in found.items() if reason is None] == []
    assert {*found.values()} == {*REASONS}
    for issue in without:
        is_resolved = issue.versions.fixed_in or issue.contexts.holds_before
        assert (found[issue.id] == "resolved") is bool(is_resolved), issue.id


def test_what_programs_show_without_a_number_nothing_mends() -> None:
    issues = {issue.id: issue for issue in ISSUES}
    measured = {number.issue for number in load_numbers()}
    for mode, issue in load_unmeasured():
        assert Mode(mode).is_on_request
        assert find_reason(issues[issue]) == "nothing mends it"
        assert issue not in measured


@pytest.mark.parametrize("number", load_numbers(), ids=lambda one: one.issue)
def test_what_is_told_of_a_mitigation_is_an_improvement(number: Number) -> None:
    issue = next(issue for issue in ISSUES if issue.id == number.issue)
    if number.program not in ELSEWHERE:
        assert Mode(number.program).is_on_request
        assert number.program in load_programs()
    if not number.is_mended:
        assert number.after is number.factor is None
        assert not issue.mitigation
        return
    assert 1 <= number.alternative <= len(issue.mitigation)
    assert number.after is not None
    assert number.factor is not None
    gain = number.value.compare(number.before, number.after)
    assert gain is not None
    assert gain >= number.factor > 1
