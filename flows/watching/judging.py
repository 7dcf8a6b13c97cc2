"""Which programs need a run in another context or under another jwst, job by job."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from config.errors import ConfigError
from config.recipe import load_recipe
from config.settings import Settings
from workers.errors import WorkerError

from ..errors import RewebbError
from ..factory import open_records
from ..planning import Cause
from ..run import (
    RecordedProgram,
    Request,
    Shared,
    StaleProgram,
    find_recorded,
    judge_only,
)
from .decide import Candidate, Cost

__all__ = ["judge"]


def judge(
    settings: Settings,
    candidates: Iterable[Candidate],
    *,
    shared: Shared,
    tell: Callable[[str], object] = lambda _: None,
) -> list[Candidate]:
    """Judge the programs that were run, and of which neither files nor recipe changed.

    What is due of them, and so what a run costs, is what `rewebb stale` says. One that
    cannot be judged is run, and says why.

    Parameters
    ----------
    shared
        Opens the cluster, where what workers would say is not remembered.
    tell
        Told, by its id, that a program is judged.
    """
    return [
        _judge(one, settings, shared, tell) if _is_elsewhere(one) else one
        for one in candidates
    ]


def _is_elsewhere(candidate: Candidate) -> bool:
    """Return whether nothing but the context or jwst may have changed."""
    now, done = candidate.basis, candidate.done
    if done is None or candidate.is_under_way or now == done:
        return False
    return (now.content, now.recipe) == (done.content, done.recipe)


def _judge(
    candidate: Candidate,
    settings: Settings,
    shared: Shared,
    tell: Callable[[str], object],
) -> Candidate:
    tell(candidate.program)
    try:
        recorded = _find_recorded(candidate, settings)
        if recorded is None:
            return candidate
        stale = judge_only(settings, recorded, shared=shared)
    except (RewebbError, ConfigError, WorkerError) as error:
        return replace(candidate, stale=(f"it could not be judged: {error}",))
    cost = Cost(stale.cost.jobs, stale.cost.cpu_s, stale.cost.disk_bytes)
    return replace(candidate, stale=tuple(_count_reasons(stale)), cost=cost)


def _find_recorded(candidate: Candidate, settings: Settings) -> RecordedProgram | None:
    name = load_recipe(candidate.recipe).name
    with open_records(settings) as database:
        recorded = find_recorded(database, candidate.program, recipe=name)
    wanted = Request(
        candidate.program,
        candidate.observations,
        candidate.recipe,
        policy=candidate.policy,
    )
    return None if recorded is None else replace(recorded, request=wanted)


def _count_reasons(stale: StaleProgram) -> Iterator[str]:
    """List why jobs are due, the most frequent reason first."""
    due = [job for job in stale.jobs if job.is_due]
    texts = Counter(
        text
        for job in due
        for text in [
            *(each.text for each in job.reasons if each.kind is not Cause.UPSTREAM),
            *([] if job.reasons else [job.why]),
        ]
    )
    for text, count in texts.most_common():
        yield f"{text} ({count} jobs)" if count > 1 else text
