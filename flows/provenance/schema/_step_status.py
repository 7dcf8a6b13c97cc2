"""The table `step_status`."""

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from ._base import SQLBase

__all__ = ["SQLStepStatus"]


class SQLStepStatus(SQLBase):
    """What a product records of a step."""

    __tablename__ = "step_status"

    attempt_id: Mapped[str] = mapped_column(ForeignKey("attempt.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    step: Mapped[str]
    status: Mapped[str]
