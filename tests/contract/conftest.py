"""Databases: each test gets an empty one of its own."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from kept_folders import KeptFolder
from postgresql import running_server
from sqlalchemy import Engine, create_engine, make_url, text

from flows.provenance import Database, make_engine, upgrade


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    with running_server() as url:
        yield url


@pytest.fixture(scope="session")
def upgraded(postgresql_url: str) -> str:
    """Make the database that others are copied of, which takes a tenth of the time."""
    name = "upgraded"
    _execute(postgresql_url, f"CREATE DATABASE {name} STRATEGY file_copy")
    url = make_url(postgresql_url).set(database=name)
    engine = make_engine(url.render_as_string(hide_password=False))
    upgrade(engine)
    engine.dispose()
    return name


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Return a database of each backend, empty but where its engine is asked for."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/new/folder/rewebb.db"
        return
    server = request.getfixturevalue("postgresql_url")
    name = f"t{uuid.uuid4().hex}"
    is_upgraded = "engine" in request.fixturenames
    template = request.getfixturevalue("upgraded") if is_upgraded else "template1"
    _execute(server, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    yield make_url(server).set(database=name).render_as_string(hide_password=False)
    _execute(server, f"DROP DATABASE {name} WITH (FORCE)")  # it is of 300 files


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """Return the engine of an upgraded database."""
    engine = make_engine(database_url)
    upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def database(engine: Engine) -> Database:
    return Database(engine)


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> KeptFolder:
    """Fill a folder, once. Do not write to it."""
    folder = tmp_path_factory.mktemp("kept")
    kept = KeptFolder(folder / "data", folder / "crds")
    kept.fill()
    return kept


@pytest.fixture
def kept(tmp_path: Path) -> KeptFolder:
    """Fill a folder of its own."""
    kept = KeptFolder(tmp_path / "data", tmp_path / "crds")
    kept.fill()
    return kept


def _execute(server: str, statement: str) -> None:
    url = make_url(server).set(drivername="postgresql+psycopg")
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()
