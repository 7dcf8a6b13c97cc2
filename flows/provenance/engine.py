"""The engine: how this service connects to SQLite and PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from sqlite3 import Connection as SQLiteConnection
from sqlite3 import Error as SQLiteError

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry

from ..errors import StoreError

__all__ = ["BEGIN_IMMEDIATE", "make_engine", "mapped_errors"]

BEGIN_IMMEDIATE = {"rewebb_begin": "BEGIN IMMEDIATE"}
"""Execution option of a transaction that writes; only SQLite looks at it."""

_BUSY_TIMEOUT_S = 60
"""How long SQLite waits for another writer."""

_CONNECT_TIMEOUT_S = 15
"""How long PostgreSQL has to answer."""


def make_engine(url: str) -> Engine:
    """Make the engine for a database; nothing is read or written but its folder.

    Parameters
    ----------
    url
        SQLAlchemy URL, ``sqlite://`` or ``postgresql://`` (psycopg 3).

    Raises
    ------
    StoreError
        The URL means nothing, is of another type of database, its driver is
        missing, or the folder of the database cannot be made.
    """
    parsed = _parse_url(url)
    if parsed.drivername == "sqlite":
        _make_folder(parsed)
    try:
        engine = create_engine(parsed, connect_args=_connect_arguments(parsed))
    except ImportError as error:
        raise StoreError(
            f"The driver for the database {_masked(parsed)} is not installed: {error}."
        ) from error
    if parsed.drivername == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


@contextmanager
def mapped_errors(engine: Engine) -> Iterator[None]:
    """Turn what the driver raises into one sentence.

    Raises
    ------
    StoreError
        Names the database, its password masked, and the cause.
    """
    try:
        yield
    except (StatementError, PoolTimeoutError, SQLiteError) as error:
        cause = getattr(error, "orig", None) or error
        lines = str(cause).strip().splitlines() or [type(cause).__name__]
        raise StoreError(
            f"The database {_masked(engine.url)} cannot be used: {lines[0]}."
        ) from error


def _masked(url: URL) -> str:
    return url.render_as_string(hide_password=True)


def _parse_url(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # The text may hold a password, so neither it nor the cause is shown.
        raise StoreError(
            "The URL of the database cannot be read: expected something like "
            "sqlite:////data/rewebb.db or postgresql://user@host/rewebb."
        ) from None
    match parsed.drivername:
        case "postgresql":
            return parsed.set(drivername="postgresql+psycopg")
        case "sqlite" | "postgresql+psycopg":
            return parsed
        case other:
            raise StoreError(
                f"The database is of type {other}: expected sqlite or postgresql."
            )


def _make_folder(url: URL) -> None:
    if not url.database or url.database.startswith((":", "file:")):
        return
    folder = Path(url.database).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"The folder {folder} of the database cannot be made: {error.strerror}."
        ) from error


def _connect_arguments(url: URL) -> dict[str, int]:
    if url.drivername == "sqlite":
        return {"timeout": _BUSY_TIMEOUT_S}
    return {"connect_timeout": _CONNECT_TIMEOUT_S}


def _prepare_sqlite(connection: SQLiteConnection, entry: ConnectionPoolEntry) -> None:
    del entry
    # The driver must not begin transactions by itself: it does so too late, and
    # without the lock that a writer needs.
    # https://docs.sqlalchemy.org/en/20/dialects/sqlite.html#pysqlite-serializable
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    connection.exec_driver_sql(options.get("rewebb_begin", "BEGIN"))
