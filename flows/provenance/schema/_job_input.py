"""The table `job_input`."""

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from ._base import SQLBase

__all__ = ["SQLJobInput"]


class SQLJobInput(SQLBase):
    """A file that a job reads."""

    __tablename__ = "job_input"

    fingerprint: Mapped[str] = mapped_column(
        ForeignKey("job.fingerprint"), primary_key=True
    )
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(index=True)
    path: Mapped[str]
    exptype: Mapped[str]
    reason: Mapped[str]
    # Equal to the hash of the product that it is, which makes the lineage.
    sha256: Mapped[str] = mapped_column(index=True)
    content_sha256: Mapped[str]
