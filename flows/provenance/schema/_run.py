"""The table `run`."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from workers.contract import Parameters

from ._base import FreeText, JsonText, SQLBase

__all__ = ["SQLRun"]


class SQLRun(SQLBase):
    """One execution of a plan."""

    __tablename__ = "run"

    id: Mapped[str] = mapped_column(primary_key=True)
    program: Mapped[str] = mapped_column(index=True)
    recipe_name: Mapped[str]
    recipe_sha256: Mapped[str]
    context: Mapped[str]
    environment: Mapped[Mapping[str, str]] = mapped_column(JsonText)
    request: Mapped[Parameters] = mapped_column(JsonText)
    requested_by: Mapped[str]
    started_at: Mapped[datetime] = mapped_column(index=True)
    finished_at: Mapped[datetime | None]
    state: Mapped[str]
    message: Mapped[str | None] = mapped_column(FreeText)
