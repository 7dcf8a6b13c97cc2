"""Known issues of a run, as far as it is known: found, drawn or resolved."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata

from config.known_issues import load_known_issues
from config.recipe import Recipe, count_exposures
from config.settings import Settings
from workers.contract import BROUGHT, Resolved, Stage

from ..advice import (
    Advice,
    Situation,
    StageUse,
    advise,
    make_recipe_situation,
)
from ..factory import adapt_to_sample
from ..models.exposures import Exposure, Role
from ..planning import PlannedJob
from ..provenance import Database
from ..stages import is_reached
from .graph import Drawn
from .program import Found
from .resolution import ResolvedGraph

__all__ = [
    "Advised",
    "Making",
    "advise_drawn",
    "advise_found",
    "advise_resolved",
    "find_making",
]


@dataclass(frozen=True, slots=True)
class Making:
    """What a program would be processed with, before workers were asked."""

    jwst: str | None
    """Version of `jwst`; None if it is not known."""
    jwst_from: str
    """How it is known."""
    context: str | None
    """CRDS context; None if it is not known."""
    context_from: str
    """How it is known."""


@dataclass(frozen=True, slots=True)
class Advised:
    """What there is to say of the exposures of a program."""

    program: str
    """Five digits."""
    recipe: str
    """Name of the recipe."""
    making: Making
    """Version and context that were taken."""
    exposures: int
    """How many exposures were looked at."""
    advice: tuple[Advice, ...]
    """The known issues that apply."""


def find_making(settings: Settings, context: str | None, database: Database) -> Making:
    """Find what a program would be processed with.

    Only workers and resolved contexts know for sure; until then it is what the last
    job was made with, else the `jwst` that is installed here.

    Parameters
    ----------
    context
        CRDS context that is asked for; None for that of the settings.
    """
    last = database.jobs.find_last_making()
    jwst, jwst_from = (last and last[0]) or None, "of the last job recorded"
    if jwst is None:
        jwst_from = "not known"
        with suppress(metadata.PackageNotFoundError):
            jwst, jwst_from = metadata.version("jwst"), "installed here"
    given = context or adapt_to_sample(settings).crds_context
    if given or last is None:
        source = "as set" if given else "not known until references are resolved"
        return Making(jwst, jwst_from, given, source)
    return Making(jwst, jwst_from, last[1], "of the last job recorded")


def advise_found(found: Found, making: Making) -> Advised:
    """Advise on all exposures of a program, by its recipe alone."""
    wanted = found.request.observations
    exposures = [
        exposure
        for exposure in found.inventory.exposures
        if not wanted or exposure.observation in wanted
    ]
    stages = _list_stages(found.request.start_at)
    return Advised(
        program=found.request.program,
        recipe=found.recipe.name,
        making=making,
        exposures=len(exposures),
        advice=_advise(exposures, found.recipe, making, stages),
    )


def advise_drawn(drawn: Drawn, making: Making) -> tuple[Advice, ...]:
    """Advise on the exposures of a graph, by its recipe alone."""
    stages = frozenset(job.stage for job in drawn.graph)
    return _advise(drawn.exposures, drawn.recipe, making, stages)


def advise_resolved(resolved: ResolvedGraph) -> tuple[Advice, ...]:
    """Advise on the exposures of a graph, by what its jobs will use."""
    drawn, known = resolved.drawn, resolved.resolved
    uses: dict[tuple[Stage, str], StageUse] = {}
    for job in drawn.graph:
        if (own := known.by_key.get(job.key)) is not None:
            use = _to_use(own, job)
            uses |= {(job.stage, name): use for name in _list_science(job)}
    situation = Situation(
        exposures=_read_all(drawn.exposures),
        stages=frozenset(stage for stage, _ in uses),
        find_use=lambda stage, name: uses.get((stage, name)),
        jwst=known.versions.get("jwst"),
        context=known.context or None,
        associations=drawn.recipe.associations,
    )
    return advise(load_known_issues(), situation)


def _advise(
    exposures: Iterable[Exposure],
    recipe: Recipe,
    making: Making,
    stages: frozenset[Stage],
) -> tuple[Advice, ...]:
    situation = make_recipe_situation(
        _read_all(exposures),
        recipe,
        stages=stages,
        jwst=making.jwst,
        context=making.context,
    )
    return advise(load_known_issues(), situation)


def _list_stages(start_at: Stage) -> frozenset[Stage]:
    return frozenset(stage for stage in Stage if is_reached(stage, start_at))


def _read_all(exposures: Iterable[Exposure]) -> Mapping[str, Mapping[str, str]]:
    return {one.name: one.facts for one in exposures}


def _to_use(own: Resolved, job: PlannedJob) -> StageUse:
    taken = {use.reftype: use.file is not None for use in own.references}
    read = {file.exptype for file in job.inputs} & BROUGHT
    changes = read.union(edit.edit for edit in job.edits)
    count = count_exposures(_list_science(job))
    skies = sum(file.exptype == Role.BACKGROUND for file in job.inputs)
    return StageUse(own.parameters, taken, count, frozenset(changes), skies)


def _list_science(job: PlannedJob) -> Iterable[str]:
    """List the exposures that a job processes as science."""
    if job.association is None:
        return [job.exposure.name]
    members = job.association.members
    return [m.exposure for m in members if m.exptype == Role.SCIENCE]
