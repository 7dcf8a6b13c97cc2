"""Auditing: which files recorded jobs used, and what was made of them."""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from ..models.findings import UsedInput, UsedReference
from .schema import SQLJob, SQLJobInput, SQLProduct, SQLReferenceUse
from .sessions import Tables, batches, reads

__all__ = ["Audits"]

_USES: Final = (SQLJob.references_sha256, SQLJob.mappings_sha256)
"""What names the sets of files of CRDS of a job."""


class Audits(Tables):
    """The files that jobs used."""

    @reads
    def list_references(self, session: Session) -> tuple[UsedReference, ...]:
        """List the files of CRDS that jobs used, by cache, name and content."""
        use = SQLReferenceUse
        query = (
            select(SQLJob.crds_path, use.name, use.sha1)
            .join(use, or_(*(use.set_sha256 == column for column in _USES)))
            .where(use.name.is_not(None))
            .distinct()
        )
        found = [
            UsedReference(crds_path, name, sha1)
            for crds_path, name, sha1 in session.execute(query).tuples()
            if name is not None and sha1 is not None
        ]
        return tuple(sorted(found, key=lambda one: (one.crds_path, one.name, one.sha1)))

    @reads
    def list_inputs(self, session: Session) -> tuple[UsedInput, ...]:
        """List the files that jobs read and that no job made, by path and content."""
        made = select(SQLProduct.fingerprint).where(
            SQLProduct.sha256 == SQLJobInput.sha256
        )
        query = (
            select(SQLJobInput.path, SQLJobInput.sha256, SQLJobInput.name)
            .where(~made.exists())
            .distinct()
            .order_by(SQLJobInput.path, SQLJobInput.sha256)
        )
        return tuple(UsedInput(*row) for row in session.execute(query).tuples())

    @reads
    def find_users_of_reference(
        self, session: Session, used: UsedReference
    ) -> tuple[str, ...]:
        """Find the jobs that used a file of CRDS."""
        use = SQLReferenceUse
        sets = select(use.set_sha256).where(
            use.name == used.name, use.sha1 == used.sha1
        )
        query = select(SQLJob.fingerprint).where(
            or_(*(column.in_(sets) for column in _USES)),
            SQLJob.crds_path == used.crds_path,
        )
        return tuple(session.scalars(query))

    @reads
    def count_jobs_by_context(self, session: Session) -> dict[str, int]:
        """Count the jobs that were done in each context."""
        query = select(SQLJob.context, func.count()).group_by(SQLJob.context)
        return dict(session.execute(query).tuples().all())

    @reads
    def find_readers(self, session: Session, sha256s: Iterable[str]) -> tuple[str, ...]:
        """Find the jobs that read files, by their bytes."""
        return tuple(_find_readers(session, sha256s))

    @reads
    def list_affected(
        self, session: Session, fingerprints: Iterable[str]
    ) -> tuple[str, ...]:
        """List the products of jobs, and all that was made of them, by name."""
        names: set[str] = set()
        seen: set[str] = set()
        due = set(fingerprints)
        while due:
            seen |= due
            made: dict[str, str] = {}
            for batch in batches(due):
                query = select(SQLProduct.sha256, SQLProduct.name)
                rows = session.execute(query.where(SQLProduct.fingerprint.in_(batch)))
                made |= dict(rows.tuples().all())
            names |= {*made.values()}
            due = _find_readers(session, made) - seen
        return tuple(sorted(names))


def _find_readers(session: Session, sha256s: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for batch in batches(sha256s):
        query = select(SQLJobInput.fingerprint).where(SQLJobInput.sha256.in_(batch))
        found.update(session.scalars(query))
    return found
