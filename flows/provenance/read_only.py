"""A database that is only looked at, and stays as it is to the last byte.

A plan writes what it finds out, such as hashes, but must leave no trace; who only reads
may not be allowed to write. Both work on a temporary copy of a SQLite database; in
PostgreSQL nothing is committed. A service that only reads works on the database itself,
by connections that cannot write.
"""

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Engine, create_engine, make_url

from ..errors import DatabaseError
from ..layout import DATABASE_NAME
from .database import Database
from .engine import make_engine, make_reading_engine, mapped_errors
from .migration import HEAD, get_revision

__all__ = ["find_revision", "open_read_only", "open_to_serve"]

_PATIENCE = timedelta(seconds=2)
"""How long a reader waits for a database that is away before it is told."""


@contextmanager
def open_read_only(url: str) -> Iterator[Database]:
    """Open a database, an empty one where there is none, and change nothing.

    Raises
    ------
    DatabaseError
        It cannot be read, or has tables of another revision and cannot be copied.
    """
    if not url.startswith("sqlite"):
        engine = make_engine(url)
        try:
            if _has_tables(engine):
                yield Database(engine, keeps=False)
                return
        finally:
            engine.dispose()
    with tempfile.TemporaryDirectory(prefix="rewebb-plan-") as folder:
        copy = Path(folder, DATABASE_NAME)
        if url.startswith("sqlite"):
            _copy(make_url(url).database or "", copy)
        with Database.open(f"sqlite:///{copy}") as database:
            yield database


@contextmanager
def open_to_serve(url: str) -> Iterator[Database]:
    """Open a database to read it for as long as a service runs, from many threads.

    Nothing is copied: each question sees what runs have recorded until then, and no
    connection can write.

    Raises
    ------
    DatabaseError
        There is none, it cannot be read, or has tables of another revision.
    """
    engine = make_reading_engine(url)
    try:
        if not _has_tables(engine):
            place = engine.url.render_as_string()
            raise DatabaseError(f"The database {place} has no tables yet.")
        yield Database(engine, patience=_PATIENCE)
    finally:
        engine.dispose()


def find_revision(url: str) -> str | None:
    """Find the revision of a database; None where there are no tables yet.

    Raises
    ------
    DatabaseError
        It cannot be read.
    """
    if url.startswith("sqlite"):
        path = Path(make_url(url).database or "").absolute()
        if not path.is_file():
            return None
        # To open one that nobody has open would leave files beside it.
        is_open = Path(f"{path}-shm").exists()
        how = "mode=ro&readonly_shm=1" if is_open else "immutable=1"
        uri = f"{path.as_uri()}?{how}"
        engine = create_engine(
            "sqlite://", creator=lambda: sqlite3.connect(uri, uri=True)
        )
    else:
        engine = make_engine(url)
    try:
        with mapped_errors(engine), engine.connect() as connection:
            return get_revision(connection)
    finally:
        engine.dispose()


def _has_tables(engine: Engine) -> bool:
    with mapped_errors(engine), engine.connect() as connection:
        revision = get_revision(connection)
    if revision not in (None, HEAD):
        raise DatabaseError(
            f"The database {engine.url.render_as_string()} is of revision {revision}, "
            f"and a command that changes nothing expects {HEAD}: bring it there with "
            "`rewebb db upgrade`, or use the version of rewebb that made it."
        )
    return revision is not None


def _copy(database: str, copy: Path) -> None:
    path = Path(database).absolute()
    if not path.is_file():
        return
    try:
        if Path(f"{path}-shm").exists():
            _back_up(path, copy)
        else:
            # Nobody has it open; to open it here would leave files beside it.
            for ending in ("", "-wal"):
                if Path(f"{path}{ending}").exists():
                    shutil.copy(f"{path}{ending}", f"{copy}{ending}")
    except (OSError, sqlite3.Error) as error:
        raise DatabaseError(f"The database {path} cannot be read: {error}.") from error


def _back_up(path: Path, copy: Path) -> None:
    """Copy one state of a database that others may write to."""
    uri = f"{path.as_uri()}?mode=ro&readonly_shm=1"
    with (
        closing(sqlite3.connect(uri, uri=True)) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
