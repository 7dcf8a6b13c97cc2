"""A database that goes away and comes back: nothing is lost, nothing is doubled."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from outcomes import NOON, make_outcome, make_run, make_run_job
from restarting import cut_connections, held_file, restart
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.orm import Session

from flows.errors import DatabaseAwayError, DatabaseError
from flows.models.runs import JobState, RunState
from flows.provenance import Database, make_engine, upgrade
from flows.provenance.sessions import Sessions
from workers.contract import FileHash, ReferenceFile

TTL = timedelta(minutes=3)
DONE = JobState.SUCCEEDED
HASH = FileHash("/raw/a.fits", 9, 7, "sha256", "content")
REFERENCE = ReferenceFile("dark.fits", "sha1", 9, 7)


@pytest.fixture
def postgresql(postgresql_url: str) -> Iterator[Engine]:
    """Return the engine of an upgraded database of PostgreSQL."""
    url = make_url(postgresql_url).set(drivername="postgresql+psycopg")
    name = f"t{uuid4().hex}"
    server = create_engine(url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    server.dispose()
    engine = make_engine(url.set(database=name).render_as_string(hide_password=False))
    upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def sqlite(tmp_path: Any) -> Iterator[Engine]:
    """Return the engine of an upgraded file, which waits for no other writer."""
    engine = make_engine(f"sqlite:///{tmp_path}/rewebb.db")
    event.listen(engine, "connect", lambda c, _: c.execute("PRAGMA busy_timeout = 1"))
    upgrade(engine)
    yield engine
    engine.dispose()


def once(engine: Engine, name: str, disturb: Callable[..., object]) -> None:
    """Disturb what an engine does, the first time that it does it."""

    def listen(*given: object) -> None:
        disturb(*given)

    event.listen(engine, name, listen, once=True)


def test_a_restart_between_two_calls_is_not_noticed(postgresql: Engine) -> None:
    database = Database(postgresql)
    database.runs.start_run(make_run())
    restart(postgresql)
    assert len(database.runs.list_runs()) == 1
    restart(postgresql)
    database.jobs.record_outcome(make_outcome())
    assert database.jobs.find_outcomes(["f" * 64])


def test_a_write_that_a_restart_interrupts_is_done_again(postgresql: Engine) -> None:
    database = Database(postgresql)
    once(postgresql, "before_cursor_execute", lambda *_: restart(postgresql))
    database.jobs.record_outcome(make_outcome())
    assert len(database.jobs.get_job("f").attempts) == 1


def test_a_read_that_a_restart_interrupts_is_done_again(postgresql: Engine) -> None:
    database = Database(postgresql)
    database.runs.start_run(make_run())
    once(postgresql, "before_cursor_execute", lambda *_: restart(postgresql))
    assert len(database.runs.list_runs()) == 1


WRITES: list[Callable[[Database], object]] = [
    lambda s: s.runs.start_run(make_run()),
    lambda s: s.runs.set_jobs("run-1", [make_run_job("a"), make_run_job("b")]),
    lambda s: s.runs.update_jobs("run-1", [make_run_job("a", DONE)]),
    lambda s: s.jobs.record_outcome(make_outcome(), run_id="run-1"),
    lambda s: s.files.remember_files([HASH]),
    lambda s: s.files.remember_references([REFERENCE], crds_path="/crds", now=NOON),
    lambda s: s.leases.acquire_lease(
        "02736",
        owner="me",
        host="h",
        pid=1,
        ttl=TTL,
        now=NOON,
        is_alive=lambda *_: True,
    ),
    lambda s: s.leases.renew_lease("02736", owner="me", ttl=2 * TTL, now=NOON),
    lambda s: s.runs.finish_run("run-1", RunState.SUCCEEDED, "done", now=NOON),
]
"""Every write of a run, in its order."""


def test_a_write_of_which_only_the_answer_is_lost_counts_once(
    postgresql: Engine,
) -> None:
    database = Database(postgresql)
    for write in WRITES:
        once(postgresql, "commit", commit_and_cut)
        write(database)
    assert [job.name for job in database.runs.get_run_jobs("run-1")] == ["a", "b"]
    assert [run.state for run in database.runs.list_runs()] == [RunState.SUCCEEDED]
    assert len(database.jobs.get_job("f").attempts) == 1
    lease = database.leases.get_lease("02736")
    assert lease is not None
    assert (lease.owner, lease.expires_at) == ("me", NOON + 2 * TTL)


def commit_and_cut(connection: Connection) -> None:
    """Commit, and cut the connection before the engine has its answer."""
    connection.connection.commit()
    connection.connection.cursor().execute("SELECT 1")
    cut_connections(connection.engine)


def test_a_file_that_another_process_holds_is_waited_for(sqlite: Engine) -> None:
    database = Database(sqlite)
    with held_file(sqlite) as holder:
        once(sqlite, "handle_error", lambda *_: holder.communicate("let go\n"))
        database.runs.start_run(make_run())
        assert holder.returncode == 0, "nobody had to wait"
    assert len(database.runs.list_runs()) == 1


def test_waiting_ends_and_then_calls_fail_at_once_until_one_works(
    sqlite: Engine,
) -> None:
    errors: list[object] = []
    event.listen(sqlite, "handle_error", errors.append)
    sessions = Sessions(sqlite, patience=timedelta(seconds=0.5))
    with held_file(sqlite):
        with pytest.raises(DatabaseAwayError, match="locked"):
            sessions.write(write_nothing)
        assert len(errors) > 1
        errors.clear()
        with pytest.raises(DatabaseAwayError, match="locked"):
            sessions.write(write_nothing)
        assert len(errors) == 1
    sessions.write(write_nothing)


def write_nothing(session: Session) -> None:
    session.execute(text("DELETE FROM run"))


def test_a_table_that_is_missing_is_not_waited_for(engine: Engine) -> None:
    tries = []

    def write(session: Session) -> None:
        tries.append(session)
        session.execute(text("SELECT * FROM nothing"))

    with pytest.raises(DatabaseError, match="nothing") as caught:
        Sessions(engine).write(write)
    assert not isinstance(caught.value, DatabaseAwayError)
    assert len(tries) == 1


def test_a_broken_rule_of_the_tables_is_not_waited_for(database: Database) -> None:
    with pytest.raises(DatabaseError) as caught:
        database.runs.update_jobs("unknown", [make_run_job("a")])
    assert not isinstance(caught.value, DatabaseAwayError)


def test_a_password_that_is_wrong_is_not_waited_for(postgresql: Engine) -> None:
    url = postgresql.url.set(password="guess")  # it is meant to be wrong
    wrong = make_engine(url.render_as_string(hide_password=False))
    with pytest.raises(DatabaseError, match="password") as caught:
        Database(wrong).runs.list_runs()
    assert not isinstance(caught.value, DatabaseAwayError)
    wrong.dispose()


def test_a_server_that_is_not_there_is_away(postgresql: Engine) -> None:
    url = postgresql.url.set(port=1)
    gone = make_engine(url.render_as_string(hide_password=False))
    with pytest.raises(DatabaseAwayError, match="refused"):
        Database(gone, patience=timedelta(seconds=0.1)).runs.list_runs()
    gone.dispose()
