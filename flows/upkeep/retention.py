"""Retention: which products a policy removes. Pure.

A run that is kept stays whole, with all that its products were made of. What no
recorded run has is left: its run may be of a database that was lost.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Final

from workers.contract import Stage

from ..models.retention import KeptJob, KeptRun, Policy, Removal, Selection
from ..models.runs import RunState

__all__ = ["list_kept_runs", "list_needed", "select"]

_FIRST: Final = tuple(Stage)
"""Stages in the order in which their products are removed."""


def select(
    runs: Iterable[KeptRun],
    jobs: Iterable[KeptJob],
    policy: Policy,
    *,
    stored: Collection[str],
) -> Selection:
    """Select what a policy removes.

    Parameters
    ----------
    stored
        The jobs whose products are in the store.
    """
    all_runs, by_key = [*runs], {job.fingerprint: job for job in jobs}
    kept = list_kept_runs(all_runs, policy)
    needed = list_needed(kept, by_key)
    claimed = frozenset().union(*(run.jobs for run in all_runs))
    here = [job for job in by_key.values() if job.fingerprint in stored]
    chosen = [
        job
        for job in here
        if job.fingerprint in claimed - needed and _is_of(job, policy)
    ]
    chosen.sort(key=lambda job: (_FIRST.index(job.stage), job.program, job.name))
    return Selection(
        removals=tuple(map(_to_removal, chosen)),
        kept_runs=tuple(one.run.id for one in kept),
        unclaimed=sum(job.fingerprint not in claimed for job in here),
    )


def list_kept_runs(runs: Iterable[KeptRun], policy: Policy) -> list[KeptRun]:
    """List the runs that stay whole: the newest, named, published or under way."""
    by_program = defaultdict[str, list[KeptRun]](list)
    for one in sorted(runs, key=lambda one: one.run.started_at, reverse=True):
        by_program[one.run.program].append(one)
    return [run for of in by_program.values() for run in _keep_newest(of, policy)]


def _keep_newest(runs: Sequence[KeptRun], policy: Policy) -> Iterable[KeptRun]:
    """Go through the runs of a program, the newest first."""
    successes = 0
    for one in runs:
        is_new = successes < policy.runs
        is_wanted = one.tags or one.is_published or one.run.state is RunState.RUNNING
        if is_new or is_wanted:
            yield one
        successes += one.run.state is RunState.SUCCEEDED


def list_needed(kept: Iterable[KeptRun], jobs: Mapping[str, KeptJob]) -> frozenset[str]:
    """List the jobs of runs, and those that made what they read, by fingerprint."""
    needed: set[str] = set()
    due = {key for one in kept for key in one.jobs}
    while due:
        needed |= due
        makers = (jobs[key].makers for key in due if key in jobs)
        due = {maker for each in makers for maker in each} - needed
    return frozenset(needed)


def _is_of(job: KeptJob, policy: Policy) -> bool:
    if policy.programs and job.program not in policy.programs:
        return False
    kinds = {PurePath(name).stem.rpartition("_")[2] for name in job.products}
    return bool(kinds) and (not policy.kinds or kinds <= policy.kinds)


def _to_removal(job: KeptJob) -> Removal:
    return Removal(
        fingerprint=job.fingerprint,
        key=f"{job.stage}:{job.name}",
        program=job.program,
        products=tuple(sorted(job.products)),
        size_bytes=sum(job.products.values()),
    )
