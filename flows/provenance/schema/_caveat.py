"""The table `caveat`."""

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from ._base import FreeText, SQLBase

__all__ = ["SQLCaveat"]


class SQLCaveat(SQLBase):
    """Something that an attempt found and that a scientist must know."""

    __tablename__ = "caveat"

    attempt_id: Mapped[str] = mapped_column(ForeignKey("attempt.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str]
    message: Mapped[str] = mapped_column(FreeText)
