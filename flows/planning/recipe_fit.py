"""A recipe against the exposures and associations of a program."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from fnmatch import fnmatchcase
from typing import Final

from config.match import Match
from config.recipe import AssociationChoice, MemberRule, ParameterSet, Recipe
from workers.contract import Stage

from ..associations import name_of_target
from ..models.associations import AssociationSet
from ..models.exposures import Exposure
from ..stages import stage_of
from .graph import PlannedJob
from .parameter_checks import suggest

__all__ = [
    "explain_part",
    "find_unmatched_sets",
    "find_unmet_choices",
    "refuse_divided",
]

_Facts = Mapping[str, str]

_SHOWN: Final = 6
"""How many values a message lists."""

_DAY: Final = len("2024-02-29")
"""How much of a date is its day."""


def find_unmatched_sets(
    recipe: Recipe, exposures: Iterable[Exposure], made: AssociationSet
) -> tuple[str, ...]:
    """Find the parameter sets that are for no exposure of a program.

    Parameters
    ----------
    exposures, made
        Those of the whole program, whatever part of it is asked for.
    """
    if not recipe.parameters:
        return ()
    by_stage = _find_science(exposures, made)
    return tuple(
        f"{recipe.describe_set(number)} matches nothing: {_explain(given, by_stage)}"
        for number, given in enumerate(recipe.parameters, 1)
        if not given.optional and not any(map(given.fits, by_stage[Stage(given.stage)]))
    )


def _find_science(
    exposures: Iterable[Exposure], made: AssociationSet
) -> Mapping[Stage, Sequence[_Facts]]:
    """Find the exposures that each stage is run on."""
    by_name = {exposure.name: exposure.facts for exposure in exposures}
    found: dict[Stage, dict[str, _Facts]] = defaultdict(dict)
    for association in made.associations:
        for member in association.members:
            facts = by_name[member.exposure]
            found[Stage.DETECTOR1][member.exposure] = facts
            if member.exptype == "science":
                found[stage_of(association)][member.exposure] = facts
    return {stage: tuple(found[stage].values()) for stage in Stage}


def _explain(given: ParameterSet, by_stage: Mapping[Stage, Sequence[_Facts]]) -> str:
    """Explain why a set is for no exposure that its stage is run on."""
    there = by_stage[Stage(given.stage)]
    if not there:
        stages = ", ".join(stage for stage, found in by_stage.items() if found)
        return f"no exposure comes to {given.stage}, the program has {stages}"
    wrong = [
        f"in {given.stage} the program has {name} "
        f"{_list(_values(there, name))}{_nearest(asked, there, name)}"
        for name, asked, one in _split(given)
        if not any(map(one.fits, there))
    ]
    if wrong:
        return "; ".join(wrong)
    together = sorted({_combine(facts, given) for facts in there})
    return f"no exposure is all of that; there are {_list(together)}"


def _split(given: ParameterSet) -> Iterator[tuple[str, Sequence[str], ParameterSet]]:
    """Split what a set asks for into what it asks of each fact."""
    free = given.model_copy(update={"exp_types": (), "match": Match()})
    if given.exp_types:
        only = free.model_copy(update={"exp_types": given.exp_types})
        yield "exp_type", given.exp_types, only
    for name, asked in given.match:
        if asked:
            match = Match.model_validate({name: asked})
            fact = "date" if isinstance(asked, date) else name
            words = () if isinstance(asked, date) else asked
            yield fact, words, free.model_copy(update={"match": match})


def _values(there: Iterable[_Facts], name: str) -> list[str]:
    found = {facts.get(name, "") for facts in there} - {""}
    return sorted({value[:_DAY] for value in found} if name == "date" else found)


def _nearest(asked: Iterable[str], there: Sequence[_Facts], name: str) -> str:
    hints = (suggest(word, _values(there, name)) for word in asked)
    return next(filter(None, hints), "")


def _combine(facts: _Facts, given: ParameterSet) -> str:
    names = dict.fromkeys(name for name, _, _ in _split(given))
    return " ".join(facts.get(name, "") or "-" for name in names)


def _list(values: Sequence[str]) -> str:
    more = f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else ""
    return (", ".join(values[:_SHOWN]) or "unknown") + more


def find_unmet_choices(
    choice: AssociationChoice,
    exposures: Sequence[Exposure],
    made: AssociationSet,
    observations: Iterable[str],
) -> Iterator[str]:
    """Find what associations are chosen by and the whole program does not have.

    Parameters
    ----------
    observations
        Those of the exposures, and of files that cannot be used.
    """
    held = sorted({*observations})
    named = [("background_observations", one) for one in choice.background_observations]
    for each in choice.candidates:
        named += [(f"candidate {each.id}", one) for one in each.observations]
    for where, one in named:
        if one not in held:
            yield f"{where}: no observation {one}, the program has {_list(held)}"
    targets = sorted({name_of_target(exposure) for exposure in exposures} - {""})
    for name in choice.background_targets:
        if name.upper() not in targets:
            there = f"the program has {_list(targets)}{suggest(name, targets)}"
            yield f"background_targets: no target {name}, {there}"
    rules = [("include", rule) for rule in choice.include]
    rules += [("exclude", rule) for rule in choice.exclude]
    for verb, rule in rules:
        if rule in made.idle:
            why = _explain_rule(rule, exposures, made)
            yield f"{verb} of {rule.exposure} changes nothing: {why}"


def _explain_rule(
    rule: MemberRule, exposures: Iterable[Exposure], made: AssociationSet
) -> str:
    names = [exposure.name for exposure in exposures]
    if not any(fnmatchcase(name, rule.exposure) for name in names):
        hint = suggest(rule.exposure, names)
        return f"no exposure of the program is named {rule.exposure}{hint}"
    products = [association.product_name for association in made.associations]
    if not any(fnmatchcase(name, rule.product) for name in products):
        hint = suggest(rule.product, products)
        return f"no product is named {rule.product}{hint}"
    return f"{rule.exposure} is no member of exptype {rule.exptype} of {rule.product}"


def refuse_divided(
    graph: Iterable[PlannedJob], recipe: Recipe
) -> tuple[PlannedJob, ...]:
    """Let no job run of which a parameter set fits some science exposures only."""
    return tuple(
        replace(job, defect=_explain_division(job, recipe) or job.defect)
        for job in graph
    )


def _explain_division(job: PlannedJob, recipe: Recipe) -> str | None:
    for number, given in enumerate(recipe.parameters, 1):
        if given.stage != job.stage:
            continue
        what = f"{recipe.describe_set(number)} of the recipe {recipe.name}"
        if division := explain_part(what, job, given.fits):
            return division
    return None


def explain_part(
    what: str, job: PlannedJob, fits: Callable[[_Facts], bool]
) -> str | None:
    """Explain what fits a part of the science of a job; None if it fits all or none."""
    fitting = [facts["exposure"] for facts in job.facts if fits(facts)]
    others = [f["exposure"] for f in job.facts if f["exposure"] not in fitting]
    if not fitting or not others:
        return None
    return (
        f"{what} fits {_list(fitting)}, but not {_list(others)}, and one product is "
        "made of them: let it fit all of them or none"
    )
