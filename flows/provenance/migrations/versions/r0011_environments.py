"""What was installed where jobs and runs ran."""

import sqlalchemy as sa
from alembic import op

from flows.provenance.migrations.tables import create_table

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Bring the tables to this revision."""
    create_table(
        "environment",
        "sha256 lock_sha256 python system machine cpu_flags container",
        key="sha256",
    )
    create_table(
        *("distribution", "environment_sha256 name version"),
        key="environment_sha256 name",
        foreign={"environment_sha256": "environment.sha256"},
        indexes=("name version",),
    )
    name = "environment_sha256"
    for table in ("attempt", "run"):
        column = sa.Column(name, sa.Text(), nullable=False, server_default="")
        op.add_column(table, column)
        op.create_index(op.f(f"ix_{table}_{name}"), table, [name])
