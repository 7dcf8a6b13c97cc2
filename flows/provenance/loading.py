"""Loading: jobs, attempts and products, from all the tables that hold them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session, load_only

from workers.contract import (
    BROUGHT,
    RECORD_VERSION,
    Caveat,
    Edit,
    ErrorInfo,
    Input,
    Job,
    Outcome,
    ParsUse,
    Product,
    ProductFacts,
    ReferenceUse,
    SourceFacts,
    StepStatus,
    Usage,
)

from ..models.jobs import Attempt, JobUse, ReadFile, StoredJob, StoredProduct
from .rows import to_record, to_records
from .schema import (
    ReferenceKind,
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
from .sets import LoadedSets, load_sets

__all__ = [
    "find_successes",
    "load_attempts",
    "load_facts",
    "load_jobs",
    "load_uses",
    "to_stored_product",
]

_Row = TypeVar("_Row", bound=SQLBase)
_Record = TypeVar("_Record", Product, StepStatus, Caveat)

_SETS = (
    *(SQLJob.parameters_sha256, SQLJob.versions_sha256),
    *(SQLJob.references_sha256, SQLJob.mappings_sha256),
)
"""What names the sets of a job."""


def load_jobs(session: Session, rows: Sequence[SQLJob]) -> tuple[Job, ...]:
    """Load jobs with what they read, in a few queries for all."""
    keys = [row.fingerprint for row in rows]
    inputs = _group(session, SQLJobInput, "fingerprint", keys, by="position")
    sets = load_sets(session, rows)
    return tuple(_to_job(row, inputs[row.fingerprint], sets) for row in rows)


def load_uses(session: Session, fingerprints: Sequence[str]) -> tuple[JobUse, ...]:
    """Load how jobs processed what they read; quick, for there may be thousands."""
    wanted = SQLJob.fingerprint.in_(fingerprints)
    shown = load_only(SQLJob.stage, SQLJob.edits, *_SETS)
    jobs = session.scalars(select(SQLJob).where(wanted).options(shown)).all()
    sets = load_sets(session, jobs, has_mappings=False)
    read = SQLJobInput
    inputs = defaultdict[str, list[ReadFile]](list)
    files = select(
        *(read.fingerprint, read.name, read.exptype, read.sha256, read.content_sha256)
    )
    files = files.where(read.fingerprint.in_(fingerprints)).order_by(read.position)
    for key, *file in session.execute(files).tuples():
        inputs[key].append(ReadFile(*file))
    return tuple(
        JobUse(
            fingerprint=job.fingerprint,
            stage=job.stage,
            parameters=sets.parameters[job.parameters_sha256].parameters,
            versions=sets.versions[job.versions_sha256],
            inputs=tuple(inputs[job.fingerprint]),
            references={
                reftype: file is not None
                for kind, reftype, file in sets.uses[job.references_sha256]
                if kind is ReferenceKind.REFERENCE
            },
            changes=_list_changes(job.edits, inputs[job.fingerprint]),
        )
        for job in jobs
    )


def _list_changes(edits: Iterable[Edit], inputs: Iterable[ReadFile]) -> frozenset[str]:
    """List the edits of a job by name, and the files of users by kind."""
    read = {file.exptype for file in inputs} & BROUGHT
    return frozenset(read.union(edit.edit for edit in edits))


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
    attempts = [attempt.id for attempt, _ in stored.values()]
    products = _group(session, SQLProduct, "fingerprint", fingerprints, by="name")
    caveats = _group(session, SQLCaveat, "attempt_id", attempts, by="position")
    return {
        fingerprint: to_record(
            StoredJob,
            job,
            attempt=attempt.id,
            folder=attempt.folder,
            finished_at=attempt.finished_at,
            usage=to_record(Usage, attempt),
            products=to_records(Product, products[fingerprint]),
            caveats=to_records(Caveat, caveats[attempt.id]),
        )
        for fingerprint, (attempt, job) in stored.items()
    }


def load_facts(
    session: Session, fingerprints: Sequence[str]
) -> Mapping[tuple[str, str], ProductFacts]:
    """Load what products are of, by job and name, in two queries for all."""
    facts = _group(session, SQLProductFacts, "fingerprint", fingerprints, by="product")
    sources = _group(
        session, SQLProductSource, "fingerprint", fingerprints, by="position"
    )
    parts = defaultdict[tuple[str, str], list[SourceFacts]](list)
    for key, rows in sources.items():
        for row in rows:
            parts[key, row.product].append(to_record(SourceFacts, row))
    return {
        (key, row.product): to_record(
            ProductFacts, row, sources=tuple(parts[key, row.product])
        )
        for key, rows in facts.items()
        for row in rows
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
    def load(kind: type[_Record], table: type[_Row], by: str) -> tuple[_Record, ...]:
        found = _group(session, table, "attempt_id", [row.id], by=by)
        return to_records(kind, found[row.id])

    return to_record(
        Outcome,
        row,
        job=job,
        attempt=row.id,
        usage=to_record(Usage, row),
        products=load(Product, SQLProduct, "name"),
        steps=load(StepStatus, SQLStepStatus, "position"),
        caveats=load(Caveat, SQLCaveat, "position"),
        facts=tuple(load_facts(session, [job.fingerprint] * row.is_stored).values()),
        error=_to_error(row),
        record_version=RECORD_VERSION,
    )


def _to_job(row: SQLJob, inputs: Iterable[SQLJobInput], sets: LoadedSets) -> Job:
    parameters = sets.parameters[row.parameters_sha256]
    uses = sets.uses[row.references_sha256]
    return to_record(
        Job,
        row,
        inputs=to_records(Input, inputs),
        parameters=parameters.parameters,
        overrides=parameters.overrides,
        origins=parameters.origins,
        versions=sets.versions[row.versions_sha256],
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
        mappings=tuple(file for _, _, file in sets.uses[row.mappings_sha256] if file),
    )


def _to_error(row: SQLAttempt) -> ErrorInfo | None:
    if row.error_type is None:
        return None
    return ErrorInfo(
        type=row.error_type,
        message=row.error_message or "",
        traceback=row.error_traceback or "",
    )


def _group(
    session: Session, table: type[_Row], column: str, keys: Sequence[str], *, by: str
) -> Mapping[str, Sequence[_Row]]:
    """Load the rows whose column holds a key, by key, in the order of another one."""
    query = select(table).where(getattr(table, column).in_(keys))
    groups = defaultdict[str, list[_Row]](list)
    for row in sorted(session.scalars(query), key=attrgetter(by)):
        groups[getattr(row, column)].append(row)
    return groups
