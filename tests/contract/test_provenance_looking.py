"""A database that is looked at: it tells what it knows, and stays as it is."""

import shutil
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, make_url, text

from flows.errors import DatabaseError
from flows.provenance import Database, make_engine, open_read_only, upgrade
from workers.contract import ReferenceFile

CRDS = "/data/crds"
KNOWN = ReferenceFile("known.fits", "1" * 40, 1, 1)
NEW = ReferenceFile("new.fits", "2" * 40, 1, 1)


@pytest.fixture
def database(engine: Engine) -> Database:
    database = Database(engine)
    remember(database, KNOWN)
    return database


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a database of SQLite that nobody has open."""
    path = tmp_path / "data" / "rewebb.db"
    engine = make_engine(f"sqlite:///{path}")
    upgrade(engine)
    remember(Database(engine), KNOWN)
    engine.dispose()
    return path


def remember(database: Database, file: ReferenceFile) -> None:
    database.files.remember_references([file], crds_path=CRDS, now=datetime.now(UTC))


def known(database: Database) -> set[str]:
    return {file.name for file in database.files.list_references(crds_path=CRDS)}


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {p.name: (p.stat().st_mtime_ns, p.read_bytes()) for p in folder.iterdir()}


def look(path: Path) -> set[str]:
    with open_read_only(f"sqlite:///{path}") as database:
        remember(database, NEW)
        return known(database) - {NEW.name}


def test_what_it_is_told_is_forgotten(database: Database, database_url: str) -> None:
    with open_read_only(database_url) as looking:
        assert known(looking) == {KNOWN.name}
        remember(looking, NEW)
    assert known(database) == {KNOWN.name}


def test_an_empty_database_stays_empty(database_url: str) -> None:
    with open_read_only(database_url) as database:
        assert known(database) == set()
    if database_url.startswith("sqlite"):
        assert not Path(make_url(database_url).database or "").parent.exists()
        return
    engine = make_engine(database_url)
    with engine.connect() as connection:
        count = connection.execute(
            text("SELECT count(*) FROM pg_tables t WHERE t.schemaname = 'public'")
        )
        assert count.scalar_one() == 0
    engine.dispose()


def test_a_database_that_nobody_has_open_keeps_its_bytes(file: Path) -> None:
    before = snapshot(file.parent)
    assert look(file) == {KNOWN.name}
    assert snapshot(file.parent) == before
    assert [*before] == [file.name]


@pytest.mark.parametrize("left", [("-wal", "-shm"), ("-wal",)])
def test_what_a_killed_process_wrote_is_seen_and_left(
    file: Path, tmp_path: Path, left: tuple[str, ...]
) -> None:
    engine = make_engine(f"sqlite:///{file}")
    with closing(engine.raw_connection()):
        remember(Database(engine), ReferenceFile("late.fits", "3" * 40, 1, 1))
        killed = tmp_path / "killed"
        killed.mkdir()
        for ending in ("", *left):
            shutil.copy(f"{file}{ending}", killed)
    engine.dispose()
    before = snapshot(killed)
    assert look(killed / file.name) == {KNOWN.name, "late.fits"}
    assert snapshot(killed) == before


def test_one_of_another_revision_is_looked_at_where_it_can_be_copied(
    file: Path,
) -> None:
    spoil(f"sqlite:///{file}")
    before = snapshot(file.parent)
    with pytest.raises(DatabaseError, match="newer version"):
        look(file)
    assert snapshot(file.parent) == before


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_one_of_another_revision_is_refused_where_it_cannot(database_url: str) -> None:
    spoil(database_url)
    with (
        pytest.raises(DatabaseError, match="rewebb db upgrade"),
        open_read_only(database_url),
    ):
        pass


def spoil(url: str) -> None:
    engine = make_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
