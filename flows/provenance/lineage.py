"""Lineage: the jobs up to the raw files, and down to all that was made of them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from graphlib import TopologicalSorter

from sqlalchemy import select
from sqlalchemy.orm import Session, load_only

from ..models.exposures import FetchedFile
from ..models.lineage import Lineage, Making
from .loading import find_successes, load_jobs
from .rows import to_record
from .schema import SQLAttempt, SQLFetchedFile, SQLJob, SQLJobInput, SQLProduct
from .sessions import Tables, batches, is_among, reads, select_in

__all__ = ["Lineages", "find_downstream"]

_TOGETHER = 50_000
"""Jobs that are followed in one query: few enough that indexes are faster than a table
of millions."""

_Step = Callable[[Session, Sequence[str]], Iterable[str]]
"""From jobs to those beside them in the graph."""


class Lineages(Tables):
    """Jobs linked by the files that one made and another reads."""

    @reads
    def trace(
        self,
        session: Session,
        fingerprints: Iterable[str],
        *,
        up: bool = True,
        down: bool = False,
    ) -> Lineage:
        """Follow what jobs read to the raw files, and what they made to the last.

        Parameters
        ----------
        up
            Whether jobs are followed that made what these read, and so on.
        down
            Whether jobs are followed that read what these made, and so on. What else
            such a job reads is not followed.
        """
        asked = tuple(dict.fromkeys(fingerprints))
        found = set(asked)
        if up:
            found |= _follow(session, asked, _find_makers)
        if down:
            found |= _follow(session, asked, _find_readers)
        makings = _load_makings(session, found)
        makers = {
            product.sha256: fingerprint
            for fingerprint, making in makings.items()
            if making.done
            for product in making.done.products
        }
        reads_of = {
            fingerprint: sorted(
                {
                    makers[file.sha256]
                    for file in making.job.inputs
                    if file.sha256 in makers
                }
            )
            for fingerprint, making in sorted(makings.items())
        }
        order = TopologicalSorter(reads_of).static_order()
        read = {file.sha256 for one in makings.values() for file in one.job.inputs}
        return Lineage(
            asked=tuple(one for one in asked if one in makings),
            makings={fingerprint: makings[fingerprint] for fingerprint in order},
            makers=makers,
            origins=_find_origins(session, read - makers.keys()),
        )


def find_downstream(session: Session, jobs: Iterable[str]) -> set[str]:
    """Find jobs, those that read what they have made, and so on."""
    found = set(jobs)
    return found | _follow(session, found, _find_readers)


def _follow(session: Session, asked: Iterable[str], step: _Step) -> set[str]:
    """Take a step from jobs to others until there are no more.

    Of a recursive query PostgreSQL takes it that each level has ten times the rows of
    the one before, and reads tables whole.
    """
    found: set[str] = set()
    due = set(asked)
    while due:
        new = {job for batch in batches(due, _TOGETHER) for job in step(session, batch)}
        due = new - found
        found |= due
    return found


def _find_makers(session: Session, jobs: Sequence[str]) -> Iterable[str]:
    """Find the jobs that made what jobs read."""
    query = (
        select(SQLProduct.fingerprint)
        .join(SQLJobInput, SQLJobInput.sha256 == SQLProduct.sha256)
        .where(is_among(session, SQLJobInput.fingerprint, jobs))
    )
    return session.scalars(query)


def _find_readers(session: Session, jobs: Sequence[str]) -> Iterable[str]:
    """Find the jobs that read what jobs made."""
    query = (
        select(SQLJobInput.fingerprint)
        .join(SQLProduct, SQLProduct.sha256 == SQLJobInput.sha256)
        .where(is_among(session, SQLProduct.fingerprint, jobs))
    )
    return session.scalars(query)


def _load_makings(session: Session, jobs: Iterable[str]) -> Mapping[str, Making]:
    makings: dict[str, Making] = {}
    for batch in batches(jobs):
        rows = session.scalars(select(SQLJob).where(SQLJob.fingerprint.in_(batch)))
        done = find_successes(session, batch)
        stored = select(SQLAttempt).where(
            SQLAttempt.fingerprint.in_(batch), SQLAttempt.is_stored
        )
        columns = SQLAttempt.started_at, SQLAttempt.host, SQLAttempt.run_id
        stored = stored.options(load_only(SQLAttempt.fingerprint, *columns))
        attempts = {row.fingerprint: row for row in session.scalars(stored)}
        for job in load_jobs(session, rows.all()):
            attempt = attempts.get(job.fingerprint)
            makings[job.fingerprint] = Making(
                job=job,
                done=done.get(job.fingerprint),
                started_at=attempt.started_at if attempt else None,
                host=attempt.host if attempt else "",
                run_id=attempt.run_id if attempt else None,
            )
    return makings


def _find_origins(
    session: Session, sha256s: Iterable[str]
) -> Mapping[str, FetchedFile]:
    query = select(SQLFetchedFile).order_by(SQLFetchedFile.fetched_at)
    rows = select_in(session, query, SQLFetchedFile.sha256, sha256s)
    return {row.sha256: to_record(FetchedFile, row) for row in rows}
