"""The table `attempt`."""

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from ._base import FreeText, SQLBase

__all__ = ["SQLAttempt"]


class SQLAttempt(SQLBase):
    """One try at a job."""

    __tablename__ = "attempt"

    id: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str] = mapped_column(ForeignKey("job.fingerprint"), index=True)
    run_id: Mapped[str | None] = mapped_column(ForeignKey("run.id"), index=True)
    status: Mapped[str]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime]
    host: Mapped[str]
    elapsed_s: Mapped[float]
    cpu_s: Mapped[float]
    peak_bytes: Mapped[int]
    granted_bytes: Mapped[int]
    folder: Mapped[str]
    error_type: Mapped[str | None]
    error_message: Mapped[str | None] = mapped_column(FreeText)
    error_traceback: Mapped[str | None] = mapped_column(FreeText)
    content_version: Mapped[int]
    # Of the successes of a job the one whose products lie in the store.
    is_stored: Mapped[bool]
