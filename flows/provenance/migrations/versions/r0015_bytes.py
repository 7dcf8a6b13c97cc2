"""Text that PostgreSQL compares by its bytes: `flows.provenance.migration` does it."""

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Bring the tables to this revision."""
