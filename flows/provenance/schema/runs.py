"""Tables of runs: who asked for what, in which recipe, and how far each job is."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from workers.contract import Caveat, Parameters, Stage

from ...models.runs import JobState, RunState
from ..column_types import FREE_TEXT
from .row import SQLBase

__all__ = ["SQLLease", "SQLRecipe", "SQLRun", "SQLRunExport", "SQLRunJob", "SQLRunNote"]


class SQLRecipe(SQLBase):
    """What a recipe said, with all that it extended."""

    __tablename__ = "recipe"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    """Hash of its text."""
    text: Mapped[str]
    """Its text, as TOML; empty if only runs before revision 0006 used it."""


class SQLRun(SQLBase):
    """One execution of a plan."""

    __tablename__ = "run"

    id: Mapped[str] = mapped_column(primary_key=True)
    """UUID."""
    program: Mapped[str] = mapped_column(index=True)
    """Five digits."""
    recipe_name: Mapped[str]
    """Name of the recipe, which does not say which version."""
    recipe_sha256: Mapped[str] = mapped_column(ForeignKey("recipe.sha256"), index=True)
    """The recipe, as it was then."""
    context: Mapped[str]
    """CRDS context; `not resolved` if it did not come so far."""
    environment: Mapped[Mapping[str, str]]
    """The control plane in short, as JSON: versions of packages, Python, host."""
    environment_sha256: Mapped[str] = mapped_column(index=True)
    """All of it, in `environment`; empty of runs before revision 0011."""
    request: Mapped[Parameters]
    """What was asked for, as JSON."""
    requested_by: Mapped[str]
    """User or schedule that asked."""
    started_at: Mapped[datetime] = mapped_column(index=True)
    """When it began."""
    finished_at: Mapped[datetime | None]
    """When it ended; null while it runs."""
    state: Mapped[RunState]
    """How far it is: RUNNING, SUCCEEDED, FAILED, CANCELLED, INTERRUPTED."""
    message: Mapped[str | None] = mapped_column(FREE_TEXT)
    """One sentence on its end."""


class SQLRunNote(SQLBase):
    """Something that a run told its user."""

    __tablename__ = "run_note"

    run_id: Mapped[str] = mapped_column(ForeignKey("run.id"), primary_key=True)
    """The run."""
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Order, from 0."""
    text: Mapped[str] = mapped_column(FREE_TEXT)
    """What it told."""


class SQLRunExport(SQLBase):
    """Where products of a run are published: `rewebb gc` keeps the run for it."""

    __tablename__ = "run_export"

    run_id: Mapped[str] = mapped_column(ForeignKey("run.id"), primary_key=True)
    """The run."""
    target: Mapped[str] = mapped_column(primary_key=True)
    """A folder, absolute, or `s3://bucket/prefix`."""
    kinds: Mapped[tuple[str, ...]]
    """Suffixes of the products that were asked for, as JSON."""
    exported_at: Mapped[datetime]
    """When it was begun last."""


class SQLRunJob(SQLBase):
    """A job as one run sees it."""

    __tablename__ = "run_job"

    run_id: Mapped[str] = mapped_column(ForeignKey("run.id"), primary_key=True)
    """The run."""
    key: Mapped[str] = mapped_column(primary_key=True)
    """`stage:name`."""
    stage: Mapped[Stage]
    """Stage of the job."""
    name: Mapped[str]
    """Product name of the job."""
    fingerprint: Mapped[str | None] = mapped_column(index=True)
    """The job, once all its inputs are known. It has a row in `job` once it was
    attempted, hence no foreign key."""
    state: Mapped[JobState]
    """How far it is: DUE, RUNNING, SUCCEEDED, REUSED, FAILED, BLOCKED, ..."""
    why: Mapped[str] = mapped_column(FREE_TEXT)
    """Why it is due, or why it could be reused."""
    blocked_by: Mapped[tuple[str, ...]]
    """Keys of the failed jobs that it needs, as JSON."""
    caveats: Mapped[tuple[Caveat, ...]]
    """What the plan knew before, whoever made the products: pairs of kind and
    message, as JSON."""
    updated_at: Mapped[datetime]
    """When it came to this state."""
    expected_s: Mapped[float] = mapped_column(server_default="0")
    """Wall time that it was expected to take on one core; 0 if nothing was due, or an
    older version planned it."""
    expected_bytes: Mapped[int] = mapped_column(server_default="0")
    """Memory that it was expected to be granted; likewise."""


class SQLLease(SQLBase):
    """The right of one orchestrator to run a program."""

    __tablename__ = "lease"

    program: Mapped[str] = mapped_column(primary_key=True)
    """Five digits."""
    owner: Mapped[str]
    """UUID of the orchestrator."""
    host: Mapped[str]
    """Where it runs."""
    pid: Mapped[int]
    """Its process."""
    acquired_at: Mapped[datetime]
    """When it took it."""
    expires_at: Mapped[datetime]
    """From then on anybody may take it over."""
    cancelled_by: Mapped[str | None] = mapped_column(FREE_TEXT)
    """Who has asked the orchestrator to stop, if anybody has."""
