"""Jobs: what was attempted, what came of it, and what was made."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import TypeVar

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session, load_only

from workers.contract import (
    Caveat,
    Input,
    Job,
    Outcome,
    Product,
    ReferenceFile,
    Stage,
    Status,
    Usage,
)

from ..errors import UnknownRecordError
from ..models import (
    Attempt,
    Content,
    JobRecord,
    OtherReference,
    StoredJob,
    StoredProduct,
)
from .attempt_records import to_caveats, to_outcome, to_product, to_usage
from .job_records import to_job
from .recording import record
from .schema import (
    SQLAttempt,
    SQLCaveat,
    SQLJob,
    SQLJobInput,
    SQLJobReference,
    SQLProduct,
    SQLRawContent,
    SQLStepStatus,
)
from .sessions import Store, batches, patient

__all__ = ["JobStore"]

_USAGES = 20
"""How many attempts are looked at for the memory of the next."""
_EARLIER = 10
"""How many successes of a product are looked at to find the one that is nearest."""

_Row = TypeVar("_Row", SQLJobInput, SQLJobReference, SQLProduct)


class JobStore(Store):
    """Jobs, their attempts and products."""

    def record_outcome(self, outcome: Outcome, *, run_id: str | None = None) -> None:
        """Record an attempt; once or twice, in any order, comes to the same.

        Parameters
        ----------
        outcome
            What the attempt left.
        run_id
            The run that made it, which must be recorded; None keeps what is known.
        """
        self._sessions.write(lambda session: record(session, outcome, run_id=run_id))

    @patient
    def find_outcomes(self, fingerprints: Iterable[str]) -> Mapping[str, StoredJob]:
        """Find the success that lies in the store, of each job that ever succeeded."""
        found: dict[str, StoredJob] = {}
        with self._sessions.read() as session:
            for batch in batches(sorted(set(fingerprints))):
                found.update(_find_successes(session, batch))
        return found

    def remember_products(self, fingerprint: str, products: Iterable[Product]) -> None:
        """Remember the times of files that were read and found as they were made."""
        statements = [
            update(SQLProduct)
            .where(SQLProduct.fingerprint == fingerprint)
            .where(SQLProduct.name == product.name)
            .where(SQLProduct.sha256 == product.sha256)
            .values(mtime_ns=product.mtime_ns)
            for product in products
        ]

        def work(session: Session) -> None:
            for statement in statements:
                session.execute(statement)

        self._sessions.write(work)

    @patient
    def find_caveats(
        self, fingerprints: Iterable[str]
    ) -> Mapping[str, tuple[Caveat, ...]]:
        """Find what jobs found that a scientist must know, if they found anything."""
        query = (
            select(SQLAttempt.fingerprint, SQLCaveat)
            .where(SQLCaveat.attempt_id == SQLAttempt.id, SQLAttempt.is_stored)
            .order_by(SQLAttempt.fingerprint, SQLCaveat.position)
        )
        found: dict[str, list[SQLCaveat]] = defaultdict(list)
        with self._sessions.read() as session:
            for batch in batches(sorted(set(fingerprints))):
                wanted = query.where(SQLAttempt.fingerprint.in_(batch))
                for fingerprint, row in session.execute(wanted).tuples():
                    found[fingerprint].append(row)
            return {key: to_caveats(rows) for key, rows in found.items()}

    @patient
    def get_job(self, fingerprint: str) -> JobRecord:
        """Give everything that is recorded of a job.

        Parameters
        ----------
        fingerprint
            All of it, or enough of its beginning.

        Raises
        ------
        UnknownRecordError
            No job or several begin so.
        """
        with self._sessions.read() as session:
            row = _find_job(session, fingerprint)
            (job,) = _load_jobs(session, [row])
            return JobRecord(job=job, attempts=_load_attempts(session, job))

    @patient
    def find_products(
        self, *, name: str | None = None, sha256: str | None = None
    ) -> tuple[StoredProduct, ...]:
        """Find products by name, by hash or by both, newest first."""
        query = (
            select(SQLProduct, SQLJob, SQLAttempt)
            .where(SQLProduct.fingerprint == SQLJob.fingerprint)
            .where(SQLProduct.attempt_id == SQLAttempt.id)
            .order_by(SQLAttempt.finished_at.desc(), SQLProduct.fingerprint)
        )
        if name is not None:
            query = query.where(SQLProduct.name == name)
        if sha256 is not None:
            query = query.where(SQLProduct.sha256 == sha256)
        with self._sessions.read() as session:
            return tuple(_to_stored_product(*row) for row in session.execute(query))

    @patient
    def find_job(self, fingerprint: str) -> Job | None:
        """Find a job by its whole fingerprint."""
        with self._sessions.read() as session:
            row = session.get(SQLJob, fingerprint)
            return None if row is None else _load_jobs(session, [row])[0]

    @patient
    def find_earlier_jobs(self, stage: Stage, name: str) -> tuple[Job, ...]:
        """Find the successes of a stage and product name, newest first.

        They are the newest ones; there may be more.
        """
        query = (
            select(SQLJob)
            .join(SQLAttempt, SQLAttempt.fingerprint == SQLJob.fingerprint)
            .where(SQLJob.stage == stage.value, SQLJob.name == name)
            .where(SQLAttempt.is_stored)
            .order_by(SQLAttempt.finished_at.desc(), SQLAttempt.id)
            .limit(_EARLIER)
        )
        with self._sessions.read() as session:
            return _load_jobs(session, session.scalars(query).all())

    @patient
    def find_other_references(
        self, program: str, files: Iterable[ReferenceFile]
    ) -> tuple[OtherReference, ...]:
        """Find files of other bytes that jobs of a program used by the same names."""
        query = (
            select(SQLJobReference.name, SQLJobReference.sha1, SQLJob.crds_path)
            .join(SQLJob, SQLJob.fingerprint == SQLJobReference.fingerprint)
            .where(SQLJob.program == program, SQLJobReference.name.is_not(None))
            .distinct()
        )
        here = {file.name: file.sha1 for file in files}
        with self._sessions.read() as session:
            return tuple(
                OtherReference(name, sha1, crds_path)
                for name, sha1, crds_path in sorted(session.execute(query).tuples())
                if name in here and sha1 not in {None, here[name]}
            )

    @patient
    def find_contents(self, files: Iterable[Input]) -> Mapping[str, Content]:
        """Find what can be told apart in files, by their content hash.

        Files of which that is not known, such as products of older versions, are left
        out.
        """
        wanted = {file.content_sha256 for file in files}
        raw = select(SQLRawContent).where(SQLRawContent.content_sha256.in_(wanted))
        made = (
            select(SQLProduct.content_sha256, SQLProduct.pixels_sha256)
            .where(SQLProduct.sha256.in_({file.sha256 for file in files}))
            .where(SQLProduct.pixels_sha256 != "")
        )
        with self._sessions.read() as session:
            found = {
                content: Content(pixels, None)
                for content, pixels in session.execute(made).tuples()
            }
            return found | {
                row.content_sha256: Content(row.pixels_sha256, row.cards)
                for row in session.scalars(raw)
            }

    @patient
    def find_usages(self, stage: Stage, name: str) -> tuple[tuple[Status, Usage], ...]:
        """Tell what attempts at a product took that say how much memory it needs.

        Returns
        -------
        tuple
            How each ended and what it took, the newest first; the latest few.
        """
        told = (Status.SUCCEEDED.value, Status.OUT_OF_MEMORY.value)
        query = (
            select(SQLAttempt)
            .join(SQLJob, SQLAttempt.fingerprint == SQLJob.fingerprint)
            .where(SQLJob.stage == stage.value, SQLJob.name == name)
            .where(SQLAttempt.status.in_(told))
            .order_by(SQLAttempt.finished_at.desc(), SQLAttempt.id)
            .limit(_USAGES)
        )
        with self._sessions.read() as session:
            rows = session.scalars(query)
            return tuple((Status(row.status), to_usage(row)) for row in rows)


def _find_job(session: Session, beginning: str) -> SQLJob:
    query = (
        select(SQLJob)
        .where(SQLJob.fingerprint.startswith(beginning, autoescape=True))
        .order_by(SQLJob.fingerprint)
        .limit(2)
    )
    rows = session.scalars(query).all()
    if len(rows) == 1 or (rows and rows[0].fingerprint == beginning):
        return rows[0]
    count = "several jobs" if rows else "no job"
    raise UnknownRecordError(
        f"The database holds {count} whose fingerprint begins with {beginning!r}."
    )


def _load_jobs(session: Session, rows: Sequence[SQLJob]) -> tuple[Job, ...]:
    """Load jobs with what they read, in a few queries for all."""
    keys = [row.fingerprint for row in rows]
    inputs = _group_rows(session, SQLJobInput, keys, by="position")
    references = _group_rows(session, SQLJobReference, keys, by="position")
    return tuple(
        to_job(
            row, inputs.get(row.fingerprint, ()), references.get(row.fingerprint, ())
        )
        for row in rows
    )


def _load_attempts(session: Session, job: Job) -> tuple[Attempt, ...]:
    query = select(SQLAttempt).where(SQLAttempt.fingerprint == job.fingerprint)
    rows = sorted(session.scalars(query), key=lambda row: (row.finished_at, row.id))
    return tuple(
        Attempt(outcome=_load_outcome(session, row, job), run_id=row.run_id)
        for row in rows
    )


def _load_outcome(session: Session, row: SQLAttempt, job: Job) -> Outcome:
    return to_outcome(
        row,
        job,
        products=_load_products(session, row),
        steps=session.scalars(
            select(SQLStepStatus)
            .where(SQLStepStatus.attempt_id == row.id)
            .order_by(SQLStepStatus.position)
        ),
        caveats=session.scalars(_caveats_of([row.id])),
    )


def _load_products(session: Session, row: SQLAttempt) -> list[SQLProduct]:
    query = select(SQLProduct).where(SQLProduct.attempt_id == row.id)
    return sorted(session.scalars(query), key=attrgetter("name"))


def _caveats_of(attempts: Sequence[str]) -> Select[tuple[SQLCaveat]]:
    return (
        select(SQLCaveat)
        .where(SQLCaveat.attempt_id.in_(attempts))
        .order_by(SQLCaveat.attempt_id, SQLCaveat.position)
    )


def _find_successes(
    session: Session, fingerprints: Sequence[str]
) -> Mapping[str, StoredJob]:
    query = (
        select(SQLAttempt, SQLJob)
        .where(SQLAttempt.fingerprint == SQLJob.fingerprint)
        .where(SQLAttempt.fingerprint.in_(fingerprints))
        .where(SQLAttempt.is_stored)
        # Parameters and associations are large, and not asked for.
        .options(load_only(SQLJob.stage, SQLJob.name, SQLJob.context))
    )
    rows = session.execute(query).tuples().all()
    stored = {job.fingerprint: (attempt, job) for attempt, job in rows}
    products = _group_rows(session, SQLProduct, fingerprints, by="name")
    caveats = _group_caveats(session, [attempt.id for attempt, _ in stored.values()])
    return {
        fingerprint: _to_stored_job(
            job, attempt, products.get(fingerprint, ()), caveats.get(attempt.id, ())
        )
        for fingerprint, (attempt, job) in stored.items()
    }


def _group_rows(
    session: Session, table: type[_Row], fingerprints: Sequence[str], *, by: str
) -> Mapping[str, Sequence[_Row]]:
    """Load the rows of jobs, by fingerprint, in the order of another column."""
    query = select(table).where(table.fingerprint.in_(fingerprints))
    rows = sorted(session.scalars(query), key=attrgetter("fingerprint", by))
    groups = groupby(rows, key=attrgetter("fingerprint"))
    return {fingerprint: tuple(group) for fingerprint, group in groups}


def _group_caveats(
    session: Session, attempts: Sequence[str]
) -> Mapping[str, Sequence[SQLCaveat]]:
    rows = session.scalars(_caveats_of(attempts))
    groups = groupby(rows, key=attrgetter("attempt_id"))
    return {attempt: tuple(group) for attempt, group in groups}


def _to_stored_job(
    job: SQLJob,
    attempt: SQLAttempt,
    products: Sequence[SQLProduct],
    caveats: Sequence[SQLCaveat],
) -> StoredJob:
    return StoredJob(
        fingerprint=job.fingerprint,
        stage=Stage(job.stage),
        name=job.name,
        context=job.context,
        attempt=attempt.id,
        folder=attempt.folder,
        finished_at=attempt.finished_at,
        usage=to_usage(attempt),
        products=tuple(to_product(row) for row in products),
        caveats=to_caveats(caveats),
    )


def _to_stored_product(
    product: SQLProduct, job: SQLJob, attempt: SQLAttempt
) -> StoredProduct:
    return StoredProduct(
        product=to_product(product),
        fingerprint=job.fingerprint,
        stage=Stage(job.stage),
        job_name=job.name,
        program=job.program,
        context=job.context,
        attempt=attempt.id,
        folder=attempt.folder,
        finished_at=attempt.finished_at,
    )
