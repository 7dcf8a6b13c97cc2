"""Files fetched from an archive, in the database."""

from dataclasses import replace
from datetime import timedelta

from outcomes import NOON
from sqlalchemy import Engine, select

from flows.models.exposures import FetchedFile
from flows.provenance import Database
from flows.provenance.schema import SQLFetchedFile

FILE = FetchedFile(
    name="jw02736007001_03103_00001_nrs1_uncal.fits",
    program="02736",
    version=1,
    folder="raw/02736/v1",
    source="MAST",
    uri="jw02736007001_03103_00001_nrs1_uncal.fits",
    size_bytes=5 << 30,
    mtime_ns=1,
    sha256="s",
    entity='"e"',
    modified=None,
    fetched_at=NOON,
    checks=("size", "DATASUM"),
)


def test_every_version_of_a_fetched_file_is_remembered(database: Database) -> None:
    newer = replace(FILE, version=2, folder="raw/02736/v2", sha256="t")
    for file in (newer, FILE, replace(FILE, folder="raw/02737/v1", sha256="u")):
        database.files.remember_fetched(file)
    assert database.files.find_fetched(["s", "t"]) == {"s": FILE, "t": newer}


def test_a_version_that_is_remembered_again_is_there_once(
    database: Database, engine: Engine
) -> None:
    database.files.remember_fetched(FILE)
    database.files.remember_fetched(replace(FILE, mtime_ns=2))
    assert database.files.find_fetched(["s"]) == {"s": replace(FILE, mtime_ns=2)}
    with engine.connect() as connection:
        assert len(connection.execute(select(SQLFetchedFile.name)).all()) == 1


def test_of_equal_files_the_one_fetched_last_is_found(database: Database) -> None:
    again = replace(
        FILE, folder="raw/02736/v2", fetched_at=NOON + timedelta(days=1), version=2
    )
    database.files.remember_fetched(again)
    database.files.remember_fetched(FILE)
    assert database.files.find_fetched(["s", "unknown"]) == {"s": again}
