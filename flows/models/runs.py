"""Runs: who asked for what, how far each job is, and who may run a program."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from workers.contract import Caveat, Parameters, Stage

from .notebook import tell_fields

__all__ = [
    "UNFINISHED",
    "Export",
    "JobState",
    "Lease",
    "Run",
    "RunJob",
    "RunState",
]


class RunState(StrEnum):
    """How far a run is."""

    RUNNING = "RUNNING"
    """Its orchestrator is at work, or died and nobody has looked yet."""
    SUCCEEDED = "SUCCEEDED"
    """It came to its end and every job succeeded or was reused."""
    FAILED = "FAILED"
    """It came to its end with jobs that failed or were blocked."""
    CANCELLED = "CANCELLED"
    """Somebody stopped it."""
    INTERRUPTED = "INTERRUPTED"
    """Its orchestrator died; found by the next run of the program."""


class JobState(StrEnum):
    """How far a job of a run is."""

    DUE = "DUE"
    """It must run, or be found unchanged once its input is known."""
    RUNNING = "RUNNING"
    """It was handed to a worker."""
    SUCCEEDED = "SUCCEEDED"
    """This run made its products."""
    REUSED = "REUSED"
    """Its products were there already, and verified."""
    FAILED = "FAILED"
    """Its last attempt did not succeed and no other is planned."""
    BLOCKED = "BLOCKED"
    """A job that it needs failed."""
    NO_DATA = "NO_DATA"
    """No light falls on any detector of its science members: nothing is to be made."""
    INTERRUPTED = "INTERRUPTED"
    """It was DUE or RUNNING when the orchestrator died."""


UNFINISHED: Final = (JobState.DUE, JobState.RUNNING)
"""States of jobs that are not over."""


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a plan."""

    id: str
    """UUID."""
    program: str
    """Five digits."""
    recipe_name: str
    """Name of the recipe."""
    recipe_sha256: str
    """Hash of its text."""
    recipe_text: str
    """All that it said, with what it extends; empty if an older version ran it."""
    context: str
    """CRDS context (``jwst_NNNN.pmap``)."""
    environment: Mapping[str, str]
    """Versions of packages, Python and platform of the control plane."""
    request: Parameters
    """What was asked for, as JSON."""
    requested_by: str
    """User or schedule that asked."""
    started_at: datetime
    """UTC."""
    finished_at: datetime | None = None
    """UTC; None while it runs."""
    state: RunState = RunState.RUNNING
    """How far it is."""
    message: str | None = None
    """One sentence on its end."""
    environment_sha256: str = ""
    """All that is installed there, by its hash; empty if an older version ran it."""
    notes: tuple[str, ...] = ()
    """What it told its user besides."""

    def _repr_html_(self) -> str:
        asked = ", ".join(f"{name} {value}" for name, value in self.request.items())
        fields = {
            "program": self.program,
            "state": self.state,
            "message": self.message,
            "started": self.started_at,
            "finished": self.finished_at,
            "by": self.requested_by,
            "context": self.context,
            "recipe": self.recipe_name,
            "asked for": asked,
            "jwst": self.environment.get("jwst"),
            "notes": "; ".join(self.notes),
        }
        return tell_fields(f"run {self.id}", fields)


@dataclass(frozen=True, slots=True)
class RunJob:
    """A job as one run sees it."""

    stage: Stage
    """Its stage."""
    name: str
    """Its product name; with the stage unique in a run."""
    state: JobState
    """How far it is."""
    updated_at: datetime
    """When it came to this state; UTC."""
    why: str = ""
    """Why it is due, or why it could be reused."""
    fingerprint: str | None = None
    """None until all its inputs are known."""
    blocked_by: tuple[str, ...] = ()
    """Keys of the failed jobs that it needs."""
    caveats: tuple[Caveat, ...] = ()
    """What the plan knew of it before it ran, or although it was reused."""
    expected_s: float = 0.0
    """Wall time that it was expected to take on one core; 0 if nothing was due."""
    expected_bytes: int = 0
    """Memory that it was expected to be granted; 0 if nothing was due."""

    @property
    def key(self) -> str:
        """Its identity within a run, ``stage:name``."""
        return f"{self.stage}:{self.name}"


@dataclass(frozen=True, slots=True)
class Export:
    """Where products of a run were published; the run is kept for it."""

    target: str
    """A folder, absolute, or ``s3://bucket/prefix``."""
    kinds: tuple[str, ...]
    """Suffixes of the products that were asked for."""
    exported_at: datetime
    """When it was begun last; UTC."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right of one orchestrator to run a program."""

    program: str
    """Five digits."""
    owner: str
    """UUID of the orchestrator."""
    host: str
    """Where it runs."""
    pid: int
    """Its process."""
    acquired_at: datetime
    """UTC."""
    expires_at: datetime
    """UTC; from then on anybody may take it over."""
    cancelled_by: str | None = None
    """Who has asked the orchestrator to stop, if anybody has."""
