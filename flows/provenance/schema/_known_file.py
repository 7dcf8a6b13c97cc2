"""The table `known_file`."""

from sqlalchemy.orm import Mapped, mapped_column

from ._base import SQLBase

__all__ = ["SQLKnownFile"]


class SQLKnownFile(SQLBase):
    """The hashes of a raw file, and the state of the file that they hold for."""

    __tablename__ = "known_file"

    path: Mapped[str] = mapped_column(primary_key=True)
    size_bytes: Mapped[int]
    mtime_ns: Mapped[int]
    sha256: Mapped[str]
    content_sha256: Mapped[str]
    # Version of the content hash: one of another version says nothing.
    content_version: Mapped[int]
