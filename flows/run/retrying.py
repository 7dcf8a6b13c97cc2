"""What of a run is worth to be tried again, and as which request."""

import builtins
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from workers.contract import Outcome, Stage, Status

from ..errors import RunStateError
from ..models.runs import JobState, Run, RunJob, RunState
from ..provenance import Database
from .program import Request
from .record import NOT_RESOLVED

__all__ = ["Retry", "find_last_ends", "plan_retry"]

_NOT_DONE: Final = frozenset(
    {JobState.FAILED, JobState.BLOCKED, JobState.INTERRUPTED, JobState.DUE}
)

_FROM_OUTSIDE: Final = frozenset(
    {
        *("CrdsCacheError", "ReferenceMissingError", "ReferenceChangedError"),
        *("InputChangedError", "VersionMismatchError", "ProcessorError"),
        *("OutcomeError", "TransferError"),
        *(
            name
            for name, value in vars(builtins).items()
            if isinstance(value, type) and issubclass(value, OSError)
        ),
    }
)
"""Types of errors whose cause is outside of the job: another try may come to more."""


@dataclass(frozen=True, slots=True)
class Retry:
    """What is tried again of a run."""

    request: Request
    """What to ask for."""
    left_out: tuple[str, ...]
    """Jobs that would fail again, each with why."""


def find_last_ends(database: Database, jobs: Iterable[RunJob]) -> Mapping[str, Outcome]:
    """Find how the jobs ended that failed, by key; not those that never began."""
    failed = [j for j in jobs if j.state is JobState.FAILED and j.fingerprint]
    found: dict[str, Outcome] = {}
    for job in failed:
        record = database.jobs.find_jobs(job.fingerprint or "")
        if record:
            *_, newest = database.jobs.get_job(job.fingerprint or "").attempts
            found[job.key] = newest.outcome
    return found


def plan_retry(
    run: Run,
    jobs: Sequence[RunJob],
    ends: Mapping[str, Outcome],
    *,
    wanted: Sequence[str] = (),
) -> Retry:
    """Decide what of a run is tried again.

    Parameters
    ----------
    jobs
        Those of the run.
    ends
        How those that failed ended, by key.
    wanted
        Keys or names of the only jobs that are wanted; all that are not done by
        default. What was blocked by them alone is tried with them.

    Raises
    ------
    RunStateError
        It cannot help, or there is nothing to try again.
    """
    _refuse_state(run, jobs)
    if not jobs:  # it ended before it had any
        return Retry(_make_request(run, ()), ())
    states = {job.key: job.state for job in jobs}
    undone = {job.key: job for job in jobs if job.state in _NOT_DONE}
    named = _find_named(run, states, wanted)
    asked = _with_blocked(undone, named) if wanted else set(undone)
    hopeless = _find_hopeless(undone, ends)
    kept = sorted(asked - hopeless.keys())
    left_out = tuple(
        f"{key}: {hopeless[key]}" for key in sorted(asked & hopeless.keys())
    )
    if not kept or not hopeless.keys().isdisjoint(named):
        raise RunStateError(
            f"To try again cannot help the run {run.id}: {'; '.join(left_out)}. Change "
            "the recipe, the context or the software; `rewebb run` tries all that is "
            "due."
        )
    return Retry(_make_request(run, kept), left_out)


def _refuse_state(run: Run, jobs: Sequence[RunJob]) -> None:
    if run.state is RunState.RUNNING:
        raise RunStateError(
            f"The run {run.id} of program {run.program} is still RUNNING: wait for its "
            f"end, or `rewebb cancel {run.id[:8]}` it; if its process has vanished, "
            f"`rewebb run {run.program}` goes on."
        )
    if run.state is RunState.SUCCEEDED or (
        jobs and not any(job.state in _NOT_DONE for job in jobs)
    ):
        raise RunStateError(
            f"Nothing failed or was blocked in the run {run.id} of program "
            f"{run.program}, which is {run.state}: there is nothing to try again."
        )


def _find_named(
    run: Run, states: Mapping[str, JobState], wanted: Iterable[str]
) -> set[str]:
    """Find the keys of the jobs that are named.

    Raises
    ------
    RunStateError
        One is not a job of the run, or is done.
    """
    named: set[str] = set()
    for name in wanted:
        found = [key for key in states if name in {key, key.partition(":")[2]}]
        undone = [key for key in found if states[key] in _NOT_DONE]
        if not found:
            raise RunStateError(
                f"The run {run.id} has no job {name}; see `rewebb status {run.id[:8]}`."
            )
        if not undone:
            said = ", ".join(f"{key} is {states[key]}" for key in found)
            raise RunStateError(f"There is nothing to try again: {said}.")
        named.update(undone)
    return named


def _with_blocked(undone: Mapping[str, RunJob], named: Collection[str]) -> set[str]:
    """Add what was blocked by these jobs alone."""
    asked = set(named)
    grows = True
    while grows:
        more = {
            key
            for key, job in undone.items()
            if job.blocked_by and asked.issuperset(job.blocked_by)
        }
        grows = not more <= asked
        asked |= more
    return asked


def _find_hopeless(
    undone: Mapping[str, RunJob], ends: Mapping[str, Outcome]
) -> Mapping[str, str]:
    """Find the jobs that would fail again, or need one that would, with why."""
    hopeless = {
        key: f"it raised {end.error.type} ({end.error.message}), as it would again"
        for key, end in ends.items()
        if end.error is not None and not _can_help(end)
    }
    grows = True
    while grows:
        more = {
            key: f"it needs {', '.join(sorted(hopeless.keys() & job.blocked_by))}"
            for key, job in undone.items()
            if key not in hopeless and hopeless.keys() & job.blocked_by
        }
        grows = bool(more)
        hopeless |= more
    return hopeless


def _can_help(end: Outcome) -> bool:
    """Whether another try of the same job may come to more."""
    if end.status is not Status.FAILED or end.error is None:
        return True
    return end.error.type in _FROM_OUTSIDE


def _make_request(run: Run, keys: Sequence[str]) -> Request:
    asked: Mapping[str, Any] = run.request
    return Request(
        run.program,
        tuple(asked.get("observations", ())),
        asked.get("recipe", run.recipe_name),
        asked.get("context") if run.context == NOT_RESOLVED else run.context,
        bool(asked.get("allow_partial")),
        Stage(asked.get("start_at", Stage.DETECTOR1)),
        tuple(keys),
        run.id,
        force=bool(asked.get("force")),
        policy=asked.get("policy") or {},
        only_stage=None if keys else _find_stage(asked.get("only_stage")),
    )


def _find_stage(name: str | None) -> Stage | None:
    return Stage(name) if name else None
