"""The environment of alembic: migrates over the connection that it is given."""

from typing import Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy.types import TypeDecorator

from flows.provenance.schema import SQLBase

__all__: list[str] = []


def _render(kind: str, item: object, autogen: AutogenContext) -> str | Literal[False]:
    """Write our own types as what they are in the database: revisions stay as is."""
    del autogen
    if kind == "type" and isinstance(item, TypeDecorator):
        return f"sa.{item.impl!r}"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLBase.metadata,
    render_item=_render,
    # SQLite can alter a table only by making it anew.
    render_as_batch=True,
    # True of both backends, though alembic does not trust SQLite with it.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
