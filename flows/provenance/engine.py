"""The engine: how this service connects to SQLite and PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from sqlite3 import SQLITE_BUSY, SQLITE_LOCKED, SQLITE_PROTOCOL
from sqlite3 import Connection as SQLiteConnection
from sqlite3 import Error as SQLiteError
from sqlite3 import connect as connect_sqlite
from typing import TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    DisconnectionError,
    OperationalError,
    StatementError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection, QueuePool

from ..errors import DatabaseAwayError, DatabaseError

__all__ = ["BEGIN_IMMEDIATE", "make_engine", "make_reading_engine", "mapped_errors"]

BEGIN_IMMEDIATE = {"rewebb_begin": "BEGIN IMMEDIATE"}
"""Execution option of a transaction that writes; only SQLite looks at it."""

_TO_SQLITE = {"timeout": 60}
"""How long SQLite waits for another writer, in seconds."""

_TO_POSTGRESQL = {
    "connect_timeout": 15,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
"""How long PostgreSQL has to answer: a server that is gone without a word, behind a
firewall or with its host, is noticed after a minute. In seconds, the last in ms.
https://www.postgresql.org/docs/current/libpq-connect.html"""

_ONLY_READS = "-c default_transaction_read_only=on -c statement_timeout={ms:d}"
"""What a session of PostgreSQL is begun with that changes nothing."""

_READERS = 8
"""Connections that are kept open to read; three times as many are opened at most."""

_TO_A_READER = 5
"""How long a reader of SQLite waits for who has it locked, in seconds."""

_LONGEST_READ_MS = 60_000
"""How long PostgreSQL works at one answer for a reader."""

_LOCKED = frozenset({SQLITE_BUSY, SQLITE_LOCKED, SQLITE_PROTOCOL})
"""Codes of SQLite for a database that somebody else holds."""

_AWAY = ("08", "57P01", "57P02", "57P03", "53300", "25006")
"""How the SQLSTATE of a server begins that is away for a while: connection lost, shut
down, crashed, starting up, too many clients, and a standby about to be promoted."""

_NEVER = ("password", "pg_hba.conf", "does not exist", "permission", "not permitted")
"""What PostgreSQL says when it will refuse the next connection as well; there is no
SQLSTATE for a connection that was never made."""


def make_engine(url: str) -> Engine:
    """Make the engine for a URL of SQLAlchemy, ``sqlite://`` or ``postgresql://``.

    Nothing is read or written but the folder of the database.

    Raises
    ------
    DatabaseError
        The URL means nothing, is of another type of database, its driver is
        missing, or the folder of the database cannot be made.
    """
    parsed = _parse_url(url)
    is_sqlite = parsed.drivername == "sqlite"
    if is_sqlite:
        _make_folder(parsed)
    try:
        engine = create_engine(
            parsed,
            connect_args=_TO_SQLITE if is_sqlite else _TO_POSTGRESQL,
            pool_pre_ping=not is_sqlite,
        )
    except ImportError as error:
        raise DatabaseError(
            f"The driver for the database {_masked(parsed)} is not installed: {error}."
        ) from error
    if is_sqlite:
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def make_reading_engine(url: str) -> Engine:
    """Make an engine of which no connection can write, for a service that stays open.

    Each transaction sees what others have committed before it.

    Raises
    ------
    DatabaseError
        As `make_engine`, or there is no database at the URL.
    """
    parsed = _parse_url(url)
    pool = {"pool_size": _READERS, "max_overflow": 2 * _READERS}
    if parsed.drivername != "sqlite":
        options = {"options": _ONLY_READS.format(ms=_LONGEST_READ_MS)}
        return create_engine(
            parsed,
            connect_args={**_TO_POSTGRESQL, **options},
            pool_pre_ping=True,
            **pool,
        )
    path = Path(parsed.database or "").absolute()
    if not path.is_file():
        raise DatabaseError(f"There is no database {path}.")
    engine = create_engine(
        parsed, creator=lambda: _open_to_read(path), poolclass=QueuePool, **pool
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)

    def check_out(
        connection: SQLiteConnection,
        entry: ConnectionPoolEntry,
        proxy: PoolProxiedConnection,
    ) -> None:
        del entry, proxy
        if isinstance(connection, _Frozen) and connection.state != _find_state(path):
            raise DisconnectionError  # the pool opens another one

    event.listen(engine, "checkout", check_out)
    return engine


_State = tuple[int, int, bool]
"""Size and time of a file of SQLite, and whether there is another one beside it."""


class _Frozen(SQLiteConnection):
    """A connection to a file that nobody can have changed since it was opened."""

    state: _State


def _open_to_read(path: Path) -> SQLiteConnection:
    """Open a database of SQLite so that it cannot be changed.

    To follow who writes takes a file beside it. Where there is none and none can be
    made, nobody writes at the moment: the file is taken as it is until it changes.
    """
    connection = _connect(f"{path.as_uri()}?mode=ro", SQLiteConnection)
    try:
        connection.execute("SELECT 1 FROM sqlite_schema").fetchone()
    except SQLiteError:
        connection.close()
        state = _find_state(path)
        if state[-1]:
            raise  # something was written that is not in the file yet
        frozen = _connect(f"{path.as_uri()}?immutable=1", _Frozen)
        frozen.state = state
        return frozen
    return connection


_Connection = TypeVar("_Connection", bound=SQLiteConnection)


def _connect(uri: str, factory: type[_Connection]) -> _Connection:
    return connect_sqlite(
        *(uri, _TO_A_READER),
        check_same_thread=False,
        factory=factory,
        uri=True,
    )


def _find_state(path: Path) -> _State:
    """Find what tells whether a file was changed, or may be at the moment."""
    stat = path.stat()
    beside = (Path(f"{path}-wal"), Path(f"{path}-shm"))
    return stat.st_size, stat.st_mtime_ns, any(file.exists() for file in beside)


@contextmanager
def mapped_errors(engine: Engine) -> Iterator[None]:
    """Turn what the driver raises into one sentence.

    Raises
    ------
    DatabaseAwayError
        The database does not answer, or is locked.
    DatabaseError
        Names the database, its password masked, and the cause.
    """
    try:
        yield
    except (StatementError, PoolTimeoutError, SQLiteError) as error:
        cause = getattr(error, "orig", None) or error
        lines = str(cause).strip().splitlines() or [type(cause).__name__]
        kind = DatabaseAwayError if _is_away(error) else DatabaseError
        raise kind(
            f"The database {_masked(engine.url)} cannot be used: {lines[0]}."
        ) from error


def _is_away(error: StatementError | PoolTimeoutError | SQLiteError) -> bool:
    """Whether the same call may work in a while."""
    if isinstance(error, PoolTimeoutError):
        return True
    cause = error.orig if isinstance(error, StatementError) else error
    if isinstance(cause, SQLiteError):
        # The lower byte is the kind, the others say what kind of that kind.
        return getattr(cause, "sqlite_errorcode", 0) & 0xFF in _LOCKED
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    if state := getattr(cause, "sqlstate", None):
        return str(state).startswith(_AWAY)
    said = str(cause).lower()
    is_connecting = isinstance(error, OperationalError) and error.statement is None
    return is_connecting and not any(word in said for word in _NEVER)


def _masked(url: URL) -> str:
    return url.render_as_string(hide_password=True)


def _parse_url(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # The text may hold a password, so neither it nor the cause is shown.
        raise DatabaseError(
            "The URL of the database cannot be read: expected something like "
            "sqlite:////data/rewebb.db or postgresql://user@host/rewebb."
        ) from None
    match parsed.drivername:
        case "postgresql":
            return parsed.set(drivername="postgresql+psycopg")
        case "sqlite" | "postgresql+psycopg":
            return parsed
        case other:
            raise DatabaseError(
                f"The database is of type {other}: expected sqlite or postgresql."
            )


def _make_folder(url: URL) -> None:
    if not url.database or url.database.startswith((":", "file:")):
        return
    folder = Path(url.database).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatabaseError(
            f"The folder {folder} of the database cannot be made: {error.strerror}."
        ) from error


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
