"""How far a run is, and how long it may still take (pure)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from workers.contract import Stage

from ..models.runs import JobState, RunJob

__all__ = ["RunProgress", "RunningJob", "find_progress"]

_OPEN = frozenset({JobState.DUE, JobState.RUNNING})


@dataclass(frozen=True, slots=True)
class RunningJob:
    """A job that is under way."""

    key: str
    """``stage:name``."""
    elapsed_s: float
    """For how long."""
    expected_s: float
    """How long it was expected to take; 0 if that is not recorded."""
    expected_bytes: int
    """Memory that it was expected to be granted; likewise."""


@dataclass(frozen=True, slots=True)
class RunProgress:
    """How far a run is."""

    counts: Mapping[Stage, Mapping[JobState, int]]
    """Jobs by stage and state."""
    running: tuple[RunningJob, ...]
    """Those that are under way, the longest first."""
    done: int
    """Jobs that are over, whatever they came to."""
    total: int
    """All jobs."""
    left_s: float | None
    """How long it may still take with as many jobs at a time as there are now, by the
    models of costs: no less than the longest job; None while none is under way, or
    where nothing is expected of a job."""


def find_progress(jobs: Sequence[RunJob], now: datetime) -> RunProgress:
    """Find how far a run is.

    Parameters
    ----------
    jobs
        All of the run.
    now
        UTC.
    """
    counts: dict[Stage, Counter[JobState]] = {}
    for job in jobs:
        counts.setdefault(job.stage, Counter())[job.state] += 1
    running = sorted(
        (
            RunningJob(
                job.key,
                max((now - job.updated_at).total_seconds(), 0.0),
                job.expected_s,
                job.expected_bytes,
            )
            for job in jobs
            if job.state is JobState.RUNNING
        ),
        key=lambda job: (-job.elapsed_s, job.key),
    )
    left = [job for job in jobs if job.state in _OPEN]
    return RunProgress(
        counts={stage: dict(states) for stage, states in counts.items()},
        running=tuple(running),
        done=len(jobs) - len(left),
        total=len(jobs),
        left_s=_find_left_s(left, running),
    )


def _find_left_s(left: Sequence[RunJob], running: Sequence[RunningJob]) -> float | None:
    if not running or not all(job.expected_s for job in left):
        return None
    passed_s = {job.key: job.elapsed_s for job in running}
    rest_s = [max(job.expected_s - passed_s.get(job.key, 0.0), 0.0) for job in left]
    return max(sum(rest_s) / len(running), *rest_s)
