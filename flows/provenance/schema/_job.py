"""The table `job`."""

from collections.abc import Mapping

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from workers.contract import Parameters

from ._base import JsonText, SQLBase

__all__ = ["SQLJob"]


class SQLJob(SQLBase):
    """One stage over one exposure or association, once it was attempted."""

    __tablename__ = "job"
    __table_args__ = (Index(None, "stage", "name"),)

    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    stage: Mapped[str]
    name: Mapped[str]
    program: Mapped[str] = mapped_column(index=True)
    exp_type: Mapped[str]
    context: Mapped[str]
    parameters: Mapped[Parameters] = mapped_column(JsonText)
    overrides: Mapped[Parameters] = mapped_column(JsonText)
    association: Mapped[str | None]
    association_name: Mapped[str | None]
    versions: Mapped[Mapping[str, str]] = mapped_column(JsonText)
    crds_path: Mapped[str]
