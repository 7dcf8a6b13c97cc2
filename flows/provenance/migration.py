"""Migration: bring the tables to the state that this code knows."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from sqlite3 import OperationalError
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, inspect, text

from ..errors import DatabaseError
from .engine import BEGIN_IMMEDIATE, mapped_errors
from .views import create_views, drop_views

if TYPE_CHECKING:
    from alembic.config import Config

__all__ = ["HEAD", "get_revision", "make_config", "upgrade"]

_MIGRATIONS = Path(__file__).parent / "migrations"
"""Folder of alembic's scripts."""

HEAD = max(path.name[1:5] for path in _MIGRATIONS.glob("versions/r*.py"))
"""Newest revision, from the names of the scripts: asking alembic takes longer than all
else."""

_LOCK = 0x7265_7765_6262
"""Advisory lock of PostgreSQL: ``rewebb`` in hexadecimal."""

_OTHER_ORDER = """
SELECT pg_class.relname, attname
FROM pg_attribute
JOIN pg_class ON pg_class.oid = attrelid
WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'
AND atttypid = 'text'::regtype AND NOT attisdropped
AND attcollation <> '"C"'::regcollation
ORDER BY pg_class.relname, attnum
"""
"""Asks for the columns of text that PostgreSQL compares as its locale does."""

_WAL_TRIES = 100
"""How often to look again whether nobody else opens a new database of SQLite."""

_WAL_PAUSE_S = 0.1
"""How long to wait in between."""


def upgrade(engine: Engine) -> None:
    """Bring the database to the newest revision; cheap when it is there already.

    All is one transaction under a lock, so two processes may do it at once and a
    killed one leaves no trace.

    Raises
    ------
    DatabaseError
        The database cannot be used, or a newer version of this service made it.
    """
    with mapped_errors(engine):
        with engine.connect() as connection:
            current = get_revision(connection)
        if current == HEAD:
            return
        _use_wal(engine)
        with _exclusive(engine) as connection:
            _migrate(connection)


def make_config(connection: Connection) -> "Config":
    """Make the configuration of alembic, also for ``alembic.command.revision``."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("file_template", "r%%(rev)s_%%(slug)s")
    config.attributes["connection"] = connection
    return config


def get_revision(connection: Connection) -> str | None:
    """Return the revision of a database; None if it is empty."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    query = text("SELECT version_num FROM alembic_version")
    return connection.execute(query).scalar_one_or_none()


def _use_wal(engine: Engine) -> None:
    """Let readers of SQLite go on while somebody writes; the file remembers it."""
    if engine.dialect.name != "sqlite":
        return
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        for _ in range(_WAL_TRIES):
            # SQLite never waits for this lock by itself, as two could wait for
            # each other. https://www.sqlite.org/c3ref/busy_handler.html
            with suppress(OperationalError):
                driver.execute("PRAGMA journal_mode = WAL").close()
                return
            time.sleep(_WAL_PAUSE_S)
        driver.execute("PRAGMA journal_mode = WAL").close()


@contextmanager
def _exclusive(engine: Engine) -> Iterator[Connection]:
    opened = engine.connect().execution_options(**BEGIN_IMMEDIATE)
    with opened as connection, _foreign_keys_off(connection), connection.begin():
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        yield connection


@contextmanager
def _foreign_keys_off(connection: Connection) -> Iterator[None]:
    """Let a migration of SQLite rebuild a table without touching others.

    It cannot be switched within a transaction, so not in a revision.
    https://www.sqlite.org/lang_altertable.html#otheralter
    """
    driver = connection.connection.driver_connection
    if connection.dialect.name != "sqlite" or driver is None:
        yield
        return
    driver.execute("PRAGMA foreign_keys = OFF").close()
    try:
        yield
    finally:
        driver.execute("PRAGMA foreign_keys = ON").close()


def _migrate(connection: Connection) -> None:
    # Alembic takes 0.2 s to import and is rarely needed.
    from alembic import command
    from alembic.script import ScriptDirectory

    config = make_config(connection)
    scripts = ScriptDirectory.from_config(config)
    known = {script.revision for script in scripts.walk_revisions()}
    current = get_revision(connection)
    if current is not None and current not in known:
        raise DatabaseError(
            f"The database {connection.engine.url.render_as_string()} is of revision "
            f"{current}, this version of rewebb knows up to {HEAD}: it was made by a "
            "newer version, use that one."
        )
    drop_views(connection)
    command.upgrade(config, "head")
    if connection.dialect.name == "postgresql":
        _compare_bytes(connection)
    create_views(connection)


def _compare_bytes(connection: Connection) -> None:
    """Let PostgreSQL compare all text by its bytes, as SQLite does, in any locale.

    Indexes of another order find no beginnings, and say in another order what comes
    first. No revision has to name its columns: one that makes some finds them so.
    """
    rows = connection.execute(text(_OTHER_ORDER)).tuples()
    for table, columns in groupby(rows, key=itemgetter(0)):
        changes = [f'ALTER "{name}" TYPE text COLLATE "C"' for _, name in columns]
        connection.execute(text(f'ALTER TABLE "{table}" {", ".join(changes)}'))
