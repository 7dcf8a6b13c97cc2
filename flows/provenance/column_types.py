"""Types of columns: what a record holds, in what every backend holds alike."""

import json
from collections.abc import Callable
from dataclasses import astuple, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import DateTime, Dialect, Text
from sqlalchemy.types import TypeDecorator

__all__ = [
    "FREE_TEXT",
    "ConvertedText",
    "UtcDateTime",
    "counts_text",
    "enum_text",
    "json_text",
]


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time; SQLite would lose the time zone without it."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(
        self, value: datetime | None, dialect: Dialect
    ) -> datetime | None:
        """Turn any aware time to UTC and refuse a naive one."""
        del dialect
        if value is not None and value.tzinfo is None:
            raise ValueError(f"expected an aware time, got {value.isoformat()}")
        return None if value is None else value.astimezone(UTC)

    def process_result_value(
        self, value: datetime | None, dialect: Dialect
    ) -> datetime | None:
        """Return UTC, whatever the time zone of the server's session."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)


class ConvertedText(TypeDecorator[Any]):
    """Text that is written and read by a function each."""

    impl = Text
    cache_ok = True

    def __init__(
        self, write: Callable[[Any], str], read: Callable[[str], object]
    ) -> None:
        super().__init__()
        self.write = write
        self.read = read

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Write it."""
        del dialect
        return None if value is None else self.write(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """Read it."""
        del dialect
        return None if value is None else self.read(value)


def _escape(value: str) -> str:
    text = value.replace("\x00", "\\x00")
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


FREE_TEXT: Final = ConvertedText(_escape, str)
"""Text that others wrote (messages, tracebacks), in what every backend holds.

PostgreSQL refuses NUL, and UTF-8 lone surrogates; both are shown escaped."""


def enum_text(enum: type[StrEnum]) -> ConvertedText:
    """Make the type of a member of an enumeration, by its value."""
    return ConvertedText(str, enum)


def counts_text(kind: type[Any]) -> ConvertedText:
    """Make the type of a dataclass of numbers, by field; `{}` is all its defaults."""
    names = sorted(field.name for field in fields(kind))

    def write(value: object) -> str:
        # As `asdict` does, which copies deeply: a tenth of the time of recording.
        return _to_json({name: getattr(value, name) for name in names})

    return ConvertedText(write, lambda text: kind(**json.loads(text)))


_to_json = json.JSONEncoder(sort_keys=True, default=astuple).encode


def json_text(build: Callable[[Any], object] | None = None) -> ConvertedText:
    """Make the type of JSON with sorted keys; dataclasses in it become lists.

    The JSON type of PostgreSQL refuses NaN and infinity, which parameters may hold.
    `build` makes the value of the column from what JSON gives.
    """
    if build is None:
        return ConvertedText(_to_json, json.loads)
    return ConvertedText(_to_json, lambda text: build(json.loads(text)))
