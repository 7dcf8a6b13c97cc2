"""Files: what was fetched, and hashes that hold while size and time stand."""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import cast

from sqlalchemy import Table, bindparam, select, update
from sqlalchemy.orm import Session

from workers.contract import CONTENT_VERSION, FileHash, ReferenceFile

from ..errors import DatabaseError
from ..models.exposures import FetchedFile
from ..models.records import SeenFiles, SeenReferences
from .insertion import upsert
from .records import Records
from .rows import to_record, to_records, to_values
from .schema import (
    SQLExposure,
    SQLFetchedFile,
    SQLKnownFile,
    SQLKnownReference,
    SQLRawContent,
)
from .sessions import Sessions, Tables, reads, select_in

__all__ = ["Files"]

_EXPOSURES = cast("Table", SQLExposure.__table__)

_HASH_EXPOSURES = (
    update(_EXPOSURES)
    .where(_EXPOSURES.c.path == bindparam("of_path"))
    .where(_EXPOSURES.c.size_bytes == bindparam("of_size"))
    .where(_EXPOSURES.c.mtime_ns == bindparam("of_mtime"))
    .values(sha256=bindparam("to_sha256"))
)
"""Adds the hash of a raw file to its exposure."""


class Files(Tables):
    """Files that were fetched; hashes of raw files and of files of CRDS caches.

    The hashes are kept in `records` too; what is fetched has a record beside it.
    """

    def __init__(self, sessions: Sessions, records: Records | None = None) -> None:
        super().__init__(sessions)
        self._records = records

    def remember_fetched(self, file: FetchedFile) -> None:
        """Remember a fetched file, in the place of what was known of this version."""
        values = [to_values(SQLFetchedFile, file)]
        self._sessions.write(lambda session: upsert(session, SQLFetchedFile, values))

    @reads
    def find_fetched(
        self, session: Session, sha256s: Iterable[str]
    ) -> Mapping[str, FetchedFile]:
        """Find fetched files by their bytes; of equal ones the one fetched last."""
        query = select(SQLFetchedFile).order_by(SQLFetchedFile.fetched_at)
        rows = select_in(session, query, SQLFetchedFile.sha256, sha256s)
        return {row.sha256: to_record(FetchedFile, row) for row in rows}

    @reads
    def list_fetched(self, session: Session) -> tuple[FetchedFile, ...]:
        """List all files that were fetched, by program and name."""
        file = SQLFetchedFile
        query = select(file).order_by(file.program, file.name, file.version)
        return to_records(FetchedFile, session.scalars(query))

    @reads
    def known_files(
        self, session: Session, paths: Iterable[str]
    ) -> Mapping[str, FileHash]:
        """Return the hashes that are known, by path.

        The caller checks whether a file is still as it was when it was read.
        """
        query = select(SQLKnownFile).where(
            SQLKnownFile.content_version == CONTENT_VERSION
        )
        rows = select_in(session, query, SQLKnownFile.path, paths)
        return {
            row.path: to_record(FileHash, row, error=None, pixels_sha256="", cards={})
            for row in rows
        }

    def remember_files(self, files: Collection[FileHash]) -> None:
        """Remember hashes, in the place of older ones; not of unreadable files."""
        values = [
            to_values(SQLKnownFile, file, content_version=CONTENT_VERSION)
            for file in files
            if file.error is None
        ]
        contents = [
            to_values(SQLRawContent, file) for file in files if file.pixels_sha256
        ]

        if self._records is not None and values:
            read = tuple(file for file in files if file.error is None)
            self._records.keep_seen(SeenFiles(read, datetime.now(UTC)))
        hashes = [
            {
                "of_path": file.path,
                "of_size": file.size_bytes,
                "of_mtime": file.mtime_ns,
                "to_sha256": file.sha256,
            }
            for file in files
            if file.error is None
        ]

        def work(session: Session) -> None:
            upsert(session, SQLKnownFile, values)
            upsert(session, SQLRawContent, contents)
            if hashes:
                session.execute(_HASH_EXPOSURES, hashes)

        self._sessions.write(work)

    @reads
    def list_references(
        self, session: Session, *, crds_path: str
    ) -> tuple[ReferenceFile, ...]:
        """List all that is known of the files of a CRDS cache, by name."""
        query = (
            select(SQLKnownReference)
            .where(SQLKnownReference.crds_path == crds_path)
            .order_by(SQLKnownReference.name)
        )
        return to_records(ReferenceFile, session.scalars(query))

    def remember_references(
        self, files: Iterable[ReferenceFile], *, crds_path: str, now: datetime
    ) -> None:
        """Remember files of a CRDS cache.

        Raises
        ------
        DatabaseError
            A file was seen before in this cache with another sha1.
            CRDS never changes a file under its name, so one of the two is tampered
            with; nothing is remembered. Caches are kept apart, since that of a
            sample has names of its own making.
        """
        by_name = {file.name: file for file in files}
        here = select(SQLKnownReference).where(SQLKnownReference.crds_path == crds_path)

        def work(session: Session) -> None:
            first_seen: dict[str, datetime] = {}
            new = dict(by_name)
            for row in select_in(session, here, SQLKnownReference.name, by_name):
                _refuse_tampered(row, by_name[row.name])
                first_seen[row.name] = row.first_seen_at
                if to_record(ReferenceFile, row) == new[row.name]:
                    del new[row.name]
            if self._records is not None and new:
                seen = SeenReferences(crds_path, tuple(new.values()), now)
                self._records.keep_seen(seen)
            values = [
                to_values(
                    SQLKnownReference,
                    file,
                    crds_path=crds_path,
                    first_seen_at=first_seen.get(name, now),
                )
                for name, file in by_name.items()
            ]
            upsert(session, SQLKnownReference, values)

        self._sessions.write(work)


def _refuse_tampered(known: SQLKnownReference, file: ReferenceFile) -> None:
    if file.sha1 != known.sha1:
        raise DatabaseError(
            f"The CRDS file {file.name} has sha1 {file.sha1}, but on "
            f"{known.first_seen_at:%Y-%m-%d} it had {known.sha1} in "
            f"{known.crds_path}: one of them is not what CRDS delivered."
        )
