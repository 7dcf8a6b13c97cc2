"""The retry ladder: what the next try of a job is granted, if there is one."""

from workers.contract import Outcome, Status
from workers.memory import grow

__all__ = ["climb"]


def climb(
    outcome: Outcome, *, tries: int, max_attempts: int, largest_bytes: int
) -> int | None:
    """Return the grant of the next try of a job, or None when there is none.

    Memory grows with every try that ran out of it, and the last of them gets the
    largest node. A job that was lost with its worker is granted the same again.

    Parameters
    ----------
    outcome
        How the last try ended.
    tries
        Tries that ended so, the last included; of each kind `max_attempts` are made.
    largest_bytes
        Memory of the largest node.
    """
    granted_bytes = outcome.usage.granted_bytes
    if tries >= max_attempts:
        return None
    if outcome.status is Status.LOST:
        return granted_bytes
    if outcome.status is not Status.OUT_OF_MEMORY:
        return None
    if granted_bytes >= largest_bytes:
        # Within its grant others have used the node up, which may not last.
        is_over_its_grant = outcome.usage.peak_bytes > granted_bytes
        return None if is_over_its_grant else granted_bytes
    if tries + 1 == max_attempts:
        return largest_bytes
    more = grow(granted_bytes=granted_bytes, peak_bytes=outcome.usage.peak_bytes)
    return min(more, largest_bytes)
