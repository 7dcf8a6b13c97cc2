"""How large jobs are."""

import sqlalchemy as sa
from alembic import op

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Bring the tables to this revision."""
    column = sa.Column("workload", sa.Text(), nullable=False, server_default="{}")
    op.add_column("job", column)
