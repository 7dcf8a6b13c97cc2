"""Files that were fetched from an archive."""

from flows.provenance.migrations.tables import create_table

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Bring the tables to this revision."""
    create_table(
        "fetched_file",
        "folder name program version:int source uri size_bytes:int mtime_ns:int sha256 "
        "entity? modified? fetched_at:time checks",
        key="folder name",
        indexes=("name", "program", "sha256"),
    )
