"""Outcomes of attempts as rows and back; no database in sight."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from workers.contract import (
    Caveat,
    CaveatKind,
    ErrorInfo,
    Job,
    Outcome,
    Product,
    Status,
    StepStatus,
    Usage,
)

from .schema import SQLAttempt, SQLCaveat, SQLProduct, SQLStepStatus

__all__ = [
    "caveat_rows",
    "from_outcome",
    "product_rows",
    "step_rows",
    "to_caveats",
    "to_outcome",
    "to_product",
    "to_usage",
]


def from_outcome(outcome: Outcome, *, run_id: str | None) -> SQLAttempt:
    """Make the row of an attempt; a success is taken for what lies in the store."""
    error = outcome.error
    return SQLAttempt(
        id=outcome.attempt,
        fingerprint=outcome.job.fingerprint,
        run_id=run_id,
        status=outcome.status.value,
        started_at=_to_time(outcome.started_at),
        finished_at=_to_time(outcome.finished_at),
        host=outcome.host,
        elapsed_s=outcome.usage.elapsed_s,
        cpu_s=outcome.usage.cpu_s,
        peak_bytes=outcome.usage.peak_bytes,
        granted_bytes=outcome.usage.granted_bytes,
        folder=outcome.folder,
        error_type=error.type if error else None,
        error_message=error.message if error else None,
        error_traceback=error.traceback if error else None,
        content_version=outcome.content_version,
        is_stored=outcome.status is Status.SUCCEEDED,
    )


def product_rows(outcome: Outcome) -> Iterator[SQLProduct]:
    """Make the rows of what a success made."""
    for product in outcome.products:
        yield SQLProduct(
            fingerprint=outcome.job.fingerprint,
            name=product.name,
            attempt_id=outcome.attempt,
            size_bytes=product.size_bytes,
            mtime_ns=product.mtime_ns,
            sha256=product.sha256,
            content_sha256=product.content_sha256,
            pixels_sha256=product.pixels_sha256,
        )


def caveat_rows(outcome: Outcome) -> Iterator[SQLCaveat]:
    """Make the rows of the caveats of an attempt."""
    for position, caveat in enumerate(outcome.caveats):
        yield SQLCaveat(
            attempt_id=outcome.attempt,
            position=position,
            kind=caveat.kind.value,
            message=caveat.message,
        )


def step_rows(outcome: Outcome) -> Iterator[SQLStepStatus]:
    """Make the rows of the steps of an attempt."""
    for position, step in enumerate(outcome.steps):
        yield SQLStepStatus(
            attempt_id=outcome.attempt,
            position=position,
            step=step.step,
            status=step.status,
        )


def to_outcome(
    row: SQLAttempt,
    job: Job,
    *,
    products: Iterable[SQLProduct],
    steps: Iterable[SQLStepStatus],
    caveats: Iterable[SQLCaveat],
) -> Outcome:
    """Make an outcome of the rows of its attempt."""
    return Outcome(
        job=job,
        attempt=row.id,
        status=Status(row.status),
        started_at=row.started_at.isoformat(),
        finished_at=row.finished_at.isoformat(),
        host=row.host,
        usage=to_usage(row),
        folder=row.folder,
        products=tuple(to_product(item) for item in products),
        steps=tuple(StepStatus(step=item.step, status=item.status) for item in steps),
        caveats=to_caveats(caveats),
        error=_to_error(row),
        content_version=row.content_version,
    )


def to_product(row: SQLProduct) -> Product:
    """Make a product of its row."""
    return Product(
        name=row.name,
        size_bytes=row.size_bytes,
        mtime_ns=row.mtime_ns,
        sha256=row.sha256,
        content_sha256=row.content_sha256,
        pixels_sha256=row.pixels_sha256,
    )


def to_caveats(rows: Iterable[SQLCaveat]) -> tuple[Caveat, ...]:
    """Make caveats of their rows."""
    return tuple(Caveat(CaveatKind(row.kind), row.message) for row in rows)


def to_usage(row: SQLAttempt) -> Usage:
    """Take what an attempt took from its row."""
    return Usage(
        elapsed_s=row.elapsed_s,
        cpu_s=row.cpu_s,
        peak_bytes=row.peak_bytes,
        granted_bytes=row.granted_bytes,
    )


def _to_error(row: SQLAttempt) -> ErrorInfo | None:
    if row.error_type is None:
        return None
    return ErrorInfo(
        type=row.error_type,
        message=row.error_message or "",
        traceback=row.error_traceback or "",
    )


def _to_time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    # The contract says UTC, with or without its mark.
    return time.replace(tzinfo=time.tzinfo or UTC)
