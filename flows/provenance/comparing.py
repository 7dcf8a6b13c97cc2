"""Comparing: two databases row by row, whatever their backends."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Table,
    Text,
    collate,
    select,
    type_coerce,
)

from ..models.findings import RowDifference
from .column_types import ConvertedText, UtcDateTime
from .schema import SQLBase
from .sessions import Tables

__all__ = ["CACHES", "Rows", "compare"]

CACHES: Final = {
    "lease": "who runs a program now is true of now alone",
    "exposure": "what headers in the archive say, which the next run reads again",
    "program": "likewise",
    "known_header": "likewise",
    "resolution": "what workers answer, whom the next run asks again",
    "resolution_answer": "likewise",
    "product.mtime_ns": "when a product was last found as it was made",
}
"""Tables and columns that are not compared, each with why."""

_AT_ONCE: Final = 1000
"""Rows that are fetched at a time."""

_Row = tuple[tuple[Any, ...], dict[str, Any]]


class Rows(Tables):
    """All rows of all tables."""

    def stream(self, table: Table) -> Iterator[_Row]:
        """Give each row of a table with its key, in the order of keys."""
        names = [column.name for column in table.primary_key]
        with self._sessions.read() as session:
            backend = session.get_bind().dialect.name
            order = [_sortable(table.c[name], backend) for name in names]
            query = select(*(_plain(one, backend) for one in table.c)).order_by(*order)
            rows = session.execute(query.execution_options(yield_per=_AT_ONCE))
            times = [c.name for c in table.c if isinstance(c.type, UtcDateTime)]
            for row in rows.mappings():
                told = {**row, **{name: _to_time(row[name]) for name in times}}
                yield tuple(told[name] for name in names), told


def compare(found: Rows, expected: Rows) -> Iterator[RowDifference]:
    """Find the rows that differ, or that one of two databases lacks."""
    for table in SQLBase.metadata.sorted_tables:
        if table.name not in CACHES:
            yield from _compare(table, found, expected)


def _compare(table: Table, found: Rows, expected: Rows) -> Iterator[RowDifference]:
    """Go through a table of both at once."""
    left, right = found.stream(table), expected.stream(table)
    one, other = next(left, None), next(right, None)
    while one is not None or other is not None:
        if other is None or (one is not None and _order(one) < _order(other)):
            assert one is not None
            yield RowDifference(table.name, one[0], one[1], None)
            one = next(left, None)
        elif one is None or _order(other) < _order(one):
            yield RowDifference(table.name, other[0], None, other[1])
            other = next(right, None)
        else:
            if differing := _differ(table, one[1], other[1]):
                yield RowDifference(
                    table.name,
                    one[0],
                    {name: one[1][name] for name in differing},
                    {name: other[1][name] for name in differing},
                )
            one, other = next(left, None), next(right, None)


def _differ(table: Table, one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    return [
        name
        for name in one
        if one[name] != other[name] and f"{table.name}.{name}" not in CACHES
    ]


def _order(row: _Row) -> list[tuple[bool, Any]]:
    """Order keys as SQLite does, which lets a number be a text."""
    return [(isinstance(part, str), part) for part in row[0]]


def _plain(column: Column[Any], backend: str) -> ColumnElement[Any]:
    """Take what is stored, which may mean nothing to us once somebody has changed it.

    Times of SQLite are text, and its truths are numbers.
    """
    is_text = isinstance(column.type, ConvertedText) or (
        isinstance(column.type, UtcDateTime) and backend == "sqlite"
    )
    if is_text:
        return type_coerce(column, Text()).label(column.name)
    if isinstance(column.type, Boolean) and backend == "sqlite":
        return type_coerce(column, BigInteger()).label(column.name)
    return column


def _to_time(value: object) -> object:
    """Turn a time of SQLite into that of PostgreSQL."""
    if isinstance(value, str):
        with suppress(ValueError):
            return datetime.fromisoformat(value).replace(tzinfo=UTC)
    return value


def _sortable(column: ColumnElement[Any], backend: str) -> ColumnElement[Any]:
    """Order text by its bytes, as SQLite and Python do."""
    is_text = isinstance(column.type, Text) or isinstance(
        getattr(column.type, "impl", None), Text
    )
    return collate(column, "C") if is_text and backend == "postgresql" else column
