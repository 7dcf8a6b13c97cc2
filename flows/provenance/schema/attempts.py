"""Tables of attempts: how each went, and what came of it."""

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from workers.contract import CaveatKind, Status

from ..column_types import FREE_TEXT
from .row import SQLBase

__all__ = ["SQLAttempt", "SQLCaveat", "SQLProduct", "SQLStepStatus"]


class SQLAttempt(SQLBase):
    """One try at a job."""

    __tablename__ = "attempt"

    id: Mapped[str] = mapped_column(primary_key=True)
    """UUID."""
    fingerprint: Mapped[str] = mapped_column(ForeignKey("job.fingerprint"), index=True)
    """The job."""
    run_id: Mapped[str | None] = mapped_column(ForeignKey("run.id"), index=True)
    """The run that made it; null when the database was made again from the store."""
    status: Mapped[Status]
    """SUCCEEDED, FAILED, OUT_OF_MEMORY, LOST, TIMED_OUT or PREEMPTED."""
    started_at: Mapped[datetime]
    """When it began."""
    finished_at: Mapped[datetime] = mapped_column(index=True)
    """When it ended."""
    host: Mapped[str]
    """Where it ran."""
    node: Mapped[str]
    """The Dask worker; empty of attempts before revision 0009."""
    environment_sha256: Mapped[str] = mapped_column(index=True)
    """What was installed there; empty of attempts that were lost, and before revision
    0011. No foreign key: it is in `environment` once its file was seen."""
    elapsed_s: Mapped[float]
    """Wall time, in seconds."""
    cpu_s: Mapped[float]
    """User and system time, in seconds."""
    peak_bytes: Mapped[int]
    """Largest resident memory of its processes, together."""
    granted_bytes: Mapped[int]
    """Memory that it had been granted."""
    folder: Mapped[str]
    """Where its files are, relative to the data folder."""
    error_type: Mapped[str | None]
    """Class of the exception that ended it."""
    error_message: Mapped[str | None] = mapped_column(FREE_TEXT)
    """What that said."""
    error_traceback: Mapped[str | None] = mapped_column(FREE_TEXT)
    """Where it came from."""
    content_version: Mapped[int]
    """Version of the content hash."""
    is_stored: Mapped[bool]
    """Of the successes of a job the one whose products lie in the store."""


class SQLProduct(SQLBase):
    """A file that the success of a job made which lies in the store."""

    __tablename__ = "product"

    fingerprint: Mapped[str] = mapped_column(
        ForeignKey("job.fingerprint"), primary_key=True
    )
    """The job."""
    name: Mapped[str] = mapped_column(primary_key=True, index=True)
    """Canonical JWST file name."""
    attempt_id: Mapped[str] = mapped_column(ForeignKey("attempt.id"), index=True)
    """The attempt that made it."""
    size_bytes: Mapped[int]
    """Its size."""
    mtime_ns: Mapped[int]
    """Its time of last modification when it was looked at last."""
    sha256: Mapped[str] = mapped_column(index=True)
    """Hash of its bytes."""
    content_sha256: Mapped[str]
    """Hash of pixels and science metadata."""
    pixels_sha256: Mapped[str]
    """Hash of its data; empty if it has none, or was made before revision 0005."""


class SQLStepStatus(SQLBase):
    """What a product records of a step."""

    __tablename__ = "step_status"

    attempt_id: Mapped[str] = mapped_column(ForeignKey("attempt.id"), primary_key=True)
    """The attempt."""
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Order, from 0."""
    step: Mapped[str]
    """Name below `meta.cal_step`."""
    status: Mapped[str]
    """COMPLETE, SKIPPED or FAILED."""


class SQLCaveat(SQLBase):
    """Something that an attempt found and that a scientist must know."""

    __tablename__ = "caveat"

    attempt_id: Mapped[str] = mapped_column(ForeignKey("attempt.id"), primary_key=True)
    """The attempt."""
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Order, from 0."""
    kind: Mapped[CaveatKind] = mapped_column(index=True)
    """Which of the known caveats."""
    message: Mapped[str] = mapped_column(FREE_TEXT)
    """One sentence: what, and of which product."""
