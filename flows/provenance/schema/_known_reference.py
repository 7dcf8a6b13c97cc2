"""The table `known_reference`."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from ._base import SQLBase

__all__ = ["SQLKnownReference"]


class SQLKnownReference(SQLBase):
    """A file of a CRDS cache whose sha1 was taken."""

    __tablename__ = "known_reference"

    # Size and time are those of one cache; the sha1 is the same in all.
    crds_path: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True, index=True)
    sha1: Mapped[str]
    size_bytes: Mapped[int]
    mtime_ns: Mapped[int]
    first_seen_at: Mapped[datetime]
