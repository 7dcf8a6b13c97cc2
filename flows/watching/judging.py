"""Which programs need a run in another context or under another jwst, job by job."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from config.errors import ConfigError
from config.recipe import load_recipe
from config.settings import Settings
from workers.errors import WorkerError

from ..errors import RewebbError
from ..factory import find_crds_cache, open_records
from ..planning import Cause
from ..run import (
    CrdsFolder,
    RecordedProgram,
    Request,
    Shared,
    StaleProgram,
    find_recorded,
    has_same_rules,
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

    What is due of them, and so what a run costs, is what `rewebb stale` says. Where
    another context has the rules that were used, nothing is: mappings tell it alone.
    One that cannot be judged is run, and says why.

    Parameters
    ----------
    shared
        Opens the cluster, where what workers would say is not remembered.
    tell
        Told, by its id, that a program is judged.
    """
    folder = CrdsFolder(find_crds_cache(settings), ())
    return [
        _judge(one, settings, shared, folder, tell) if _is_elsewhere(one) else one
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
    folder: CrdsFolder,
    tell: Callable[[str], object],
) -> Candidate:
    try:
        recorded, is_same = _find_recorded(candidate, settings, folder)
        if recorded is None:
            return candidate
        if is_same:
            return replace(candidate, stale=(), cost=Cost())
        tell(candidate.program)
        stale = judge_only(settings, recorded, shared=shared)
    except (RewebbError, ConfigError, WorkerError) as error:
        return replace(candidate, stale=(f"it could not be judged: {error}",))
    cost = Cost(stale.cost.jobs, stale.cost.cpu_s, stale.cost.disk_bytes)
    return replace(candidate, stale=tuple(_count_reasons(stale)), cost=cost)


def _find_recorded(
    candidate: Candidate, settings: Settings, folder: CrdsFolder
) -> tuple[RecordedProgram | None, bool]:
    """Find what is recorded, and whether nothing that selects references differs."""
    name = load_recipe(candidate.recipe).name
    now, done = candidate.basis, candidate.done
    with open_records(settings) as database:
        recorded = find_recorded(database, candidate.program, recipe=name)
        is_same = (
            recorded is not None
            and done is not None
            and now.jwst == done.jwst
            and has_same_rules(recorded, now.context, database=database, folder=folder)
        )
    wanted = Request(
        candidate.program,
        candidate.observations,
        candidate.recipe,
        policy=candidate.policy,
    )
    return (replace(recorded, request=wanted) if recorded else None), is_same


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
