"""Recording: what an attempt left, into all the tables that hold it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from workers.contract import Job, Outcome, Status

from .rows import to_values
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
from .sessions import upsert

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["record_outcome"]

_Rows = Mapping[type[SQLBase], Sequence[Mapping[str, object]]]
"""Rows by table."""


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
        _record_job(session, outcome.job, is_new=known is None)
    _record_attempt(session, outcome, run_id=run_id)
    if outcome.status is Status.SUCCEEDED:
        _record_products(session, outcome, is_new=known is None)


def _leads(outcome: Outcome, others: Iterable[SQLAttempt]) -> bool:
    """Whether it is a success, or the newest attempt where none succeeded."""
    if outcome.status is Status.SUCCEEDED:
        return True
    mine = (outcome.finished_at, outcome.attempt)
    return all(
        other.status is not Status.SUCCEEDED and (other.finished_at, other.id) < mine
        for other in others
    )


def _record_job(session: Session, job: Job, *, is_new: bool) -> None:
    upsert(session, SQLJob, [to_values(SQLJob, job)])
    own = {"fingerprint": job.fingerprint}
    rows: _Rows = {
        SQLJobInput: _to_values(SQLJobInput, job.inputs, **own),
        SQLJobReference: _to_references(job),
    }
    _replace(session, rows, is_new=is_new, **own)


def _record_attempt(session: Session, outcome: Outcome, *, run_id: str | None) -> None:
    known = session.get(SQLAttempt, outcome.attempt)
    # Outcomes in the store do not say which run made them: keep what is known.
    kept = known.run_id if known else None
    upsert(session, SQLAttempt, [_to_attempt(outcome, run_id=run_id or kept)])
    own = {"attempt_id": outcome.attempt}
    rows: _Rows = {
        SQLCaveat: _to_values(SQLCaveat, outcome.caveats, **own),
        SQLStepStatus: _to_values(SQLStepStatus, outcome.steps, **own),
    }
    _replace(session, rows, is_new=known is None, **own)


def _record_products(session: Session, outcome: Outcome, *, is_new: bool) -> None:
    own = {"fingerprint": outcome.job.fingerprint}
    if not is_new:
        session.execute(
            update(SQLAttempt)
            .filter_by(**own)
            .values(is_stored=SQLAttempt.id == outcome.attempt)
        )
    rows = [
        to_values(SQLProduct, product, attempt_id=outcome.attempt, **own)
        for product in outcome.products
    ]
    _replace(session, {SQLProduct: rows}, is_new=is_new, **own)


def _replace(
    session: Session,
    rows: _Rows,
    *,
    is_new: bool,
    **owner: str,
) -> None:
    """Replace the rows of an owner in some tables; a new owner has none yet."""
    for table, values in rows.items():
        if not is_new:
            session.execute(delete(table).filter_by(**owner))
        if values:
            session.execute(insert(table), values)


def _to_attempt(outcome: Outcome, *, run_id: str | None) -> Mapping[str, object]:
    error = outcome.error
    return to_values(
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


def _to_values(
    table: type[SQLBase], records: "Sequence[DataclassInstance]", **owner: str
) -> Sequence[Mapping[str, object]]:
    return [
        to_values(table, record, position=position, **owner)
        for position, record in enumerate(records)
    ]


def _to_references(job: Job) -> Sequence[Mapping[str, object]]:
    files = chain(
        ((ReferenceKind.REFERENCE, use.reftype, use.file) for use in job.references),
        ((ReferenceKind.PARS, use.reftype, use.file) for use in job.pars),
        ((ReferenceKind.MAPPING, "", file) for file in job.mappings),
    )
    return [
        to_values(
            SQLJobReference,
            file,
            fingerprint=job.fingerprint,
            kind=kind,
            position=position,
            reftype=reftype,
        )
        for position, (kind, reftype, file) in enumerate(files)
    ]
