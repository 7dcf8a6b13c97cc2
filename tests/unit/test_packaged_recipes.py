"""The recipes that ship: each value is advised by something, and does what it says."""

import re
import tomllib
from collections.abc import Iterator

import pytest
from write_recipes import MODES, PAGE, make_page

from config.edits import parse_edit
from config.known_issues import IssueStatus, KnownIssue, load_known_issues
from config.match import FACTS
from config.recipe import ParameterSet, Recipe, load_recipe
from config.recipe_texts import collect_texts, list_recipes
from flows.advice import AdviceState, advise, make_recipe_situation

ISSUES = {issue.id: issue for issue in load_known_issues()}
OF_MODE = {
    "nirspec-ifu": "NIRSpec IFU",
    "nirspec-mos": "NIRSpec MOS",
    "nirspec-bots": "NIRSpec BOTS",
    "miri-mrs": "MIRI MRS",
}
"""The modes that there is a page of known issues on."""
CITED = re.compile(
    r"\b(?:NS|MRS)-[A-Z0-9-]+|notebooks?\b.*\bcells? [0-9]"
    r"|^(?:Documentation|The rules)"
)
ID = re.compile(r"\b(?:NS|MRS)-[A-Z0-9-]*[A-Z0-9]")


def judge(issue: KnownIssue, recipe: Recipe) -> AdviceState:
    """Judge an issue of an exposure that it is of, in an early context."""
    facts = dict.fromkeys(FACTS, "")
    for name, patterns in issue.match:
        if isinstance(patterns, tuple) and patterns:
            facts[name] = patterns[0]
    facts["date"] = str(issue.match.taken_until or "2024-05-01")
    context = "jwst_0001.pmap"
    situation = make_recipe_situation(
        {"it": facts}, recipe, jwst="3.0.0", context=context
    )
    (found,) = advise([issue], situation)
    return found.state


def list_reasons(name: str) -> Iterator[str]:
    """List why the file of a recipe asks for what it asks for itself."""
    tree = tomllib.loads(collect_texts(name)[-1].text)
    for given in tree.get("parameters", ()):
        yield ParameterSet.model_validate(given).why
    for given in tree.get("edits", ()):
        yield parse_edit(given["edit"], given).why
    for table in ("associations", "products"):
        given = tree.get(table, {})
        # The backgrounds of all recipes have their reason in `official`.
        if given.keys() - {"backgrounds"}:
            yield given.get("why", "")


def test_there_is_a_recipe_for_each_mode() -> None:
    assert {*MODES} <= {*list_recipes()}


@pytest.mark.parametrize("name", list_recipes())
def test_each_value_names_what_advises_it(name: str) -> None:
    reasons = [*list_reasons(name)]
    assert reasons
    assert [why for why in reasons if not CITED.search(why)] == []
    named = {each for why in reasons for each in ID.findall(why)}
    assert named <= ISSUES.keys()
    recipe = load_recipe(name)
    unmitigated = [
        each for each in named if judge(ISSUES[each], recipe) != AdviceState.MITIGATED
    ]
    assert unmitigated == []


@pytest.mark.parametrize("name", OF_MODE)
def test_a_mode_has_all_that_recipes_can_do_about_its_open_issues(name: str) -> None:
    recipe, official = load_recipe(name), load_recipe("official")
    open_issues = [
        issue
        for issue in ISSUES.values()
        if (issue.mode, issue.status) == (OF_MODE[name], IssueStatus.OPEN)
        and issue.mitigation
        and issue.id != "NS-BOTS05"  # of time series, nothing replaces what is masked
    ]
    assert {judge(issue, official) for issue in open_issues} >= {AdviceState.OPEN}
    assert {judge(issue, recipe) for issue in open_issues} == {AdviceState.MITIGATED}


@pytest.mark.parametrize("name", [name for name in MODES if name != "official"])
def test_a_mode_extends_official(name: str) -> None:
    assert collect_texts(name)[0].name == "official"


def test_official_sets_no_parameter() -> None:
    official = load_recipe("official")
    assert (official.parameters, official.edits) == ((), ())
    assert official.products.exposure_cubes == "all"


def test_the_page_is_made_of_the_files() -> None:
    assert PAGE.read_text() == make_page(), "run python tools/write_recipes.py"
