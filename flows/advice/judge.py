"""Whether a known issue applies to exposures, and whether it is mitigated."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import Any, Final

from config.brought import BroughtFile
from config.edits import CalibratedEdit, RecipeEdit
from config.known_issues import Fragment, IssueStatus, KnownIssue
from config.recipe import ParameterSet
from workers.contract import Stage

from .lines import list_wanted, to_recipe_lines
from .situation import Situation

__all__ = ["Advice", "AdviceState", "advise", "count_states", "name_open"]

_NAMED: Final = 3
"""How many exposures are named."""

_DEPTH: Final[Mapping[Stage, int]] = {
    Stage.DETECTOR1: 0,
    Stage.SPEC2: 1,
    Stage.SPEC3: 2,
    Stage.TSO3: 2,
}
"""The order of the stages."""


class AdviceState(StrEnum):
    """How an issue stands that applies; the first need attention most."""

    OPEN = "OPEN"
    """Something mitigates it, and is not chosen."""
    BY_HAND = "BY_HAND"
    """What to do about it no recipe says."""
    NOTHING_TO_DO = "NOTHING_TO_DO"
    """Nothing is known that mitigates it."""
    OPTIONAL = "OPTIONAL"
    """It is no defect, but a choice that is not made."""
    MITIGATED = "MITIGATED"
    """What mitigates it is set."""
    FIXED = "FIXED"
    """This version of `jwst`, or this context, does not have it any more."""


_NO_STAGE: Final = "the run does not come to the stage of its mitigation"

_NO_NODS: Final = "spec2 has no nods to subtract from each other"

_ORDER: Final = {state: position for position, state in enumerate(AdviceState)}


@dataclass(frozen=True, slots=True)
class Advice:
    """A known issue that applies, and how it stands."""

    issue: KnownIssue
    """The issue."""
    state: AdviceState
    """How it stands."""
    why: str
    """Why."""
    add: tuple[str, ...]
    """Lines to add to the recipe, of what is OPEN or OPTIONAL."""
    count: int
    """How many exposures it applies to."""
    examples: tuple[str, ...]
    """Names of the first few."""


_Judgement = tuple[AdviceState, str, tuple[str, ...]]
"""State, why, and lines to add."""


@dataclass(frozen=True, slots=True)
class _Verdict:
    """How a fragment stands."""

    hindrance: str
    """Why it cannot mitigate anything here, whatever is set; empty if it can."""
    associations: Mapping[str, object]
    """Choices that are not made."""
    parameters: Sequence[tuple[ParameterSet, Mapping[str, Any]]]
    """Parameters that are not set for all exposures."""
    changes: Sequence[RecipeEdit | BroughtFile] = ()
    """Edits and files of which none of the exposures has one."""

    @property
    def is_set(self) -> bool:
        """Whether all is set that the fragment asks for."""
        lacking = (self.associations, self.parameters, self.changes)
        return not self.hindrance and not any(lacking)


def advise(issues: Iterable[KnownIssue], situation: Situation) -> tuple[Advice, ...]:
    """Judge known issues; those that do not apply are left out.

    An issue that is mended in this version or context is FIXED, whatever the recipe
    does about it, so that nothing is mitigated twice.
    """
    groups = _group(situation.exposures)
    found: list[Advice] = []
    for issue in issues:
        names = sorted(
            name
            for group in groups
            if issue.match.fits(situation.exposures[group[0]])
            for name in group
        )
        if names and (one := _judge(issue, names, situation)):
            found.append(one)
    return tuple(sorted(found, key=lambda one: (_ORDER[one.state], one.issue.id)))


def count_states(advice: Iterable[Advice]) -> Mapping[str, tuple[str, ...]]:
    """List the ids of issues by state, in the order of the states."""
    listed: dict[str, tuple[str, ...]] = {}
    for one in advice:
        listed[one.state] = (*listed.get(one.state, ()), one.issue.id)
    return {state: listed[state] for state in AdviceState if state in listed}


def name_open(by_state: Mapping[str, Sequence[str]]) -> str:
    """Say how many issues apply, and which are open."""
    counts = Counter({state: len(ids) for state, ids in by_state.items()})
    text = f"{counts.total()} apply, {counts[AdviceState.OPEN]} open"
    ids = by_state.get(AdviceState.OPEN, ())
    return f"{text}: {', '.join(ids)}" if ids else text


def _group(exposures: Mapping[str, Mapping[str, str]]) -> list[list[str]]:
    """Group exposures of which the same issues hold: by all but name and time."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, facts in exposures.items():
        same = (v[:10] if f == "date" else v for f, v in facts.items())
        key = tuple(v for f, v in zip(facts, same, strict=True) if f != "exposure")
        groups.setdefault(key, []).append(name)
    return [*groups.values()]


def _judge(
    issue: KnownIssue, names: Sequence[str], situation: Situation
) -> Advice | None:
    """Judge an issue that matches some exposures; None if it is none of theirs."""
    jwst = situation.jwst
    deepest = max((_DEPTH[stage] for stage in situation.stages), default=0)
    if _DEPTH[Stage(issue.stage)] > deepest:
        return None  # of products that are not made yet
    if mended := _find_mend(issue, names, situation):
        found: _Judgement = (AdviceState.FIXED, mended, ())
    elif jwst is not None and not issue.versions.has(jwst):
        return None  # a version that did not have it yet
    else:
        found = _weigh(issue, names, situation)
    return Advice(issue, *found, count=len(names), examples=tuple(names[:_NAMED]))


def _weigh(issue: KnownIssue, names: Sequence[str], situation: Situation) -> _Judgement:
    """Judge an issue that is there."""
    jwst = situation.jwst
    known = [f for f in issue.mitigation if jwst is None or f.is_known_to(jwst)]
    verdicts = [_check(fragment, issue, names, situation) for fragment in known]
    if any(verdict.is_set for verdict in verdicts):
        return AdviceState.MITIGATED, "what mitigates it is set", ()
    elsewhere = _tell_mend(issue, situation)
    if issue.mitigation or elsewhere:
        return _ask(issue, verdicts, elsewhere, jwst)
    if issue.by_hand:
        return AdviceState.BY_HAND, issue.by_hand, ()
    return AdviceState.NOTHING_TO_DO, "no mitigation is known", ()


def _ask(
    issue: KnownIssue,
    verdicts: Sequence[_Verdict],
    elsewhere: Sequence[str],
    jwst: str | None,
) -> _Judgement:
    """Ask for the mitigation that is recommended of those that can be had."""
    is_choice = issue.status is IssueStatus.ADVICE
    state = AdviceState.OPTIONAL if is_choice else AdviceState.OPEN
    reached = [verdict for verdict in verdicts if not verdict.hindrance]
    lines: tuple[str, ...] = ()
    said = list(elsewhere)
    if reached:
        first = reached[0]
        lines = to_recipe_lines(first.associations, first.parameters, first.changes)
        said.append("the recipe does not set what mitigates it")
    elif verdicts:
        said.append(verdicts[0].hindrance)
    elif issue.mitigation:
        needed = " or ".join(dict.fromkeys(f.jwst for f in issue.mitigation))
        said.append(f"its mitigation needs jwst {needed}; this is {jwst}")
    return state, "; ".join(said), lines


def _find_mend(
    issue: KnownIssue, names: Sequence[str], situation: Situation
) -> str | None:
    """Say what has mended an issue; None if nothing has, or if that is not known."""
    jwst, context = situation.jwst, situation.context
    if context is not None and issue.contexts.is_mended(context):
        first = issue.contexts.holds_before
        return f"mended in contexts from {first} on; this is {context}"
    versions = issue.versions
    if jwst is None or not versions.is_mended(jwst):
        return None
    if versions.fixed_with is None:
        return f"mended in jwst {versions.fixed_in}; this is {jwst}"
    if _take_reference(versions.fixed_with, names, situation):
        # Only workers could look into it.
        taken = f"a reference of type {versions.fixed_with}, which is taken"
        return f"jwst {jwst} mends it with {taken}, unless that changes nothing"
    return None


def _tell_mend(issue: KnownIssue, situation: Situation) -> list[str]:
    """Say what would mend an issue that is not mended here."""
    versions, first = issue.versions, issue.contexts.holds_before
    jwst, context = situation.jwst, situation.context
    said: list[str] = []
    if first is not None:
        here = f"this is {context}" if context else "the context is not known yet"
        said.append(f"mended in contexts from {first} on; {here}")
    if versions.fixed_in is not None:
        here = f"this is {jwst}" if jwst else "the version is not known yet"
        needed = f" with a reference of type {versions.fixed_with}"
        if jwst is not None and versions.is_mended(jwst):
            here = "none is known to be taken; `rewebb plan` resolves references"
        which = needed if versions.fixed_with else ""
        said.append(f"mended in jwst {versions.fixed_in}{which}; {here}")
    return said


def _take_reference(reftype: str, names: Sequence[str], situation: Situation) -> bool:
    """Return whether all that asks for references of a type takes one, and any does."""
    taken = [
        use.references[reftype]
        for name in names
        for stage in situation.stages
        if (use := situation.find_use(stage, name)) and reftype in use.references
    ]
    return bool(taken) and all(taken)


def _check(
    fragment: Fragment, issue: KnownIssue, names: Sequence[str], situation: Situation
) -> _Verdict:
    """Compare what a fragment asks for with what is set."""
    lacking: list[tuple[ParameterSet, Mapping[str, Any]]] = []
    changes = _list_unchanged(fragment, names, situation)
    is_reached = not changes or Stage(issue.stage) in situation.stages
    for given in fragment.parameters:
        uses = [
            use
            for name in names
            if given.fits(situation.exposures[name])
            and (use := situation.find_use(Stage(given.stage), name)) is not None
            and use.exposures <= (given.max_exposures or use.exposures)
        ]
        is_reached &= bool(uses) and Stage(given.stage) in situation.stages
        missing: dict[str, Any] = {}
        # Jobs that are alike share what is remembered of them.
        for use in {id(use.parameters): use for use in uses}.values():
            missing = _join(missing, _subtract(list_wanted(given), use.parameters))
        if missing:
            lacking.append((given, missing))
    for edit in fragment.edits:
        is_reached &= any(edit.match.fits(situation.exposures[name]) for name in names)
        if isinstance(edit, CalibratedEdit):
            is_reached &= Stage.SPEC3 in situation.stages
    unchosen = _list_unchosen(fragment, situation)
    hindrance = "" if is_reached else _NO_STAGE
    if not unchosen and _asks_for_nods(fragment):
        hindrance = hindrance or _find_nodless(names, situation)
    return _Verdict(hindrance, unchosen, lacking, changes)


def _asks_for_nods(fragment: Fragment) -> bool:
    asked = fragment.associations
    return asked is not None and (
        "nod_backgrounds" in asked.model_fields_set and asked.nod_backgrounds != "off"
    )


def _find_nodless(names: Sequence[str], situation: Situation) -> str:
    """Say that spec2 of an exposure subtracts no other, as far as that is known."""
    uses = (situation.find_use(Stage.SPEC2, name) for name in names)
    return _NO_NODS if any(use and use.backgrounds == 0 for use in uses) else ""


def _list_unchanged(
    fragment: Fragment, names: Sequence[str], situation: Situation
) -> list[RecipeEdit | BroughtFile]:
    """List the edits and files of which no exposure has one, whatever its values.

    They are for some exposures, or sources, which only the user knows; but edits of
    calibrated slits are for all exposures that they match.
    """
    if not fragment.edits and not fragment.files:
        return []
    made: dict[str, set[str]] = {name: set() for name in names}
    for stage, name in product(situation.stages, names):
        if use := situation.find_use(stage, name):
            made[name] |= use.changes
    any_made = set[str]().union(*made.values())

    def is_made(edit: RecipeEdit) -> bool:
        if not isinstance(edit, CalibratedEdit):
            return edit.edit in any_made
        fitting = (n for n in names if edit.match.fits(situation.exposures[n]))
        return all(edit.edit in made[name] for name in fitting)

    edits = (edit for edit in fragment.edits if not is_made(edit))
    return [*edits, *(file for file in fragment.files if file.kind not in any_made)]


def _list_unchosen(fragment: Fragment, situation: Situation) -> Mapping[str, object]:
    """List the choices of associations that are not made; ``all`` is more than true."""
    wanted, chosen = fragment.associations, situation.associations
    if wanted is None:
        return {}
    asked = {name: getattr(wanted, name) for name in sorted(wanted.model_fields_set)}
    return {
        name: value
        for name, value in asked.items()
        if (made := getattr(chosen, name, None)) != value
        and not (value is True and made == "all")
    }


def _subtract(wanted: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is wanted and not given, of tables what is not in them."""
    missing: dict[str, Any] = {}
    for name, value in wanted.items():
        here = given.get(name)
        if isinstance(value, Mapping):
            below = _subtract(value, here if isinstance(here, Mapping) else {})
            if below:
                missing[name] = below
        elif here != value:
            missing[name] = value
    return missing


def _join(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Join two tables, and the tables in them."""
    joined = dict(one)
    for name, value in other.items():
        here = joined.get(name)
        both = isinstance(here, Mapping) and isinstance(value, Mapping)
        joined[name] = _join(here or {}, value) if both else value
    return joined
