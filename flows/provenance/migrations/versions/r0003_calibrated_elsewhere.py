"""What of the inputs of a job was calibrated elsewhere."""

import sqlalchemy as sa
from alembic import op

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Bring the tables to this revision."""
    column = sa.Column("elsewhere", sa.Text(), nullable=False, server_default="[]")
    op.add_column("job", column)
