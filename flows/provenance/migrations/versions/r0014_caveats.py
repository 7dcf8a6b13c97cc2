"""Which attempts have a caveat of a kind."""

from alembic import op

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.create_index(op.f("ix_caveat_kind"), "caveat", ["kind"])
