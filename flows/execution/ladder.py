"""The retry ladder: whether a job is tried again, and what it is granted then.

`LADDER` is the whole policy. Tries are counted by how they ended, so that a job that
was lost may still run out of memory as often. Nothing else tries a job again: Dask is
told not to, and what it begins again all the same ends at once
(`workers.beginnings.find_earlier_end`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from workers.contract import Outcome, Status, TimeLimits
from workers.memory import grow

__all__ = ["LADDER", "Grant", "Rung", "climb", "limit_time"]


class Grant(StrEnum):
    """What the next try is granted."""

    SAME = "SAME"
    """The same memory."""
    MORE = "MORE"
    """More memory with every try, the largest node at last; see `workers.memory`."""


@dataclass(frozen=True, slots=True)
class Rung:
    """What follows from an end of an attempt."""

    tries: int | None
    """How many attempts at a job may end so in a run before it is FAILED; None for the
    setting ``max_attempts``."""
    grant: Grant
    """What the next one is granted."""
    is_failure: bool = True
    """Whether ``max_attempts``, where it is less, is the limit."""


LADDER: Mapping[Status, Rung] = {
    # The same job would raise the same again.
    Status.FAILED: Rung(1, Grant.SAME),
    Status.OUT_OF_MEMORY: Rung(None, Grant.MORE),
    Status.LOST: Rung(None, Grant.SAME),
    # A node or a file system may have hung; a job that hangs twice hangs by itself.
    Status.TIMED_OUT: Rung(2, Grant.SAME),
    # Nobody's fault, but a cluster whose workers never stay runs nothing.
    Status.PREEMPTED: Rung(20, Grant.SAME, is_failure=False),
}
"""What follows from every end but success."""

_SLOWEST = 10
"""How many times the predicted time a job may take: nodes differ, and share disks."""

_LEAST_S = 600.0
"""What it may take beyond that: a job of seconds may wait minutes for a disk."""


def climb(
    outcome: Outcome, *, tries: int, max_attempts: int, largest_bytes: int
) -> int | None:
    """Return the grant of the next try of a job, or None when there is none.

    Parameters
    ----------
    outcome
        How the last try ended.
    tries
        Tries that ended so, the last included.
    largest_bytes
        Memory of the largest node.
    """
    rung = LADDER[outcome.status]
    most = max_attempts if rung.tries is None else rung.tries
    if rung.is_failure:
        most = min(most, max_attempts)
    if tries >= most:
        return None
    granted_bytes = outcome.usage.granted_bytes
    if rung.grant is Grant.SAME:
        return granted_bytes
    if granted_bytes >= largest_bytes:
        # Within its grant others have used the node up, which may not last.
        is_over_its_grant = outcome.usage.peak_bytes > granted_bytes
        return None if is_over_its_grant else granted_bytes
    if tries + 1 == most:
        return largest_bytes
    more = grow(granted_bytes=granted_bytes, peak_bytes=outcome.usage.peak_bytes)
    return min(more, largest_bytes)


def limit_time(*, stall_s: float, expected_s: float) -> TimeLimits:
    """Return how long an attempt may take.

    Parameters
    ----------
    stall_s
        Time without progress after which it hangs.
    expected_s
        The time that is predicted of it; 0 if nothing is.
    """
    if not expected_s:
        return TimeLimits(stall_s)
    return TimeLimits(stall_s, _SLOWEST * expected_s + _LEAST_S)
