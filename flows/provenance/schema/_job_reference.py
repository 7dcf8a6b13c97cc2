"""The table `job_reference`."""

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from ._base import SQLBase

__all__ = ["SQLJobReference"]


class SQLJobReference(SQLBase):
    """A reference, parameter reference or mapping that decides a job."""

    __tablename__ = "job_reference"

    fingerprint: Mapped[str] = mapped_column(
        ForeignKey("job.fingerprint"), primary_key=True
    )
    kind: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    # Empty for mappings.
    reftype: Mapped[str]
    # The name and what follows are null where the rules say N/A.
    name: Mapped[str | None] = mapped_column(index=True)
    sha1: Mapped[str | None]
    size_bytes: Mapped[int | None]
    mtime_ns: Mapped[int | None]
