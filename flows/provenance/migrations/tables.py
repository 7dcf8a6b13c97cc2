"""How revisions write down a table."""

from typing import Any

import sqlalchemy as sa
from alembic import op

__all__ = ["create_table"]

_TYPES: dict[str, sa.types.TypeEngine[Any]] = {
    "": sa.Text(),
    "int": sa.BigInteger(),
    "float": sa.Float(),
    "time": sa.DateTime(timezone=True),
}


def create_table(
    table: str,
    columns: str,
    *,
    key: str,
    foreign: dict[str, str] | None = None,
    indexes: tuple[str, ...] = (),
) -> None:
    """Create a table of columns ``name``, ``name:type``, or with ``?`` if nullable.

    Several columns of a key or an index are separated by blanks.
    """
    op.create_table(
        table,
        *map(_column, columns.split()),
        *(
            sa.ForeignKeyConstraint(
                own.split(),
                other.split(),
                name=op.f(f"fk_{table}_{own.replace(' ', '_')}"),
            )
            for own, other in (foreign or {}).items()
        ),
        sa.PrimaryKeyConstraint(*key.split(), name=op.f(f"pk_{table}")),
    )
    for index in indexes:
        names = index.split()
        op.create_index(op.f(f"ix_{table}_{'_'.join(names)}"), table, names)


def _column(text: str) -> sa.Column[object]:
    name, _, kind = text.removesuffix("?").partition(":")
    return sa.Column(
        name, _TYPES[kind], autoincrement=False, nullable=text.endswith("?")
    )
