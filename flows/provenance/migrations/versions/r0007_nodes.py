"""On which Dask worker an attempt was made."""

import sqlalchemy as sa
from alembic import op

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Bring the tables to this revision."""
    column = sa.Column("node", sa.Text(), nullable=False, server_default="")
    op.add_column("attempt", column)
