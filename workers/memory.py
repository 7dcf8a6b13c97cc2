"""How much memory a job needs, by what attempts at it took.

What a job is expected to take before any attempt is in `flows.planning.costs`.
"""

from collections.abc import Iterable

from .contract import Status, Usage

__all__ = ["MARGIN", "grow", "learn_bytes"]

MARGIN = 1.2
"""What is granted to a job over the peak that was seen of it, or that is expected: the
same job on the same data peaks within a few percent, on other nodes and with other
references more apart."""

_FACTOR = 2
"""How much more a job is granted that ran out of memory."""


def grow(*, granted_bytes: int, peak_bytes: int) -> int:
    """Return what a job needs that ran out of memory, with what it reached by then."""
    return max(_FACTOR * granted_bytes, int(MARGIN * peak_bytes))


def learn_bytes(attempts: Iterable[tuple[Status, Usage]]) -> int:
    """Return what the attempts at a job say that it needs; 0 when they say nothing.

    They are the newest first; those before the newest success say nothing new.
    """
    needed = 0
    for status, usage in attempts:
        granted_bytes, peak_bytes = usage.granted_bytes, usage.peak_bytes
        if status is Status.SUCCEEDED:
            return max(needed, int(MARGIN * peak_bytes))
        if status is Status.OUT_OF_MEMORY:
            more = grow(granted_bytes=granted_bytes, peak_bytes=peak_bytes)
            needed = max(needed, more)
    return needed
