"""The database made again from the data folder, and the two compared."""

import json
import shutil
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import Result
from kept_folders import KeptFolder, publish
from outcomes import make_run
from typer.testing import CliRunner

from flows.cli import app
from flows.models.findings import FindingKind
from flows.models.runs import RunState
from flows.provenance import CACHES, Database, Records, Store, compare
from flows.provenance.schema import SQLBase
from flows.upkeep import check, rebuild


def find(kept: KeptFolder) -> dict[str, FindingKind]:
    """Check a folder, and give what was found by its subject."""
    with Database.open(kept.url) as database:
        return {one.subject: one.kind for one in check(kept.data, database)}


def test_a_rebuilt_database_has_equal_rows_in_every_table(
    filled: KeptFolder, database: Database
) -> None:
    """Of another backend too, which is how an archive moves there."""
    with Database.open(filled.url) as before:
        for _ in range(2):  # once more changes nothing
            assert rebuild(filled.data, database).damaged == ()
            assert [*compare(database.rows, before.rows)] == []
        tables = SQLBase.metadata.sorted_tables
        empty = {t.name for t in tables if not [*before.rows.stream(t)]}
    assert empty <= CACHES.keys()


def test_nothing_is_found_in_a_sound_folder(filled: KeptFolder) -> None:
    assert find(filled) == {}


def test_every_column_that_is_changed_is_named(kept: KeptFolder) -> None:
    with (
        Database.open(kept.url) as database,
        Database.open("sqlite://") as rebuilt,
        closing(sqlite3.connect(kept.data / "rewebb.db")) as connection,
    ):
        rebuild(kept.data, rebuilt)
        assert [*compare(database.rows, rebuilt.rows)] == []
        columns = [
            (table.name, column.name)
            for table in SQLBase.metadata.sorted_tables
            for column in table.columns
            if CACHES.keys().isdisjoint({table.name, f"{table.name}.{column.name}"})
        ]
        for name, of in columns:
            with _changed(connection, name, of):
                found = {one.table for one in compare(database.rows, rebuilt.rows)}
            assert found == {name}, of
    assert len(columns) > 80


@contextmanager
def _changed(connection: sqlite3.Connection, table: str, column: str) -> Iterator[None]:
    """Change a column of the first row of a table, for a while."""
    first = f"{table} WHERE rowid = (SELECT min(rowid) FROM {table})"  # noqa: S608
    ((old,),) = connection.execute(f"SELECT {column} FROM {first}")  # noqa: S608
    update = f"UPDATE {first.replace('WHERE', f'SET {column} = ? WHERE')}"
    new = old + 1000 if isinstance(old, int | float) else f"{old}x"
    connection.execute(update, [new])
    connection.commit()
    yield
    connection.execute(update, [old])
    connection.commit()


def test_a_database_that_is_gone_comes_back(kept: KeptFolder) -> None:
    (kept.data / "rewebb.db").unlink()
    assert set(find(kept).values()) == {FindingKind.UNRECORDED}
    rebuilt = call("rebuild", kept)
    assert (rebuilt.exit_code, rebuilt.stdout) == (
        0,
        "4 outcomes, 2 runs, 1 fetched files and 1 measured products are recorded.\n",
    )
    assert call("check", kept).stdout == "All is as it was recorded.\n"


def call(command: str, kept: KeptFolder, *options: str) -> Result:
    arguments = ["db", command, "--data-dir", str(kept.data), *options]
    return CliRunner().invoke(app, arguments)


def _tear(path: Path) -> None:
    path.write_text(path.read_text()[:-9])


def _replace(path: Path) -> None:
    path.write_text('{"a": 1}')


def _bend(path: Path) -> None:
    path.write_text(path.read_text().replace("jwst_1464.pmap", "jwst_1465.pmap"))


DAMAGES = {
    "torn outcome": ("store/*/*/outcome.json", _tear),
    "other outcome": ("attempts/*/*/outcome.json", _replace),
    "torn journal": ("runs/*/*.jsonl", _replace),
    "measured": ("measured/*/*/*.json", _tear),
    "seen": ("seen/*.json", _replace),
    "fetched": ("raw/*/*/*.json", _tear),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_records_are_named_and_skipped(kept: KeptFolder, damage: str) -> None:
    pattern, spoil = DAMAGES[damage]
    path = min(kept.data.glob(pattern))
    spoil(path)
    told = call("rebuild", kept)
    assert told.exit_code == 1
    assert str(path) in told.stderr
    checked = call("check", kept)
    assert (checked.exit_code, "RECORD_DAMAGED" in checked.stdout) == (1, True)
    assert path.name in checked.stdout


def test_a_record_that_says_something_else_is_named(kept: KeptFolder) -> None:
    path = min(kept.data.glob("store/*/*/outcome.json"))
    _bend(path)
    key = path.parent.name
    assert find(kept)[f"job {key}"] is FindingKind.ROW_CHANGED
    assert call("rebuild", kept).exit_code == 0
    assert find(kept) == {}


def test_what_was_killed_in_the_middle_is_interrupted(kept: KeptFolder) -> None:
    """Its journal ends in half a line, which the next entry takes the place of."""
    run = make_run("run-killed", started_at=datetime(2026, 11, 21, tzinfo=UTC))
    with Database.open(kept.url, records=Records(kept.data)) as database:
        database.runs.start_run(run)
        database.runs.set_context(run.id, "jwst_1500.pmap")
    journal = kept.data / f"runs/02736/20261121T000000-{run.id[:8]}.jsonl"
    with journal.open("a") as file:
        file.write('{"jobs":[{"stage":"dete')
    assert find(kept) == {f"run {run.id}": FindingKind.DEAD_RUN}
    (kept.data / "rewebb.db").unlink()
    assert call("rebuild", kept).exit_code == 0
    with Database.open(kept.url, records=Records(kept.data)) as database:
        back = database.runs.get_run(run.id)
        assert (back.state, back.context) == (RunState.INTERRUPTED, "jwst_1500.pmap")
        now = datetime(2026, 11, 22, tzinfo=UTC)
        database.runs.finish_run(run.id, RunState.CANCELLED, "over", now=now)
    assert find(kept) == {}


def test_a_run_of_an_older_version_gets_a_journal(kept: KeptFolder) -> None:
    for path in kept.data.glob("runs/*/*.jsonl"):
        path.unlink()
    assert set(find(kept).values()) == {
        FindingKind.NO_RECORD,
        FindingKind.ORPHANED,  # the attempt that was lost
    }
    assert call("rebuild", kept).exit_code == 0
    assert find(kept) == {}


def test_what_nobody_recorded_is_found_and_what_is_gone(kept: KeptFolder) -> None:
    with closing(sqlite3.connect(kept.data / "rewebb.db")) as connection:
        connection.execute("DELETE FROM caveat")
        connection.execute("DELETE FROM product WHERE name = 'a_x1d.fits'")
        connection.commit()
    shutil.rmtree(kept.data / "store/aa")
    (kept.data / "store/bb" / ("b" * 64) / "a_s2d.fits").write_text("s3d")
    found = find(kept)
    assert found[f"product {'b' * 64}, a_x1d.fits"] is FindingKind.UNRECORDED
    assert found["attempt a-new"] is FindingKind.ORPHANED
    told = call("check", kept, "--bytes", "--json")
    kinds = {one["subject"]: one["kind"] for one in json.loads(told.stdout)["findings"]}
    assert kinds[f"store/bb/{'b' * 64}/a_s2d.fits"] == "FILE_CHANGED"
    assert all(one["remedy"] for one in json.loads(told.stdout)["findings"])


def test_a_check_leaves_no_trace(kept: KeptFolder) -> None:
    def look() -> dict[Path, int]:
        return {p: p.stat().st_mtime_ns for p in kept.data.rglob("*")}

    before = look()
    assert call("check", kept, "--bytes").exit_code == 0
    assert look() == before


def test_a_lease_that_nobody_holds_is_told(kept: KeptFolder) -> None:
    with Database.open(kept.url) as database:
        database.leases.acquire_lease(
            "02736",
            owner="me",
            host=socket.gethostname(),
            pid=2**22,  # more than any process has
            ttl=timedelta(hours=1),
            now=datetime.now(UTC),
            is_alive=lambda *_: True,
        )
    assert find(kept) == {"lease of program 02736": FindingKind.DEAD_LEASE}


def test_a_rebuild_that_is_killed_is_done_again(kept: KeptFolder) -> None:
    (kept.data / "rewebb.db").unlink()

    class KilledError(Exception):
        pass

    def kill(what: str, done: int, _: int) -> None:
        if what == "journals of runs" and done == 1:
            raise KilledError

    with Database.open(kept.url) as database, pytest.raises(KilledError):
        rebuild(kept.data, database, kill)
    assert FindingKind.UNRECORDED in find(kept).values()
    assert call("rebuild", kept).exit_code == 0
    assert find(kept) == {}


def test_a_product_that_nobody_recorded_is_named_until_it_is(kept: KeptFolder) -> None:
    """Whoever made it was killed between its publication and its record."""
    with Database.open(kept.url) as database:
        old = database.jobs.find_products(name="a_x1d.fits")
    lost = replace(kept.make_jobs()[1], fingerprint="c" * 64, name="jw02736_lost")
    publish(kept.data, lost, {"lost_x1d.fits": "spectrum"}, attempt="c-new")
    shown = show(kept, "lost_x1d.fits")
    assert shown.exit_code == 2
    assert "was made, and is not recorded" in " ".join(shown.stderr.split())
    assert find(kept)[f"job {'c' * 64}"] is FindingKind.UNRECORDED
    with Database.open(kept.url) as database:
        store = Store(kept.data, database, patience=timedelta(seconds=1))
        assert store.find_done("c" * 64) is not None  # which is how a run heals it
    assert find(kept) == {}
    assert show(kept, "lost_x1d.fits").exit_code == 0
    assert show(kept, str(kept.data / old[0].folder / "a_x1d.fits")).exit_code == 0


def show(kept: KeptFolder, name: str) -> Result:
    return CliRunner().invoke(app, ["show", name, "--data-dir", str(kept.data)])
