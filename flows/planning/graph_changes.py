"""What becomes of a graph: chained, narrowed to a part, and given fetched files."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from config.recipe import Recipe
from workers.contract import BROUGHT, PERSISTENCE, Stage

from ..errors import PlanError
from ..models.exposures import Exposure
from .graph import PlannedInput, PlannedJob, plan_detector1, plan_metafile

__all__ = [
    "chain_exposures",
    "keep_jobs",
    "keep_stage",
    "narrow_graph",
    "place_exposures",
]

_DAY_S = 86_400


def narrow_graph(
    graph: Sequence[PlannedJob], asked: Collection[str]
) -> tuple[PlannedJob, ...]:
    """Keep the jobs of exposures that are asked for, and all that these jobs read.

    A job is of an exposure if that is one of its science members, or the exposure of a
    file that cannot be used. What is kept is as it was: jobs are left out of the graph
    of a program, not planned anew for a part of it.
    """
    kept: set[str] = set()
    for job in reversed(graph):
        if job.key in kept or _is_of(job, asked):
            kept.update((job.key, *job.producers))
    return tuple(job for job in graph if job.key in kept)


def keep_jobs(
    graph: Sequence[PlannedJob], keys: Collection[str]
) -> tuple[PlannedJob, ...]:
    """Keep the jobs of these keys, and all that they read.

    Raises
    ------
    PlanError
        There is no such job.
    """
    if missing := sorted(set(keys) - {job.key for job in graph}):
        raise PlanError(
            f"The program has no job {', '.join(missing)} any more: its exposures, "
            "the recipe or the rules have changed since; run the whole program again."
        )
    kept = set(keys)
    for job in reversed(graph):
        if job.key in kept:
            kept.update(job.producers)
    return tuple(job for job in graph if job.key in kept)


def keep_stage(graph: Sequence[PlannedJob], stage: Stage) -> tuple[PlannedJob, ...]:
    """Keep the jobs of a stage, and all that they read; tso3 stands beside spec3.

    Raises
    ------
    PlanError
        There is none.
    """
    beside = {Stage.SPEC3, Stage.TSO3}
    wanted = beside if stage in beside else {stage}
    keys = [job.key for job in graph if job.stage in wanted]
    if not keys:
        found = ", ".join(sorted({str(job.stage) for job in graph}))
        raise PlanError(f"There is no job of {stage}; there are jobs of {found}.")
    return keep_jobs(graph, keys)


def _is_of(job: PlannedJob, asked: Collection[str]) -> bool:
    if job.association is None:
        return job.defect is not None and job.exposure.name in asked
    return any(
        member.exptype == "science" and member.exposure in asked
        for member in job.association.members
    )


def place_exposures(
    graph: Iterable[PlannedJob], exposures: Iterable[Exposure]
) -> tuple[PlannedJob, ...]:
    """Let jobs read the files of exposures that were fetched, or say why they cannot.

    The headers of the exposures are still those that the graph was built from.
    """
    here = {exposure.name: exposure for exposure in exposures}
    return tuple(
        _place(job, here[job.exposure.name]) if job.exposure.name in here else job
        for job in graph
    )


def _place(job: PlannedJob, exposure: Exposure) -> PlannedJob:
    made = tuple(
        file
        for file in job.inputs
        if file.producer is not None or file.exptype in BROUGHT
    )
    if job.stage is Stage.DETECTOR1:
        fresh = plan_detector1(exposure)
        return replace(fresh, inputs=(*fresh.inputs, *made), edits=job.edits)
    if job.association is None:  # nothing makes it, wherever its files are
        return replace(job, exposure=exposure)
    metafile = exposure.metafile if job.stage is Stage.SPEC2 else None
    return replace(
        job,
        inputs=(*made, *plan_metafile(metafile)),
        exposure=exposure,
        defect=metafile.defect if metafile else None,
    )


def chain_exposures(
    graph: Iterable[PlannedJob], recipe: Recipe
) -> tuple[PlannedJob, ...]:
    """Let detector1 of an exposure read what the exposure before has left.

    Pixels that were saturated glow into the exposures that follow. The step
    `persistence` of detector1 (jwst 3.0.0; off unless a recipe sets ``skip = false``
    and ``persistence_time``) flags them from what it left of the exposure before: the
    one before it in time on the same detector and subarray, if pixels that were
    saturated at its end can still glow when the next begins. Exposures of which the
    run makes nothing are ignored. Producers still come before what needs them.
    """
    jobs = list(graph)
    first = [job for job in jobs if job.stage is Stage.DETECTOR1]
    if not any(_window_s(job.exposure, recipe) for job in first):
        return tuple(jobs)
    rest = [job for job in jobs if job.stage is not Stage.DETECTOR1]
    return (*_chain(sorted(first, key=_by_start), recipe), *rest)


def _by_start(job: PlannedJob) -> tuple[float, str]:
    return float(job.exposure.header.get("EXPSTART", 0)), job.name


def _chain(jobs: Iterable[PlannedJob], recipe: Recipe) -> Iterator[PlannedJob]:
    before: dict[tuple[object, object], PlannedJob] = {}
    for job in jobs:
        header = job.exposure.header
        window_s = _window_s(job.exposure, recipe)
        if not (header and window_s):
            yield job
            continue
        place = (header.get("DETECTOR"), header.get("SUBARRAY"))
        last = before.get(place)
        before[place] = job
        if last is None or _gap_s(last.exposure, job.exposure) > window_s:
            yield job
            continue
        left = PlannedInput(
            name=f"{last.name}_{PERSISTENCE}.asdf",
            exptype=PERSISTENCE,
            reason="what saturated pixels of the exposure before may still glow",
            producer=last.key,
        )
        yield replace(job, inputs=(*job.inputs, left))


def _window_s(exposure: Exposure, recipe: Recipe) -> float:
    """Look up how long a pixel may glow; 0 if the recipe does not ask for it."""
    steps: Mapping[str, Any] = recipe.select_parameters(
        Stage.DETECTOR1, [exposure.facts]
    ).get("steps", {})
    given = steps.get("persistence", {})
    return 0 if given.get("skip", True) else float(given.get("persistence_time", 0))


def _gap_s(last: Exposure, exposure: Exposure) -> float:
    """Measure the time between two exposures; 0 if it is unknown."""
    end, start = last.header.get("EXPEND"), exposure.header.get("EXPSTART")
    if end is None or start is None:
        return 0
    return (float(start) - float(end)) * _DAY_S
