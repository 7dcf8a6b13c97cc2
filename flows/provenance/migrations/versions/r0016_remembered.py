"""What was resolved, and headers of raw files."""

from flows.provenance.migrations.tables import create_table

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Bring the tables to this revision."""
    create_table("resolution_answer", "sha256 text", key="sha256")
    create_table(
        "resolution",
        "question answer_sha256 cubes asked_at:time",
        key="question answer_sha256",
        foreign={"answer_sha256": "resolution_answer.sha256"},
        indexes=("answer_sha256",),
    )
    create_table(
        "known_header",
        "path size_bytes:int mtime_ns:int software header defect?",
        key="path",
    )
