"""Tables of files: what was fetched, and hashes that hold while size and time stand."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from .row import SQLBase

__all__ = ["SQLFetchedFile", "SQLKnownFile", "SQLKnownReference", "SQLRawContent"]


class SQLRawContent(SQLBase):
    """The content of a raw file, in parts; the file itself may be gone."""

    __tablename__ = "raw_content"

    content_sha256: Mapped[str] = mapped_column(primary_key=True)
    """Hash of pixels and science metadata."""
    pixels_sha256: Mapped[str]
    """Hash of its data."""
    cards: Mapped[Mapping[str, str]]
    """Cards of its primary header that the content holds, as JSON."""


class SQLKnownFile(SQLBase):
    """The hashes of a raw file, and the state of the file that they hold for."""

    __tablename__ = "known_file"

    path: Mapped[str] = mapped_column(primary_key=True)
    """The file."""
    size_bytes: Mapped[int]
    """Its size."""
    mtime_ns: Mapped[int]
    """Its time of last modification."""
    sha256: Mapped[str]
    """Hash of its bytes."""
    content_sha256: Mapped[str]
    """Hash of pixels and science metadata."""
    content_version: Mapped[int]
    """Version of the content hash: one of another version says nothing."""


class SQLKnownReference(SQLBase):
    """A file of a CRDS cache whose sha1 was taken."""

    __tablename__ = "known_reference"

    crds_path: Mapped[str] = mapped_column(primary_key=True)
    """The cache: size and time are those in it, the sha1 is the same in all."""
    name: Mapped[str] = mapped_column(primary_key=True, index=True)
    """Bare file name."""
    sha1: Mapped[str]
    """SHA-1 of its bytes."""
    size_bytes: Mapped[int]
    """Its size."""
    mtime_ns: Mapped[int]
    """Its time of last modification."""
    first_seen_at: Mapped[datetime]
    """When it was met first."""


class SQLFetchedFile(SQLBase):
    """One version of a file of an archive, as it was fetched."""

    __tablename__ = "fetched_file"

    folder: Mapped[str] = mapped_column(primary_key=True)
    """Where it is, relative to the data folder."""
    name: Mapped[str] = mapped_column(primary_key=True, index=True)
    """Bare file name."""
    program: Mapped[str] = mapped_column(index=True)
    """Five digits."""
    version: Mapped[int]
    """Number of the version, from 1."""
    source: Mapped[str]
    """The archive."""
    uri: Mapped[str]
    """Its name there."""
    size_bytes: Mapped[int]
    """Its size."""
    mtime_ns: Mapped[int]
    """Its time of last modification here."""
    sha256: Mapped[str] = mapped_column(index=True)
    """Hash of its bytes, equal to that of the job inputs that it is."""
    entity: Mapped[str | None]
    """What the archive calls these bytes (ETag)."""
    modified: Mapped[str | None]
    """When the archive says that they changed."""
    fetched_at: Mapped[datetime]
    """When it was fetched."""
    checks: Mapped[tuple[str, ...]]
    """What was verified, as JSON."""
