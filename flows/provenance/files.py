"""Files: hashes that were taken once and hold while size and time stand."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from workers.contract import CONTENT_VERSION, FileHash, ReferenceFile

from ..errors import DatabaseError
from .rows import to_record, to_values
from .schema import SQLKnownFile, SQLKnownReference, SQLRawContent
from .sessions import Tables, batches, patient, upsert

__all__ = ["Files"]


class Files(Tables):
    """Hashes of raw files and of files of CRDS caches."""

    @patient
    def known_files(self, paths: Iterable[str]) -> Mapping[str, FileHash]:
        """Return the hashes that are known, by path.

        The caller checks whether a file is still as it was when it was read.
        """
        query = select(SQLKnownFile).where(
            SQLKnownFile.content_version == CONTENT_VERSION
        )
        found: dict[str, FileHash] = {}
        with self._sessions.read() as session:
            for batch in batches(sorted(set(paths))):
                rows = session.scalars(query.where(SQLKnownFile.path.in_(batch)))
                found.update((row.path, _to_file_hash(row)) for row in rows)
        return found

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

        def work(session: Session) -> None:
            upsert(session, SQLKnownFile, values)
            upsert(session, SQLRawContent, contents)

        self._sessions.write(work)

    @patient
    def known_references(
        self, names: Iterable[str], *, crds_path: str
    ) -> Mapping[str, ReferenceFile]:
        """Return what is known of the files of a CRDS cache, by name."""
        query = select(SQLKnownReference).where(
            SQLKnownReference.crds_path == crds_path
        )
        found: dict[str, ReferenceFile] = {}
        with self._sessions.read() as session:
            for batch in batches(sorted(set(names))):
                rows = session.scalars(query.where(SQLKnownReference.name.in_(batch)))
                found.update((row.name, to_record(ReferenceFile, row)) for row in rows)
        return found

    @patient
    def list_references(self, *, crds_path: str) -> tuple[ReferenceFile, ...]:
        """List all that is known of the files of a CRDS cache, by name."""
        query = (
            select(SQLKnownReference)
            .where(SQLKnownReference.crds_path == crds_path)
            .order_by(SQLKnownReference.name)
        )
        with self._sessions.read() as session:
            return tuple(
                to_record(ReferenceFile, row) for row in session.scalars(query)
            )

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
        self._sessions.write(
            lambda session: _remember_references(session, by_name, crds_path, now)
        )


def _to_file_hash(row: SQLKnownFile) -> FileHash:
    return to_record(FileHash, row, error=None, pixels_sha256="", cards={})


def _remember_references(
    session: Session,
    files: Mapping[str, ReferenceFile],
    crds_path: str,
    now: datetime,
) -> None:
    first_seen: dict[str, datetime] = {}
    for batch in batches(files):
        query = select(SQLKnownReference).where(
            SQLKnownReference.name.in_(batch),
            SQLKnownReference.crds_path == crds_path,
        )
        for row in session.scalars(query):
            _refuse_tampered(row, files[row.name])
            first_seen[row.name] = row.first_seen_at
    values = [
        to_values(
            SQLKnownReference,
            file,
            crds_path=crds_path,
            first_seen_at=first_seen.get(name, now),
        )
        for name, file in files.items()
    ]
    upsert(session, SQLKnownReference, values)


def _refuse_tampered(known: SQLKnownReference, file: ReferenceFile) -> None:
    if file.sha1 != known.sha1:
        raise DatabaseError(
            f"The CRDS file {file.name} has sha1 {file.sha1}, but on "
            f"{known.first_seen_at:%Y-%m-%d} it had {known.sha1} in "
            f"{known.crds_path}: one of them is not what CRDS delivered."
        )
