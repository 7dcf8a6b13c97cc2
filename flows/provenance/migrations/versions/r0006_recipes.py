"""What the recipes of runs said, edits of jobs, and what was measured of products."""

import sqlalchemy as sa
from alembic import op

from flows.provenance.migrations.tables import create_table

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Bring the tables to this revision."""
    column = sa.Column("recipe_text", sa.Text(), nullable=False, server_default="")
    op.add_column("run", column)
    column = sa.Column("edits", sa.Text(), nullable=False, server_default="[]")
    op.add_column("job", column)
    create_table(
        "measured_product",
        "fingerprint product sha256 kinds_sha256 measured_at:time",
        key="fingerprint product",
        foreign={"fingerprint": "job.fingerprint"},
    )
    create_table(
        "measurement",
        "fingerprint file position:int name part value:float? unit n:int why",
        key="fingerprint file position",
        foreign={"fingerprint": "job.fingerprint"},
        indexes=("name",),
    )
