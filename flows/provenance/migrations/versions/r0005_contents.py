"""What can be told apart in the content of products and raw files."""

import sqlalchemy as sa
from alembic import op

from flows.provenance.migrations.tables import create_table

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Bring the tables to this revision."""
    column = sa.Column("pixels_sha256", sa.Text(), nullable=False, server_default="")
    op.add_column("product", column)
    create_table(
        "raw_content", "content_sha256 pixels_sha256 cards", key="content_sha256"
    )
