"""Rows and records: a column holds the field of its name.

Whatever has another name or shape in the table than in the record is named by the
caller, so a new column or field needs no line outside the table and the record.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import inspect

from .schema import SQLBase

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["to_fields", "to_record", "to_records", "to_row", "to_values"]

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
    names, read = _make_reader(table, tuple(others))
    if record is None:
        return dict.fromkeys(names) | others
    return dict(zip(names, read(record), strict=True)) | others


def to_record(kind: type[_Record], row: SQLBase, **others: object) -> _Record:
    """Make a record of a row; `others` are the fields that are not columns of it."""
    names = [name for name in _fields(kind) if name not in others]
    values = {name: getattr(row, name) for name in names}
    make: Callable[..., _Record] = kind
    return make(**values, **others)


def to_records(kind: type[_Record], rows: Iterable[SQLBase]) -> tuple[_Record, ...]:
    """Make a record of each row."""
    return tuple(to_record(kind, row) for row in rows)


def to_fields(record: "DataclassInstance") -> dict[str, object]:
    """Make the values of the columns that hold the fields of a record, as they are."""
    return {name: getattr(record, name) for name in _fields(type(record))}


@cache
def _make_reader(
    table: type[SQLBase], others: tuple[str, ...]
) -> tuple[Sequence[str], Callable[[object], tuple[object, ...]]]:
    """List the columns that are fields of a record, and make what reads these."""
    names = [column.key for column in inspect(table).column_attrs]
    names = [name for name in names if name not in others]
    if len(names) > 1:
        return names, attrgetter(*names)
    return names, lambda record: tuple(getattr(record, name) for name in names)


@cache
def _fields(kind: "type[DataclassInstance]") -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))
