"""The table `fetched_file`."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from ._base import JsonText, SQLBase

__all__ = ["SQLFetchedFile"]


class SQLFetchedFile(SQLBase):
    """One version of a file of an archive, as it was fetched."""

    __tablename__ = "fetched_file"

    # Relative to the data folder; with the name unique in it.
    folder: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True, index=True)
    program: Mapped[str] = mapped_column(index=True)
    version: Mapped[int]
    source: Mapped[str]
    uri: Mapped[str]
    size_bytes: Mapped[int]
    mtime_ns: Mapped[int]
    # Equal to that of the job inputs that it is, which makes the lineage.
    sha256: Mapped[str] = mapped_column(index=True)
    entity: Mapped[str | None]
    modified: Mapped[str | None]
    fetched_at: Mapped[datetime]
    checks: Mapped[Sequence[str]] = mapped_column(JsonText)
