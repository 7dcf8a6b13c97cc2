"""Loading: jobs, attempts and products, from all the tables that hold them."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import TypeVar

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, load_only

from workers.contract import (
    RECORD_VERSION,
    Caveat,
    ErrorInfo,
    Input,
    Job,
    Outcome,
    ParsUse,
    Product,
    ReferenceFile,
    ReferenceUse,
    StepStatus,
    Usage,
)

from ..models.jobs import Attempt, StoredJob, StoredProduct
from .rows import to_record
from .schema import (
    ReferenceKind,
    SQLAttempt,
    SQLCaveat,
    SQLJob,
    SQLJobInput,
    SQLJobReference,
    SQLProduct,
    SQLStepStatus,
)

__all__ = ["find_successes", "load_attempts", "load_jobs", "to_stored_product"]

_Row = TypeVar("_Row", SQLJobInput, SQLJobReference, SQLProduct)


def load_jobs(session: Session, rows: Sequence[SQLJob]) -> tuple[Job, ...]:
    """Load jobs with what they read, in a few queries for all."""
    keys = [row.fingerprint for row in rows]
    inputs = _group_rows(session, SQLJobInput, keys, by="position")
    references = _group_rows(session, SQLJobReference, keys, by="position")
    return tuple(
        _to_job(
            row, inputs.get(row.fingerprint, ()), references.get(row.fingerprint, ())
        )
        for row in rows
    )


def load_attempts(session: Session, job: Job) -> tuple[Attempt, ...]:
    """Load every attempt at a job, oldest first."""
    query = select(SQLAttempt).where(SQLAttempt.fingerprint == job.fingerprint)
    rows = sorted(session.scalars(query), key=attrgetter("finished_at", "id"))
    return tuple(
        Attempt(outcome=_load_outcome(session, row, job), run_id=row.run_id)
        for row in rows
    )


def find_successes(
    session: Session, fingerprints: Sequence[str]
) -> Mapping[str, StoredJob]:
    """Find the successes of jobs that lie in the store, in a few queries for all."""
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
        fingerprint: to_record(
            StoredJob,
            job,
            attempt=attempt.id,
            folder=attempt.folder,
            finished_at=attempt.finished_at,
            usage=to_record(Usage, attempt),
            products=_to_products(products.get(fingerprint, ())),
            caveats=_to_caveats(caveats.get(attempt.id, ())),
        )
        for fingerprint, (attempt, job) in stored.items()
    }


def to_stored_product(
    product: SQLProduct, job: SQLJob, attempt: SQLAttempt
) -> StoredProduct:
    """Make a product in the store of its rows."""
    return to_record(
        StoredProduct,
        job,
        product=to_record(Product, product),
        job_name=job.name,
        attempt=attempt.id,
        folder=attempt.folder,
        finished_at=attempt.finished_at,
    )


def _load_outcome(session: Session, row: SQLAttempt, job: Job) -> Outcome:
    products = select(SQLProduct).where(SQLProduct.attempt_id == row.id)
    steps = (
        select(SQLStepStatus)
        .where(SQLStepStatus.attempt_id == row.id)
        .order_by(SQLStepStatus.position)
    )
    return to_record(
        Outcome,
        row,
        job=job,
        attempt=row.id,
        usage=to_record(Usage, row),
        products=_to_products(
            sorted(session.scalars(products), key=attrgetter("name"))
        ),
        steps=tuple(to_record(StepStatus, item) for item in session.scalars(steps)),
        caveats=_to_caveats(session.scalars(_caveats_of([row.id]))),
        error=_to_error(row),
        record_version=RECORD_VERSION,
    )


def _to_job(
    row: SQLJob, inputs: Iterable[SQLJobInput], references: Iterable[SQLJobReference]
) -> Job:
    uses = [(item.kind, item.reftype, _to_file(item)) for item in references]
    return to_record(
        Job,
        row,
        inputs=tuple(to_record(Input, item) for item in inputs),
        references=tuple(
            ReferenceUse(reftype, file)
            for kind, reftype, file in uses
            if kind is ReferenceKind.REFERENCE
        ),
        pars=tuple(
            ParsUse(reftype, file)
            for kind, reftype, file in uses
            if kind is ReferenceKind.PARS and file
        ),
        mappings=tuple(
            file for kind, _, file in uses if kind is ReferenceKind.MAPPING and file
        ),
    )


def _to_file(row: SQLJobReference) -> ReferenceFile | None:
    return None if row.name is None else to_record(ReferenceFile, row)


def _to_error(row: SQLAttempt) -> ErrorInfo | None:
    if row.error_type is None:
        return None
    return ErrorInfo(
        type=row.error_type,
        message=row.error_message or "",
        traceback=row.error_traceback or "",
    )


def _to_products(rows: Iterable[SQLProduct]) -> tuple[Product, ...]:
    return tuple(to_record(Product, row) for row in rows)


def _to_caveats(rows: Iterable[SQLCaveat]) -> tuple[Caveat, ...]:
    return tuple(to_record(Caveat, row) for row in rows)


def _caveats_of(attempts: Sequence[str]) -> Select[tuple[SQLCaveat]]:
    return (
        select(SQLCaveat)
        .where(SQLCaveat.attempt_id.in_(attempts))
        .order_by(SQLCaveat.attempt_id, SQLCaveat.position)
    )


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
