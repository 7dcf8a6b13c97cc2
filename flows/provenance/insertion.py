"""Insertion: many rows of a table in one statement, past the ORM and its parameters."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from math import isfinite
from typing import Literal

from sqlalchemy import (
    JSON,
    Column,
    Dialect,
    Float,
    Table,
    Text,
    bindparam,
    cast,
    column,
    func,
    inspect,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from .schema import SQLBase

__all__ = ["insert_missing", "insert_rows", "upsert"]

_Row = Mapping[str, object]
_Known = Literal["update", "keep", "refuse"]
"""What is done about a row that is there."""
_Write = Callable[[object], object]
"""Turns a value into what the driver takes."""
_Insert = postgresql.Insert | sqlite.Insert

_to_json = json.JSONEncoder(
    default=datetime.isoformat, check_circular=False, separators=(",", ":")
).encode


def upsert(session: Session, table: type[SQLBase], rows: Iterable[_Row]) -> None:
    """Insert rows, or update those that are there; of two with one key the last."""
    _insert(session, table, "update", _order(table, rows))


def insert_missing(
    session: Session, table: type[SQLBase], rows: Iterable[_Row]
) -> None:
    """Insert rows, but for those that are there, which stay as they are."""
    _insert(session, table, "keep", _order(table, rows))


def insert_rows(session: Session, table: type[SQLBase], rows: Sequence[_Row]) -> None:
    """Insert rows that are not there."""
    _insert(session, table, "refuse", rows)


def _order(table: type[SQLBase], rows: Iterable[_Row]) -> Sequence[_Row]:
    """Keep one row of a key, in one order for all writers: no two wait for each other.

    Of two rows with one key the last is kept.
    """
    keys = _list_keys(table)
    last = {tuple(row[name] for name in keys): row for row in rows}
    return [last[key] for key in sorted(last, key=str)]


def _insert(
    session: Session, table: type[SQLBase], known: _Known, rows: Sequence[_Row]
) -> None:
    if not rows:
        return
    names = tuple(rows[0])
    connection = session.connection()
    dialect = connection.dialect
    if dialect.name == "sqlite":
        text, order = _make_for_sqlite(table, names, known, dialect)
        values = zip(*_write(table, order, dialect, rows), strict=True)
        connection.exec_driver_sql(text, [*values])
    else:
        values = zip(*_write(table, names, dialect, rows), strict=True)
        records = [dict(zip(names, each, strict=True)) for each in values]
        statement = _make_for_postgresql(table, names, known)
        connection.execute(statement, {"records": _to_json(records)})


def _write(
    table: type[SQLBase], names: Sequence[str], dialect: Dialect, rows: Sequence[_Row]
) -> list[list[object]]:
    """Write the columns of rows as the driver takes them."""
    columns = []
    writers = _find_writers(table, tuple(names), dialect)
    for name, write in zip(names, writers, strict=True):
        values = [row[name] for row in rows]
        columns.append([write(value) for value in values] if write else values)
    return columns


@lru_cache(maxsize=256)
def _find_writers(
    table: type[SQLBase], names: tuple[str, ...], dialect: Dialect
) -> Sequence[_Write | None]:
    columns = _get_table(table).columns
    return [_find_writer(columns[name], dialect) for name in names]


def _find_writer(column: Column[object], dialect: Dialect) -> _Write | None:
    if dialect.name == "postgresql" and isinstance(column.type, Float):
        return _write_number
    return column.type.dialect_impl(dialect).bind_processor(dialect)


def _write_number(value: object) -> object:
    """Write what JSON has no number for as the text that PostgreSQL reads."""
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    return value


@lru_cache(maxsize=256)
def _make_for_sqlite(
    table: type[SQLBase], names: tuple[str, ...], known: _Known, dialect: Dialect
) -> tuple[str, Sequence[str]]:
    """Make a statement for the driver, and name its parameters in their order.

    SQLAlchemy would check and name the parameters of each row, which takes half as long
    as to insert it.
    """
    statement = _settle(table, sqlite.insert(_get_table(table)), known)
    compiled = statement.compile(dialect=dialect, column_keys=[*names])
    return str(compiled), compiled.positiontup or ()


@lru_cache(maxsize=256)
def _make_for_postgresql(
    table: type[SQLBase], names: tuple[str, ...], known: _Known
) -> _Insert:
    """Make a statement that takes all rows as one parameter.

    To send them one by one takes longer than all else of a record.
    """
    columns = _get_table(table).columns
    given = func.json_to_recordset(cast(bindparam("records", type_=Text), JSON))
    rows = given.table_valued(*(column(name, columns[name].type) for name in names))
    rows = rows.render_derived(with_types=True)
    insert = postgresql.insert(_get_table(table))
    return _settle(table, insert.from_select(names, select(*rows.c)), known)


def _settle(table: type[SQLBase], insert: _Insert, known: _Known) -> _Insert:
    """Say what is done about rows that are there."""
    if known == "refuse":
        return insert
    if known == "keep":
        return insert.on_conflict_do_nothing()
    return insert.on_conflict_do_update(
        index_elements=_list_keys(table),
        set_={
            column.name: insert.excluded[column.name]
            for column in inspect(table).columns
            if not column.primary_key
        },
    )


def _get_table(table: type[SQLBase]) -> Table:
    found = inspect(table).local_table
    assert isinstance(found, Table)
    return found


def _list_keys(table: type[SQLBase]) -> list[str]:
    return [column.name for column in inspect(table).primary_key]
