"""What is kept of runs beside the store, so that the database can be made again."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from workers.contract import FileHash, Outcome, ReferenceFile

from .runs import Export, Run, RunJob, RunState

__all__ = [
    "AttemptMade",
    "Entry",
    "ExportWithdrawn",
    "JobsChanged",
    "JobsPlanned",
    "RunBegan",
    "RunEnded",
    "RunExported",
    "RunHistory",
    "RunNoted",
    "RunResolved",
    "SeenFiles",
    "SeenReferences",
]


@dataclass(frozen=True, slots=True)
class RunBegan:
    """A run began."""

    run: Run
    """As it was then."""
    kind: Literal["began"] = "began"
    """Which entry it is."""


@dataclass(frozen=True, slots=True)
class RunResolved:
    """The context of a run is known."""

    context: str
    """CRDS context."""
    kind: Literal["resolved"] = "resolved"
    """Which entry it is."""


@dataclass(frozen=True, slots=True)
class JobsPlanned:
    """All jobs of a run are known; those before are dropped."""

    jobs: tuple[RunJob, ...]
    """As planned."""
    kind: Literal["planned"] = "planned"
    """Which entry it is."""


@dataclass(frozen=True, slots=True)
class JobsChanged:
    """Jobs of a run came to something."""

    jobs: tuple[RunJob, ...]
    """What they came to."""
    kind: Literal["changed"] = "changed"
    """Which entry it is."""


@dataclass(frozen=True, slots=True)
class AttemptMade:
    """A run made an attempt."""

    attempt: str
    """Its id."""
    outcome: Outcome | None = None
    """What it left, unless that lies in the store."""
    kind: Literal["attempt"] = "attempt"
    """Which entry it is."""


@dataclass(frozen=True, slots=True)
class RunNoted:
    """A run told its user something."""

    notes: tuple[str, ...]
    """All that it told."""
    kind: Literal["noted"] = "noted"
    """Which entry it is."""


@dataclass(frozen=True, slots=True)
class RunEnded:
    """A run is over."""

    state: RunState
    """How it ended."""
    message: str | None
    """One sentence on it."""
    at: datetime
    """When; UTC."""
    kind: Literal["ended"] = "ended"
    """Which entry it is."""


@dataclass(frozen=True, slots=True)
class RunExported:
    """Products of a run are published."""

    export: Export
    """Where."""
    kind: Literal["exported"] = "exported"
    """Which entry it is."""


@dataclass(frozen=True, slots=True)
class ExportWithdrawn:
    """What was published of a run does not count any more."""

    target: str
    """Where it was."""
    kind: Literal["withdrawn"] = "withdrawn"
    """Which entry it is."""


Entry = (
    RunBegan
    | RunResolved
    | JobsPlanned
    | JobsChanged
    | AttemptMade
    | RunNoted
    | RunEnded
    | RunExported
    | ExportWithdrawn
)
"""An entry of the journal of a run."""


@dataclass(frozen=True, slots=True)
class RunHistory:
    """A run as its journal tells of it."""

    run: Run
    """How it ended; RUNNING if the journal does not say."""
    jobs: tuple[RunJob, ...]
    """What its jobs came to, by key."""
    attempts: tuple[str, ...]
    """Ids of the attempts that it made."""
    outcomes: tuple[Outcome, ...]
    """What those attempts left of which the store holds nothing."""
    last_at: datetime
    """When the last thing happened that the journal tells of; UTC."""
    exports: tuple[Export, ...] = ()
    """Where its products are published."""


@dataclass(frozen=True, slots=True)
class SeenReferences:
    """Files of a CRDS cache whose sha1 was taken."""

    crds_path: str
    """The cache."""
    files: tuple[ReferenceFile, ...]
    """The files."""
    at: datetime
    """When; UTC."""


@dataclass(frozen=True, slots=True)
class SeenFiles:
    """Raw files that were hashed."""

    files: tuple[FileHash, ...]
    """Their hashes."""
    at: datetime
    """When; UTC."""
