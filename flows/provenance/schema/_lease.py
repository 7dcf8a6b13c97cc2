"""The table `lease`."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from ._base import SQLBase

__all__ = ["SQLLease"]


class SQLLease(SQLBase):
    """The right of one orchestrator to run a program."""

    __tablename__ = "lease"

    program: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]
    host: Mapped[str]
    pid: Mapped[int]
    acquired_at: Mapped[datetime]
    expires_at: Mapped[datetime]
