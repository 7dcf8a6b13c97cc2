"""Files that were fetched from an archive, every version of them."""

from collections.abc import Iterable, Mapping

from sqlalchemy import select

from ..models.exposures import FetchedFile
from .rows import to_record, to_values
from .schema import SQLFetchedFile
from .sessions import Tables, batches, patient, upsert

__all__ = ["FetchedFiles"]


class FetchedFiles(Tables):
    """The manifest of what was fetched."""

    def remember_fetched(self, file: FetchedFile) -> None:
        """Remember a file, in the place of what was known of this version."""
        values = [to_values(SQLFetchedFile, file)]
        self._sessions.write(lambda session: upsert(session, SQLFetchedFile, values))

    @patient
    def list_fetched(self, program: str) -> tuple[FetchedFile, ...]:
        """List every version of every file of a program, by name and version."""
        query = (
            select(SQLFetchedFile)
            .where(SQLFetchedFile.program == program)
            .order_by(SQLFetchedFile.name, SQLFetchedFile.version)
        )
        with self._sessions.read() as session:
            return tuple(to_record(FetchedFile, row) for row in session.scalars(query))

    @patient
    def find_fetched(self, sha256s: Iterable[str]) -> Mapping[str, FetchedFile]:
        """Find files by their bytes; of equal ones the one fetched last."""
        query = select(SQLFetchedFile).order_by(SQLFetchedFile.fetched_at)
        found: dict[str, FetchedFile] = {}
        with self._sessions.read() as session:
            for batch in batches(sorted(set(sha256s))):
                rows = session.scalars(query.where(SQLFetchedFile.sha256.in_(batch)))
                found.update((row.sha256, to_record(FetchedFile, row)) for row in rows)
        return found
