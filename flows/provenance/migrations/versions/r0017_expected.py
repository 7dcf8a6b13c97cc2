"""What jobs of runs were expected to take."""

import sqlalchemy as sa
from alembic import op

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Bring the tables to this revision."""
    for name, kind in (("expected_s", sa.Float()), ("expected_bytes", sa.BigInteger())):
        op.add_column(
            "run_job", sa.Column(name, kind, nullable=False, server_default="0")
        )
