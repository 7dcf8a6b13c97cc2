"""How many wavelengths the spectra of sources have."""

import sqlalchemy as sa
from alembic import op

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.add_column("product_source", sa.Column("samples", sa.BigInteger()))
