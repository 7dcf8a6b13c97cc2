"""Where products of runs are published."""

from flows.provenance.migrations.tables import create_table

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Bring the tables to this revision."""
    create_table(
        "run_export",
        "run_id target kinds exported_at:time",
        key="run_id target",
        foreign={"run_id": "run.id"},
    )
