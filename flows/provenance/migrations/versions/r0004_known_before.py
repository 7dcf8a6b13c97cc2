"""Caveats that were known before a job ran go to the run that knew them."""

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


def _move_caveats() -> None:
    """Give what was known to the job of the run that made the attempt.

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
