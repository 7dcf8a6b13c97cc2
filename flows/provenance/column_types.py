"""Types of columns: what a record holds, in what every backend holds alike."""

import json
from collections.abc import Callable
from dataclasses import astuple
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import DateTime, Dialect, Text
from sqlalchemy.types import TypeDecorator

__all__ = ["EnumText", "FreeText", "JsonText", "UtcDateTime"]


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


class FreeText(TypeDecorator[str]):
    """Text that others wrote (messages, tracebacks), in what every backend holds.

    PostgreSQL refuses NUL, and UTF-8 lone surrogates; both are shown escaped.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Escape what cannot be stored."""
        del dialect
        if value is None:
            return None
        text = value.replace("\x00", "\\x00")
        return text.encode("utf-8", "backslashreplace").decode("utf-8")


class EnumText(TypeDecorator[StrEnum]):
    """A member of an enumeration, by its value."""

    impl = Text
    cache_ok = True

    def __init__(self, enum: type[StrEnum]) -> None:
        super().__init__()
        self.enum = enum

    def process_bind_param(self, value: StrEnum | None, dialect: Dialect) -> str | None:
        """Write the value."""
        del dialect
        return None if value is None else value.value

    def process_result_value(
        self, value: str | None, dialect: Dialect
    ) -> StrEnum | None:
        """Find the member."""
        del dialect
        return None if value is None else self.enum(value)


class JsonText(TypeDecorator[Any]):
    """JSON as text with sorted keys; dataclasses in it become lists.

    The JSON type of PostgreSQL refuses NaN and infinity, which parameters may hold.
    `build` makes the value of the column from what JSON gives.
    """

    impl = Text
    cache_ok = True

    def __init__(self, build: Callable[[Any], object] | None = None) -> None:
        super().__init__()
        self.build = build

    def process_bind_param(self, value: Any, dialect: Dialect) -> str:
        """Write JSON."""
        del dialect
        return json.dumps(value, sort_keys=True, default=astuple)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """Read JSON."""
        del dialect
        if value is None:
            return None
        found = json.loads(value)
        return found if self.build is None else self.build(found)
