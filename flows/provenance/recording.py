"""Recording: what an attempt left, into all the tables that hold it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import chain
from typing import TYPE_CHECKING

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from workers.contract import Job, Outcome, Status

from .rows import to_row
from .schema import (
    ReferenceKind,
    SQLAttempt,
    SQLBase,
    SQLCaveat,
    SQLJob,
    SQLJobInput,
    SQLJobReference,
    SQLProduct,
    SQLStepStatus,
)

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["record_outcome"]


def record_outcome(session: Session, outcome: Outcome, *, run_id: str | None) -> None:
    """Write an outcome into the tables.

    A job may be done more than once, from other paths or in another context, at the
    same fingerprint. The row of the job holds what its leading attempt saw. The store
    holds one success of a job, and a success is read from there: the one recorded last
    leads, whatever the clocks of hosts say. Otherwise the order of recording makes no
    difference.
    """
    fingerprint = outcome.job.fingerprint
    # Whoever records the same job waits here, where the backend can lock a row.
    known = session.get(SQLJob, fingerprint, with_for_update=True)
    others = select(SQLAttempt).where(
        SQLAttempt.fingerprint == fingerprint, SQLAttempt.id != outcome.attempt
    )
    if known is None or _leads(outcome, session.scalars(others)):
        _record_job(session, outcome.job)
    _record_attempt(session, outcome, run_id=run_id)
    if outcome.status is Status.SUCCEEDED:
        _record_products(session, outcome)


def _leads(outcome: Outcome, others: Iterable[SQLAttempt]) -> bool:
    """Whether it is a success, or the newest attempt where none succeeded."""
    if outcome.status is Status.SUCCEEDED:
        return True
    mine = (outcome.finished_at, outcome.attempt)
    return all(
        other.status is not Status.SUCCEEDED and (other.finished_at, other.id) < mine
        for other in others
    )


def _record_job(session: Session, job: Job) -> None:
    session.merge(to_row(SQLJob, job))
    session.flush()
    for table in (SQLJobInput, SQLJobReference):
        session.execute(delete(table).where(table.fingerprint == job.fingerprint))
    session.add_all(_to_rows(SQLJobInput, job.inputs, fingerprint=job.fingerprint))
    session.add_all(_to_references(job))
    session.flush()


def _record_attempt(session: Session, outcome: Outcome, *, run_id: str | None) -> None:
    known = session.get(SQLAttempt, outcome.attempt)
    # Outcomes in the store do not say which run made them: keep what is known.
    kept = known.run_id if known else None
    session.merge(_to_attempt(outcome, run_id=run_id or kept))
    session.flush()
    for table in (SQLCaveat, SQLStepStatus):
        session.execute(delete(table).where(table.attempt_id == outcome.attempt))
    own = {"attempt_id": outcome.attempt}
    session.add_all(_to_rows(SQLCaveat, outcome.caveats, **own))
    session.add_all(_to_rows(SQLStepStatus, outcome.steps, **own))
    session.flush()


def _record_products(session: Session, outcome: Outcome) -> None:
    fingerprint = outcome.job.fingerprint
    session.execute(
        update(SQLAttempt)
        .where(SQLAttempt.fingerprint == fingerprint)
        .values(is_stored=SQLAttempt.id == outcome.attempt)
    )
    session.execute(delete(SQLProduct).where(SQLProduct.fingerprint == fingerprint))
    session.add_all(
        to_row(SQLProduct, product, fingerprint=fingerprint, attempt_id=outcome.attempt)
        for product in outcome.products
    )


def _to_attempt(outcome: Outcome, *, run_id: str | None) -> SQLAttempt:
    error = outcome.error
    return to_row(
        SQLAttempt,
        outcome,
        id=outcome.attempt,
        fingerprint=outcome.job.fingerprint,
        run_id=run_id,
        **asdict(outcome.usage),
        error_type=error.type if error else None,
        error_message=error.message if error else None,
        error_traceback=error.traceback if error else None,
        # A success is taken for what lies in the store.
        is_stored=outcome.status is Status.SUCCEEDED,
    )


def _to_rows(
    table: type[SQLBase],
    records: "Sequence[DataclassInstance]",
    **owner: str,
) -> Iterator[SQLBase]:
    for position, record in enumerate(records):
        yield to_row(table, record, position=position, **owner)


def _to_references(job: Job) -> Iterator[SQLJobReference]:
    files = chain(
        ((ReferenceKind.REFERENCE, use.reftype, use.file) for use in job.references),
        ((ReferenceKind.PARS, use.reftype, use.file) for use in job.pars),
        ((ReferenceKind.MAPPING, "", file) for file in job.mappings),
    )
    for position, (kind, reftype, file) in enumerate(files):
        yield to_row(
            SQLJobReference,
            file,
            fingerprint=job.fingerprint,
            kind=kind,
            position=position,
            reftype=reftype,
        )
