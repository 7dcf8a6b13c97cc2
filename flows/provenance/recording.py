"""Recording: what attempts left, into all the tables that hold it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from workers.contract import Outcome, ProductFacts, SourceFacts, Status
from workers.sky import find_radius_deg

from .insertion import insert_rows, upsert
from .rows import to_fields, to_values
from .schema import (
    SQLAttempt,
    SQLBase,
    SQLCaveat,
    SQLJob,
    SQLJobInput,
    SQLProduct,
    SQLProductFacts,
    SQLProductSource,
    SQLStepStatus,
)
from .sessions import batches
from .sets import record_sets

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["record_outcomes", "to_target_key"]

_Row = Mapping[str, object]

_BATCH = 250
"""Outcomes whose attempts are asked for at once, each by two keys."""


class _Known(NamedTuple):
    """An attempt that is recorded."""

    id: str
    fingerprint: str
    run_id: str | None
    status: Status
    finished_at: datetime


def record_outcomes(
    session: Session, outcomes: Iterable[Outcome], *, run_id: str | None
) -> None:
    """Write outcomes into the tables, as if one after the other.

    A job may be done more than once, from other paths or in another context, at the
    same fingerprint. The row of the job holds what its leading attempt saw. The store
    holds one success of a job, and a success is read from there: the one recorded last
    leads, whatever the clocks of hosts say. Otherwise the order of recording makes no
    difference.
    """
    for part in _part(outcomes):
        _record(session, part, run_id=run_id)


def _part(outcomes: Iterable[Outcome]) -> Iterator[Sequence[Outcome]]:
    """Cut outcomes where one is of a job, or an attempt, that came before."""
    part: list[Outcome] = []
    seen: set[str] = set()
    for outcome in outcomes:
        own = {outcome.job.fingerprint, outcome.attempt}
        if seen & own:
            yield part
            part, seen = [], set()
        part.append(outcome)
        seen |= own
    if part:
        yield part


def _record(
    session: Session, outcomes: Sequence[Outcome], *, run_id: str | None
) -> None:
    """Write outcomes of different jobs."""
    by_job = {outcome.job.fingerprint: outcome for outcome in outcomes}
    known_jobs = _lock_jobs(session, by_job)
    attempts = _find_attempts(session, outcomes)
    of_job = defaultdict[str, list[_Known]](list)
    for attempt in attempts.values():
        of_job[attempt.fingerprint].append(attempt)
    leading = [
        outcome
        for outcome in outcomes
        if outcome.job.fingerprint not in known_jobs
        or _leads(outcome, of_job[outcome.job.fingerprint])
    ]
    _record_jobs(
        session, outcomes, {one.job.fingerprint for one in leading}, known_jobs
    )
    _record_attempts(session, outcomes, attempts, run_id=run_id)
    _record_products(session, outcomes, known_jobs)


def _lock_jobs(session: Session, fingerprints: Iterable[str]) -> set[str]:
    """Find which jobs are recorded.

    Whoever records the same ones waits here, where the backend can lock a row.
    """
    query = select(SQLJob.fingerprint).order_by(SQLJob.fingerprint).with_for_update()
    known: set[str] = set()
    for batch in batches(fingerprints):
        known.update(session.scalars(query.where(SQLJob.fingerprint.in_(batch))))
    return known


def _find_attempts(
    session: Session, outcomes: Sequence[Outcome]
) -> Mapping[str, _Known]:
    """Find the attempts that are recorded, also others at the same jobs."""
    columns = (
        *(SQLAttempt.id, SQLAttempt.fingerprint, SQLAttempt.run_id),
        *(SQLAttempt.status, SQLAttempt.finished_at),
    )
    found: dict[str, _Known] = {}
    for start in range(0, len(outcomes), _BATCH):
        some = outcomes[start : start + _BATCH]
        wanted = or_(
            SQLAttempt.id.in_([outcome.attempt for outcome in some]),
            SQLAttempt.fingerprint.in_([outcome.job.fingerprint for outcome in some]),
        )
        rows = session.execute(select(*columns).where(wanted))
        found.update((row.id, _Known(*row)) for row in rows)
    return found


def _leads(outcome: Outcome, others: Iterable[_Known]) -> bool:
    """Whether it is a success, or the newest attempt where none succeeded."""
    if outcome.status is Status.SUCCEEDED:
        return True
    mine = (outcome.finished_at, outcome.attempt)
    return all(
        other.status is not Status.SUCCEEDED and (other.finished_at, other.id) < mine
        for other in others
        if other.id != outcome.attempt
    )


def _record_jobs(
    session: Session,
    outcomes: Sequence[Outcome],
    leading: set[str],
    known: set[str],
) -> None:
    """Write the jobs as the leading attempts saw them, and the sets of all."""
    sets = record_sets(session, [outcome.job for outcome in outcomes])
    jobs = [
        (outcome.job, own)
        for outcome, own in zip(outcomes, sets, strict=True)
        if outcome.job.fingerprint in leading
    ]
    upsert(
        session, SQLJob, [to_values(SQLJob, job, **to_fields(own)) for job, own in jobs]
    )
    _delete(session, SQLJobInput.fingerprint, leading & known)
    insert_rows(
        session,
        SQLJobInput,
        [
            row
            for job, _ in jobs
            for row in _to_rows(SQLJobInput, job.inputs, fingerprint=job.fingerprint)
        ],
    )


def _record_attempts(
    session: Session,
    outcomes: Sequence[Outcome],
    known: Mapping[str, _Known],
    *,
    run_id: str | None,
) -> None:
    # Outcomes in the store do not say which run made them: keep what is known.
    kept = {key: attempt.run_id for key, attempt in known.items()}
    rows = [_to_attempt(each, run_id or kept.get(each.attempt)) for each in outcomes]
    upsert(session, SQLAttempt, rows)
    again = {outcome.attempt for outcome in outcomes} & known.keys()
    caveats: list[_Row] = []
    steps: list[_Row] = []
    for outcome in outcomes:
        own = {"attempt_id": outcome.attempt}
        caveats += _to_rows(SQLCaveat, outcome.caveats, **own)
        steps += _to_rows(SQLStepStatus, outcome.steps, **own)
    _delete(session, SQLCaveat.attempt_id, again)
    insert_rows(session, SQLCaveat, caveats)
    _delete(session, SQLStepStatus.attempt_id, again)
    insert_rows(session, SQLStepStatus, steps)


def _record_products(
    session: Session, outcomes: Iterable[Outcome], known: set[str]
) -> None:
    """Write the products of successes, which take the places of others."""
    made = {o.job.fingerprint: o for o in outcomes if o.status is Status.SUCCEEDED}
    for fingerprint in sorted(made.keys() & known):
        session.execute(
            update(SQLAttempt)
            .where(SQLAttempt.fingerprint == fingerprint)
            .values(is_stored=SQLAttempt.id == made[fingerprint].attempt)
        )
    _delete(session, SQLProduct.fingerprint, made.keys() & known)
    rows = [
        to_values(
            SQLProduct, product, fingerprint=fingerprint, attempt_id=outcome.attempt
        )
        for fingerprint, outcome in made.items()
        for product in outcome.products
    ]
    insert_rows(session, SQLProduct, rows)
    _record_facts(session, made, made.keys() & known)


def _record_facts(
    session: Session, made: Mapping[str, Outcome], again: Iterable[str]
) -> None:
    """Write what the products of successes are of."""
    _delete(session, SQLProductSource.fingerprint, again)
    _delete(session, SQLProductFacts.fingerprint, again)
    facts: list[_Row] = []
    sources: list[_Row] = []
    for fingerprint, outcome in made.items():
        for one in outcome.facts:
            own = {"fingerprint": fingerprint}
            key = to_target_key(one.target)
            facts.append(to_values(SQLProductFacts, one, target_key=key, **own))
            sources += _to_sources(one, **own)
    insert_rows(session, SQLProductFacts, facts)
    insert_rows(session, SQLProductSource, sources)


def to_target_key(target: str) -> str:
    """Write the name of a target as it is compared: in lower case, one space apart."""
    return " ".join(target.casefold().split())


def _delete(
    session: Session, column: InstrumentedAttribute[str], keys: Iterable[str]
) -> None:
    """Delete the rows of owners."""
    for batch in batches(keys):
        session.execute(delete(column.class_).where(column.in_(batch)))


def _to_attempt(outcome: Outcome, run_id: str | None) -> _Row:
    error = outcome.error
    return to_values(
        SQLAttempt,
        outcome,
        id=outcome.attempt,
        fingerprint=outcome.job.fingerprint,
        run_id=run_id,
        **to_fields(outcome.usage),
        error_type=error.type if error else None,
        error_message=error.message if error else None,
        error_traceback=error.traceback if error else None,
        # A success is taken for what lies in the store.
        is_stored=outcome.status is Status.SUCCEEDED,
    )


def _to_rows(
    table: type[SQLBase], records: "Sequence[DataclassInstance]", **owner: str
) -> Sequence[_Row]:
    return [
        to_values(table, record, position=position, **owner)
        for position, record in enumerate(records)
    ]


def _to_sources(facts: ProductFacts, **owner: str) -> Sequence[_Row]:
    return [
        to_values(
            SQLProductSource,
            source,
            product=facts.product,
            position=position,
            radius_deg=_find_radius_deg(source),
            **owner,
        )
        for position, source in enumerate(facts.sources)
    ]


def _find_radius_deg(source: SourceFacts) -> float:
    if source.ra_deg is None or source.dec_deg is None:
        return 0.0
    return find_radius_deg((source.ra_deg, source.dec_deg), source.region)
