"""Migrations of the tables, for alembic; `flows.provenance.migration` runs them."""

__all__: list[str] = []
