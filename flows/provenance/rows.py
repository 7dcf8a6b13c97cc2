"""Rows and records: a column holds the field of its name.

Whatever has another name or shape in the table than in the record is named by the
caller, so a new column or field needs no line outside the table and the record.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import inspect

from .schema import SQLBase

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["to_record", "to_records", "to_row", "to_values"]

_Record = TypeVar("_Record", bound="DataclassInstance")
_Row = TypeVar("_Row", bound=SQLBase)


def to_row(
    table: type[_Row], record: "DataclassInstance | None", **others: object
) -> _Row:
    """Make the row of a record, as `to_values` does."""
    make: Callable[..., _Row] = table
    return make(**to_values(table, record, **others))


def to_values(
    table: type[SQLBase], record: "DataclassInstance | None", **others: object
) -> Mapping[str, object]:
    """Make the values of the row of a record, for insertion in bulk.

    `others` are the columns that are not fields of the record; without a record all
    others are null.
    """
    names = [name for name in _columns(table) if name not in others]
    if record is None:
        return dict.fromkeys(names) | others
    return {name: getattr(record, name) for name in names} | others


def to_record(kind: type[_Record], row: SQLBase, **others: object) -> _Record:
    """Make a record of a row; `others` are the fields that are not columns of it."""
    names = [name for name in _fields(kind) if name not in others]
    values = {name: getattr(row, name) for name in names}
    make: Callable[..., _Record] = kind
    return make(**values, **others)


def to_records(kind: type[_Record], rows: Iterable[SQLBase]) -> tuple[_Record, ...]:
    """Make a record of each row."""
    return tuple(to_record(kind, row) for row in rows)


@cache
def _columns(table: type[SQLBase]) -> tuple[str, ...]:
    return tuple(inspect(table).columns.keys())


@cache
def _fields(kind: "type[DataclassInstance]") -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))
