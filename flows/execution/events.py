"""What the orchestrator tells whoever watches a run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flows.models.runs import JobState

__all__ = ["Listener", "Progress"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is, after something changed."""

    counts: Mapping[JobState, int]
    """Jobs by state."""
    key: str
    """The job that changed."""
    state: JobState
    """What it came to."""
    message: str
    """Why, in one line."""


Listener = Callable[[Progress], None]
"""Called in the orchestrator's thread, where it may neither wait nor raise; in a run
that is a `Notifier`, which calls others."""
