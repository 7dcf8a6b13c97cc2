"""Listings: what is recorded, counted, for who looks around."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from workers.contract import Stage

from .runs import JobState, Run

__all__ = ["ListedObservation", "ListedProgram", "RunCounts", "SkyPlace"]


@dataclass(frozen=True, slots=True)
class ListedProgram:
    """A program of which something is recorded."""

    program: str
    """Five digits."""
    title: str
    """As in the proposal; empty if it is not known."""
    investigator: str
    """Principal investigator, likewise."""
    runs: int
    """How many runs are recorded."""
    last: Run
    """The newest of them."""


@dataclass(frozen=True, slots=True)
class ListedObservation:
    """An observation, or a candidate of several, of which jobs were attempted."""

    id: str
    """``o007`` of an observation, ``c1001`` of a candidate."""
    jobs: Mapping[Stage, int]
    """Names of jobs, counted by stage."""
    exp_types: tuple[str, ...]
    """EXP_TYPE of their science."""


@dataclass(frozen=True, slots=True)
class RunCounts:
    """How far the jobs of a run are."""

    states: Mapping[Stage, Mapping[JobState, int]]
    """How many jobs are in a state, by stage."""
    elapsed_s: Mapping[Stage, float]
    """What its attempts that succeeded took on average, in s, by stage."""
    updated_at: datetime | None
    """When a job came to its state last; UTC."""

    def count(self, *states: JobState) -> int:
        """Count the jobs in one of some states; all without any."""
        return sum(
            number
            for counts in self.states.values()
            for state, number in counts.items()
            if not states or state in states
        )


@dataclass(frozen=True, slots=True)
class SkyPlace:
    """A place on the sky of which there are products."""

    program: str
    """Five digits."""
    target: str
    """Name of the target."""
    ra_deg: float
    """Right ascension (ICRS), on average."""
    dec_deg: float
    """Declination, likewise."""
    products: int
    """How many there are."""
