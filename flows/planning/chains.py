"""Exposures that must be processed in the order in which they were taken.

Pixels that were saturated glow into the exposures that follow. The step `persistence`
of detector1 (jwst 3.0.0; off unless a recipe sets ``skip = false`` and
``persistence_time``) flags them from what it left of the exposure before.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from config.recipe import Recipe
from flows.models.exposures import Exposure
from workers.contract import PERSISTENCE, Stage

from .graph import PlannedInput, PlannedJob

__all__ = ["chain_exposures"]

_DAY_S = 86_400


def chain_exposures(
    graph: Iterable[PlannedJob], recipe: Recipe
) -> tuple[PlannedJob, ...]:
    """Let detector1 of an exposure read what the exposure before has left.

    That is the one before it in time on the same detector and subarray, if pixels that
    were saturated at its end can still glow when the next begins. Exposures of which
    the run makes nothing are not looked at.

    Returns
    -------
    tuple
        The jobs, producers still before what needs them.
    """
    jobs = list(graph)
    first = [job for job in jobs if job.stage is Stage.DETECTOR1]
    if not any(_window_s(job.exposure, recipe) for job in first):
        return tuple(jobs)
    rest = [job for job in jobs if job.stage is not Stage.DETECTOR1]
    return (*_chain(sorted(first, key=_order), recipe), *rest)


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
        if last and _gap_s(last.exposure, job.exposure) <= window_s:
            yield replace(job, inputs=(*job.inputs, _plan_left(last)))
        else:
            yield job


def _plan_left(job: PlannedJob) -> PlannedInput:
    return PlannedInput(
        name=f"{job.name}_{PERSISTENCE}.asdf",
        exptype=PERSISTENCE,
        reason="what saturated pixels of the exposure before may still glow",
        producer=job.key,
    )


def _window_s(exposure: Exposure, recipe: Recipe) -> float:
    """Give how long a pixel may glow; 0 if nobody asks."""
    steps: Mapping[str, Any] = recipe.select_parameters(
        Stage.DETECTOR1, exposure.exp_type
    ).get("steps", {})
    given = steps.get("persistence", {})
    return 0 if given.get("skip", True) else float(given.get("persistence_time", 0))


def _order(job: PlannedJob) -> tuple[float, str]:
    return float(job.exposure.header.get("EXPSTART", 0)), job.name


def _gap_s(last: Exposure, exposure: Exposure) -> float:
    """Give the time between two exposures; none if it is not known."""
    end, start = last.header.get("EXPEND"), exposure.header.get("EXPSTART")
    if end is None or start is None:
        return 0
    return (float(start) - float(end)) * _DAY_S
