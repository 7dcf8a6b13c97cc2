"""What can be told apart in the content of products and raw files."""

import sqlalchemy as sa
from alembic import op

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Bring the tables to this revision."""
    column = sa.Column("pixels_sha256", sa.Text(), nullable=False, server_default="")
    op.add_column("product", column)
    op.create_table(
        "raw_content",
        sa.Column("content_sha256", sa.Text(), nullable=False),
        sa.Column("pixels_sha256", sa.Text(), nullable=False),
        sa.Column("cards", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("content_sha256", name=op.f("pk_raw_content")),
    )
