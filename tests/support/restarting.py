"""Restarts a PostgreSQL server, cuts its connections, and locks files of SQLite."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from postgresql import find_binaries
from sqlalchemy import Engine, create_engine, make_url, text

__all__ = ["cut_connections", "held_file", "restart"]

_HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
connection.execute("ROLLBACK")
"""


def restart(engine: Engine) -> None:
    """Restart the server of a database as a crash would."""
    [folder] = map(Path, _ask(engine, "SHOW data_directory"))
    command = [
        find_binaries(folder.parent) / "pg_ctl",
        "-D",
        folder,
        "-w",
        "-m",
        "immediate",
    ]
    owner = folder.stat()
    subprocess.run(
        [*command, "-l", "log", "restart"],
        cwd=folder.parent,  # it was started with a path from there
        user=owner.st_uid if os.geteuid() == 0 else None,
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )


def cut_connections(engine: Engine) -> None:
    """Cut every connection to a database but the one that does it."""
    _ask(
        engine,
        "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )


def _ask(engine: Engine, query: str) -> list[str]:
    """Ask through a connection of our own."""
    url = make_url(engine.url.render_as_string(hide_password=False))
    other = create_engine(url)
    try:
        with other.connect() as connection:
            return [str(value) for value in connection.scalars(text(query))]
    finally:
        other.dispose()


@contextmanager
def held_file(engine: Engine) -> Iterator[subprocess.Popen[str]]:
    """Let another process hold the file of SQLite until a line is written to it."""
    database = engine.url.database
    assert database is not None
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, database],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()
