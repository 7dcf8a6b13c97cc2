"""What the recipes of runs said, whatever becomes of their files, and edits of jobs."""

import sqlalchemy as sa
from alembic import op

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Bring the tables to this revision."""
    column = sa.Column("recipe_text", sa.Text(), nullable=False, server_default="")
    op.add_column("run", column)
    column = sa.Column("edits", sa.Text(), nullable=False, server_default="[]")
    op.add_column("job", column)
