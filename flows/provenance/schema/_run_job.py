"""The table `run_job`."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from ._base import FreeText, JsonText, SQLBase

__all__ = ["SQLRunJob"]


class SQLRunJob(SQLBase):
    """A job as one run sees it."""

    __tablename__ = "run_job"

    run_id: Mapped[str] = mapped_column(ForeignKey("run.id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    stage: Mapped[str]
    name: Mapped[str]
    # No foreign key: a job has a row of its own only once it was attempted.
    fingerprint: Mapped[str | None] = mapped_column(index=True)
    state: Mapped[str]
    why: Mapped[str] = mapped_column(FreeText)
    blocked_by: Mapped[Sequence[str]] = mapped_column(JsonText)
    # Pairs of kind and message: what the plan knew, whoever made the products.
    caveats: Mapped[Sequence[Sequence[str]]] = mapped_column(JsonText)
    updated_at: Mapped[datetime]
