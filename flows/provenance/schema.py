"""The tables; no logic. Used by `flows.provenance` alone.

A column has the name and the type of the field that it holds (`rows`). A new one
takes a line here, a field of the record, and a revision in `migrations`.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, Index, MetaData, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column

from workers.contract import Caveat, CaveatKind, Edit, Parameters, Stage, Status
from workers.workload import Workload

from ..models.runs import JobState, RunState
from .column_types import FREE_TEXT, UtcDateTime, counts_text, enum_text, json_text

__all__ = [
    "ReferenceKind",
    "SQLAttempt",
    "SQLBase",
    "SQLCaveat",
    "SQLFetchedFile",
    "SQLJob",
    "SQLJobInput",
    "SQLJobReference",
    "SQLKnownFile",
    "SQLKnownReference",
    "SQLLease",
    "SQLMeasuredProduct",
    "SQLMeasurement",
    "SQLProduct",
    "SQLRawContent",
    "SQLRun",
    "SQLRunJob",
    "SQLStepStatus",
]

_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class ReferenceKind(StrEnum):
    """What a CRDS file is to a job."""

    REFERENCE = "reference"
    """A reference file."""
    PARS = "pars"
    """A parameter reference."""
    MAPPING = "mapping"
    """A mapping of the context."""


def _to_edits(rows: Iterable[tuple[str, str, Parameters]]) -> tuple[Edit, ...]:
    return tuple(Edit(*row) for row in rows)


def _to_caveats(pairs: Iterable[tuple[str, str]]) -> tuple[Caveat, ...]:
    return tuple(Caveat(CaveatKind(kind), message) for kind, message in pairs)


class SQLBase(MappedAsDataclass, DeclarativeBase, kw_only=True):
    """A row. Rows never leave `flows.provenance`."""

    metadata = MetaData(naming_convention=_NAMES)
    type_annotation_map = {  # noqa: RUF012  # SQLAlchemy reads it from the class
        str: Text(),
        int: BigInteger(),
        datetime: UtcDateTime(),
        Parameters: json_text(),
        Mapping[str, str]: json_text(),
        tuple[str, ...]: json_text(tuple),
        tuple[Caveat, ...]: json_text(_to_caveats),
        tuple[Edit, ...]: json_text(_to_edits),
        Workload: counts_text(Workload),
        CaveatKind: enum_text(CaveatKind),
        JobState: enum_text(JobState),
        ReferenceKind: enum_text(ReferenceKind),
        RunState: enum_text(RunState),
        Stage: enum_text(Stage),
        Status: enum_text(Status),
    }


class SQLRun(SQLBase):
    """One execution of a plan."""

    __tablename__ = "run"

    id: Mapped[str] = mapped_column(primary_key=True)
    program: Mapped[str] = mapped_column(index=True)
    recipe_name: Mapped[str]
    recipe_sha256: Mapped[str]
    # All that it said, with what it extended; empty of runs before revision 0006.
    recipe_text: Mapped[str]
    context: Mapped[str]
    environment: Mapped[Mapping[str, str]]
    request: Mapped[Parameters]
    requested_by: Mapped[str]
    started_at: Mapped[datetime] = mapped_column(index=True)
    finished_at: Mapped[datetime | None]
    state: Mapped[RunState]
    message: Mapped[str | None] = mapped_column(FREE_TEXT)


class SQLRunJob(SQLBase):
    """A job as one run sees it."""

    __tablename__ = "run_job"

    run_id: Mapped[str] = mapped_column(ForeignKey("run.id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    stage: Mapped[Stage]
    name: Mapped[str]
    # No foreign key: a job has a row of its own only once it was attempted.
    fingerprint: Mapped[str | None] = mapped_column(index=True)
    state: Mapped[JobState]
    why: Mapped[str] = mapped_column(FREE_TEXT)
    blocked_by: Mapped[tuple[str, ...]]
    # What the plan knew, whoever made the products.
    caveats: Mapped[tuple[Caveat, ...]]
    updated_at: Mapped[datetime]


class SQLJob(SQLBase):
    """One stage over one exposure or association, once it was attempted."""

    __tablename__ = "job"
    __table_args__ = (Index(None, "stage", "name"),)

    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    stage: Mapped[Stage]
    name: Mapped[str]
    program: Mapped[str] = mapped_column(index=True)
    exp_type: Mapped[str]
    context: Mapped[str]
    parameters: Mapped[Parameters]
    overrides: Mapped[Parameters]
    edits: Mapped[tuple[Edit, ...]]
    association: Mapped[str | None]
    association_name: Mapped[str | None]
    versions: Mapped[Mapping[str, str]]
    crds_path: Mapped[str]
    # Empty of jobs before revision 0009.
    workload: Mapped[Workload]


class SQLJobInput(SQLBase):
    """A file that a job reads."""

    __tablename__ = "job_input"

    fingerprint: Mapped[str] = mapped_column(
        ForeignKey("job.fingerprint"), primary_key=True
    )
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(index=True)
    path: Mapped[str]
    exptype: Mapped[str]
    reason: Mapped[str]
    # Equal to the hash of the product that it is, which makes the lineage.
    sha256: Mapped[str] = mapped_column(index=True)
    content_sha256: Mapped[str]


class SQLJobReference(SQLBase):
    """A reference, parameter reference or mapping that decides a job."""

    __tablename__ = "job_reference"

    fingerprint: Mapped[str] = mapped_column(
        ForeignKey("job.fingerprint"), primary_key=True
    )
    kind: Mapped[ReferenceKind] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    # Empty for mappings.
    reftype: Mapped[str]
    # The name and what follows are null where the rules say N/A.
    name: Mapped[str | None] = mapped_column(index=True)
    sha1: Mapped[str | None]
    size_bytes: Mapped[int | None]
    mtime_ns: Mapped[int | None]


class SQLAttempt(SQLBase):
    """One try at a job."""

    __tablename__ = "attempt"

    id: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str] = mapped_column(ForeignKey("job.fingerprint"), index=True)
    run_id: Mapped[str | None] = mapped_column(ForeignKey("run.id"), index=True)
    status: Mapped[Status]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime]
    host: Mapped[str]
    # Empty of attempts before revision 0009.
    node: Mapped[str]
    elapsed_s: Mapped[float]
    cpu_s: Mapped[float]
    peak_bytes: Mapped[int]
    granted_bytes: Mapped[int]
    folder: Mapped[str]
    error_type: Mapped[str | None]
    error_message: Mapped[str | None] = mapped_column(FREE_TEXT)
    error_traceback: Mapped[str | None] = mapped_column(FREE_TEXT)
    content_version: Mapped[int]
    # Of the successes of a job the one whose products lie in the store.
    is_stored: Mapped[bool]


class SQLProduct(SQLBase):
    """A file that the success of a job made which lies in the store."""

    __tablename__ = "product"

    fingerprint: Mapped[str] = mapped_column(
        ForeignKey("job.fingerprint"), primary_key=True
    )
    name: Mapped[str] = mapped_column(primary_key=True, index=True)
    attempt_id: Mapped[str] = mapped_column(ForeignKey("attempt.id"), index=True)
    size_bytes: Mapped[int]
    mtime_ns: Mapped[int]
    sha256: Mapped[str] = mapped_column(index=True)
    content_sha256: Mapped[str]
    # Empty if it has none, or was made before it was recorded.
    pixels_sha256: Mapped[str]


class SQLStepStatus(SQLBase):
    """What a product records of a step."""

    __tablename__ = "step_status"

    attempt_id: Mapped[str] = mapped_column(ForeignKey("attempt.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    step: Mapped[str]
    status: Mapped[str]


class SQLCaveat(SQLBase):
    """Something that an attempt found and that a scientist must know."""

    __tablename__ = "caveat"

    attempt_id: Mapped[str] = mapped_column(ForeignKey("attempt.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[CaveatKind]
    message: Mapped[str] = mapped_column(FREE_TEXT)


class SQLMeasuredProduct(SQLBase):
    """A product that was measured."""

    __tablename__ = "measured_product"

    fingerprint: Mapped[str] = mapped_column(
        ForeignKey("job.fingerprint"), primary_key=True
    )
    # No foreign key: products are recorded anew when their job is.
    product: Mapped[str] = mapped_column(primary_key=True)
    sha256: Mapped[str]
    kinds_sha256: Mapped[str]
    measured_at: Mapped[datetime]


class SQLMeasurement(SQLBase):
    """A number that a product gave."""

    __tablename__ = "measurement"

    fingerprint: Mapped[str] = mapped_column(
        ForeignKey("job.fingerprint"), primary_key=True
    )
    file: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(index=True)
    part: Mapped[str]
    # Null where `why` says why it could not be taken.
    value: Mapped[float | None]
    unit: Mapped[str]
    n: Mapped[int]
    why: Mapped[str] = mapped_column(FREE_TEXT)


class SQLRawContent(SQLBase):
    """The content of a raw file, in parts; the file itself may be gone."""

    __tablename__ = "raw_content"

    content_sha256: Mapped[str] = mapped_column(primary_key=True)
    pixels_sha256: Mapped[str]
    cards: Mapped[Mapping[str, str]]


class SQLKnownFile(SQLBase):
    """The hashes of a raw file, and the state of the file that they hold for."""

    __tablename__ = "known_file"

    path: Mapped[str] = mapped_column(primary_key=True)
    size_bytes: Mapped[int]
    mtime_ns: Mapped[int]
    sha256: Mapped[str]
    content_sha256: Mapped[str]
    # Version of the content hash: one of another version says nothing.
    content_version: Mapped[int]


class SQLKnownReference(SQLBase):
    """A file of a CRDS cache whose sha1 was taken."""

    __tablename__ = "known_reference"

    # Size and time are those of one cache; the sha1 is the same in all.
    crds_path: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True, index=True)
    sha1: Mapped[str]
    size_bytes: Mapped[int]
    mtime_ns: Mapped[int]
    first_seen_at: Mapped[datetime]


class SQLFetchedFile(SQLBase):
    """One version of a file of an archive, as it was fetched."""

    __tablename__ = "fetched_file"

    # Relative to the data folder; with the name unique in it.
    folder: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True, index=True)
    program: Mapped[str] = mapped_column(index=True)
    version: Mapped[int]
    source: Mapped[str]
    uri: Mapped[str]
    size_bytes: Mapped[int]
    mtime_ns: Mapped[int]
    # Equal to that of the job inputs that it is, which makes the lineage.
    sha256: Mapped[str] = mapped_column(index=True)
    entity: Mapped[str | None]
    modified: Mapped[str | None]
    fetched_at: Mapped[datetime]
    checks: Mapped[tuple[str, ...]]


class SQLLease(SQLBase):
    """The right of one orchestrator to run a program."""

    __tablename__ = "lease"

    program: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]
    host: Mapped[str]
    pid: Mapped[int]
    acquired_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    cancelled_by: Mapped[str | None] = mapped_column(FREE_TEXT)
