"""Recording: what an attempt left, into all the tables that tell of it."""

from collections.abc import Sequence

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from workers.contract import Outcome, Status

from .attempt_records import caveat_rows, from_outcome, product_rows, step_rows
from .job_records import from_job, input_rows, reference_rows
from .schema import (
    SQLAttempt,
    SQLCaveat,
    SQLJob,
    SQLJobInput,
    SQLJobReference,
    SQLProduct,
    SQLStepStatus,
)

__all__ = ["record"]


def record(session: Session, outcome: Outcome, *, run_id: str | None) -> None:
    """Bring the tables to say what the outcome says.

    A job may be done more than once, from other paths or in another context, at the
    same fingerprint. What is told of the job is what its leading attempt saw. The store
    holds one success of a job, and a success is read from there: the one recorded last
    leads, whatever the clocks of hosts say. Otherwise the order of recording makes no
    difference.
    """
    fingerprint = outcome.job.fingerprint
    # Whoever records the same job waits here, where the backend can lock a row.
    known = session.get(SQLJob, fingerprint, with_for_update=True)
    leads = _leads(outcome, _other_attempts(session, outcome))
    if known is None or leads:
        _record_job(session, outcome)
    _record_attempt(session, outcome, run_id=run_id)
    if outcome.status is Status.SUCCEEDED:
        _record_products(session, outcome)


def _other_attempts(session: Session, outcome: Outcome) -> Sequence[SQLAttempt]:
    query = select(SQLAttempt).where(
        SQLAttempt.fingerprint == outcome.job.fingerprint,
        SQLAttempt.id != outcome.attempt,
    )
    return session.scalars(query).all()


def _leads(outcome: Outcome, others: Sequence[SQLAttempt]) -> bool:
    """Tell whether it is a success, or the newest attempt where none succeeded."""
    if outcome.status is Status.SUCCEEDED:
        return True
    mine = from_outcome(outcome, run_id=None)
    return all(
        other.status != Status.SUCCEEDED
        and (other.finished_at, other.id) < (mine.finished_at, mine.id)
        for other in others
    )


def _record_job(session: Session, outcome: Outcome) -> None:
    job = outcome.job
    session.merge(from_job(job))
    session.flush()
    for table in (SQLJobInput, SQLJobReference):
        session.execute(delete(table).where(table.fingerprint == job.fingerprint))
    session.add_all([*input_rows(job), *reference_rows(job)])
    session.flush()


def _record_attempt(session: Session, outcome: Outcome, *, run_id: str | None) -> None:
    known = session.get(SQLAttempt, outcome.attempt)
    # Outcomes in the store do not say which run made them: keep what is known.
    kept = known.run_id if known else None
    session.merge(from_outcome(outcome, run_id=run_id or kept))
    session.flush()
    for table in (SQLCaveat, SQLStepStatus):
        session.execute(delete(table).where(table.attempt_id == outcome.attempt))
    session.add_all([*caveat_rows(outcome), *step_rows(outcome)])
    session.flush()


def _record_products(session: Session, outcome: Outcome) -> None:
    fingerprint = outcome.job.fingerprint
    session.execute(
        update(SQLAttempt)
        .where(SQLAttempt.fingerprint == fingerprint)
        .values(is_stored=SQLAttempt.id == outcome.attempt)
    )
    session.execute(delete(SQLProduct).where(SQLProduct.fingerprint == fingerprint))
    session.add_all(product_rows(outcome))
