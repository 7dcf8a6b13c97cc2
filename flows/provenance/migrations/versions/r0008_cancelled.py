"""Who has asked the orchestrator of a program to stop."""

import sqlalchemy as sa
from alembic import op

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.add_column("lease", sa.Column("cancelled_by", sa.Text(), nullable=True))
