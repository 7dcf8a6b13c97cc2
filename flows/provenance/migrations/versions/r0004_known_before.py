"""What was known before a job ran, and which success lies in the store."""

import json
from collections import defaultdict

import sqlalchemy as sa
from alembic import op

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0004"
down_revision = "0003"

_KINDS = ("PARTIAL", "MIXED_PROVENANCE")


def upgrade() -> None:
    """Bring the tables to this revision."""
    column = sa.Column("caveats", sa.Text(), nullable=False, server_default="[]")
    op.add_column("run_job", column)
    _move_caveats()
    op.drop_column("job", "partial")
    op.drop_column("job", "elsewhere")
    column = sa.Column(
        "is_stored", sa.Boolean(), nullable=False, server_default=sa.false()
    )
    op.add_column("attempt", column)
    _mark_stored()


def _move_caveats() -> None:
    """Move what was known to the job of the run that made the attempt.

    Attempts whose run is not known lose it: the products may be whole by now.
    """
    run_job, attempt, caveat = (
        sa.table("run_job", *map(sa.column, ("run_id", "fingerprint", "caveats"))),
        sa.table("attempt", *map(sa.column, ("id", "run_id", "fingerprint"))),
        sa.table(
            "caveat", *map(sa.column, ("attempt_id", "position", "kind", "message"))
        ),
    )
    known = caveat.c.kind.in_(_KINDS)
    query = (
        sa.select(
            attempt.c.run_id, attempt.c.fingerprint, caveat.c.kind, caveat.c.message
        )
        .where(attempt.c.id == caveat.c.attempt_id, known)
        .order_by(attempt.c.id, caveat.c.position)
    )
    connection = op.get_bind()
    found: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for run_id, fingerprint, kind, message in connection.execute(query):
        found[run_id, fingerprint].append((kind, message))
    for (run_id, fingerprint), caveats in found.items():
        connection.execute(
            sa.update(run_job)
            .where(run_job.c.run_id == run_id, run_job.c.fingerprint == fingerprint)
            .values(caveats=json.dumps(caveats))
        )
    connection.execute(sa.delete(caveat).where(known))


def _mark_stored() -> None:
    """Take the newest success for what lies in the store, as was done until now.

    Where it is not, the store is looked at when the job is met.
    """
    attempt = sa.table(
        "attempt",
        *map(sa.column, ("id", "fingerprint", "status", "finished_at", "is_stored")),
    )
    query = (
        sa.select(attempt.c.fingerprint, attempt.c.id)
        .where(attempt.c.status == "SUCCEEDED")
        .order_by(attempt.c.finished_at, attempt.c.id)
    )
    connection = op.get_bind()
    newest = dict(connection.execute(query).tuples().all())
    if newest:
        connection.execute(
            sa.update(attempt)
            .where(attempt.c.id == sa.bindparam("stored"))
            .values(is_stored=sa.true()),
            [{"stored": attempt_id} for attempt_id in newest.values()],
        )
