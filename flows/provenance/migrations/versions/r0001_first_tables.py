"""The first tables."""

from typing import Any

import sqlalchemy as sa
from alembic import op

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0001"
down_revision = None

_TYPES: dict[str, sa.types.TypeEngine[Any]] = {
    "": sa.Text(),
    "int": sa.BigInteger(),
    "float": sa.Float(),
    "time": sa.DateTime(timezone=True),
}


def upgrade() -> None:
    """Bring the tables to this revision."""
    _create(
        "job",
        "fingerprint stage name program exp_type context parameters overrides "
        "association? association_name? versions crds_path partial",
        key="fingerprint",
        indexes=("program", "stage name"),
    )
    _create(
        "known_file",
        "path size_bytes:int mtime_ns:int sha256 content_sha256 content_version:int",
        key="path",
    )
    _create(
        "known_reference",
        "crds_path name sha1 size_bytes:int mtime_ns:int first_seen_at:time",
        key="crds_path name",
        indexes=("name",),
    )
    _create(
        "lease",
        "program owner host pid:int acquired_at:time expires_at:time",
        key="program",
    )
    _create(
        "run",
        "id program recipe_name recipe_sha256 context environment request "
        "requested_by started_at:time finished_at:time? state message?",
        key="id",
        indexes=("program", "started_at"),
    )
    _create(
        "attempt",
        "id fingerprint run_id? status started_at:time finished_at:time host "
        "elapsed_s:float cpu_s:float peak_bytes:int granted_bytes:int folder "
        "error_type? error_message? error_traceback? content_version:int",
        key="id",
        foreign={"fingerprint": "job.fingerprint", "run_id": "run.id"},
        indexes=("fingerprint", "run_id"),
    )
    _create(
        "job_input",
        "fingerprint position:int name path exptype reason sha256 content_sha256",
        key="fingerprint position",
        foreign={"fingerprint": "job.fingerprint"},
        indexes=("name", "sha256"),
    )
    _create(
        "job_reference",
        "fingerprint kind position:int reftype name? sha1? size_bytes:int? "
        "mtime_ns:int?",
        key="fingerprint kind position",
        foreign={"fingerprint": "job.fingerprint"},
        indexes=("name",),
    )
    _create(
        "run_job",
        "run_id key stage name fingerprint? state why blocked_by updated_at:time",
        key="run_id key",
        foreign={"run_id": "run.id"},
        indexes=("fingerprint",),
    )
    _create(
        "caveat",
        "attempt_id position:int kind message",
        key="attempt_id position",
        foreign={"attempt_id": "attempt.id"},
    )
    _create(
        "product",
        "fingerprint name attempt_id size_bytes:int mtime_ns:int sha256 content_sha256",
        key="fingerprint name",
        foreign={"attempt_id": "attempt.id", "fingerprint": "job.fingerprint"},
        indexes=("attempt_id", "name", "sha256"),
    )
    _create(
        "step_status",
        "attempt_id position:int step status",
        key="attempt_id position",
        foreign={"attempt_id": "attempt.id"},
    )


def _create(
    table: str,
    columns: str,
    *,
    key: str,
    foreign: dict[str, str] | None = None,
    indexes: tuple[str, ...] = (),
) -> None:
    """Create a table of columns ``name``, ``name:type``, or with ``?`` if nullable."""
    op.create_table(
        table,
        *map(_column, columns.split()),
        *(
            sa.ForeignKeyConstraint([own], [other], name=op.f(f"fk_{table}_{own}"))
            for own, other in (foreign or {}).items()
        ),
        sa.PrimaryKeyConstraint(*key.split(), name=op.f(f"pk_{table}")),
    )
    for index in indexes:
        names = index.split()
        op.create_index(op.f(f"ix_{table}_{'_'.join(names)}"), table, names)


def _column(text: str) -> sa.Column[object]:
    name, _, kind = text.removesuffix("?").partition(":")
    return sa.Column(
        name, _TYPES[kind], autoincrement=False, nullable=text.endswith("?")
    )
