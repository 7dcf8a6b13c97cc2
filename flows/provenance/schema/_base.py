"""What all tables share: names of constraints, and types that no backend bends."""

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, MetaData, Text
from sqlalchemy.orm import DeclarativeBase, MappedAsDataclass
from sqlalchemy.types import TypeDecorator

__all__ = ["FreeText", "JsonText", "SQLBase", "UtcDateTime"]

_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


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
        """Give UTC, whatever the time zone of the server's session."""
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


class JsonText(TypeDecorator[Any]):
    """JSON as text with sorted keys.

    The JSON type of PostgreSQL refuses NaN and infinity, which parameters may hold.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str:
        """Write JSON."""
        del dialect
        return json.dumps(value, sort_keys=True)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """Read JSON."""
        del dialect
        return None if value is None else json.loads(value)


class SQLBase(MappedAsDataclass, DeclarativeBase, kw_only=True):
    """A row. Rows never leave `flows.provenance`."""

    metadata = MetaData(naming_convention=_NAMES)
    type_annotation_map = {  # noqa: RUF012  # SQLAlchemy reads it from the class
        str: Text(),
        int: BigInteger(),
        datetime: UtcDateTime(),
    }
