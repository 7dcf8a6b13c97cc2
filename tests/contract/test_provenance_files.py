"""Hashes of files in the database."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from outcomes import NOON, make_reference
from sqlalchemy import Engine, select, update

from flows.errors import DatabaseError
from flows.provenance import Database
from flows.provenance.schema import SQLKnownFile, SQLKnownReference
from workers.contract import CONTENT_VERSION, ErrorInfo, FileHash


def make_file(path: str) -> FileHash:
    return FileHash(
        path=path, size_bytes=5 << 30, mtime_ns=1, sha256="s", content_sha256="c"
    )


def test_hashes_of_files_are_remembered(database: Database) -> None:
    files = {f"/raw/{number}": make_file(f"/raw/{number}") for number in range(1200)}
    database.files.remember_files(files.values())
    assert database.files.known_files([*files, "/raw/unknown"]) == files


def test_a_file_that_changed_is_remembered_as_it_is_now(database: Database) -> None:
    old, new = make_file("/raw/a"), replace(make_file("/raw/a"), mtime_ns=2, sha256="t")
    database.files.remember_files([old])
    database.files.remember_files([new])
    assert database.files.known_files(["/raw/a"]) == {"/raw/a": new}


def test_a_file_that_could_not_be_read_is_not_remembered(
    database: Database,
) -> None:
    error = ErrorInfo("OSError", "It is truncated.", "")
    database.files.remember_files([replace(make_file("/raw/a"), error=error)])
    assert database.files.known_files(["/raw/a"]) == {}


def test_hashes_of_another_version_are_not_known(
    database: Database, engine: Engine
) -> None:
    database.files.remember_files([make_file("/raw/a")])
    older = update(SQLKnownFile).values(content_version=CONTENT_VERSION - 1)
    with engine.begin() as connection:
        connection.execute(older)
    assert database.files.known_files(["/raw/a"]) == {}
    database.files.remember_files([make_file("/raw/a")])
    assert database.files.known_files(["/raw/a"]) == {"/raw/a": make_file("/raw/a")}


def test_many_may_remember_the_same_files_at_once(database: Database) -> None:
    files = [make_file(f"/raw/{number}") for number in range(50)]
    orders = [files, files[::-1], files[25:] + files[:25], files] * 2
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(database.files.remember_files, orders))
    assert len(database.files.known_files(file.path for file in files)) == 50


def test_references_are_remembered_by_cache(database: Database) -> None:
    here = make_reference("jwst_dark_1.fits")
    there = replace(here, mtime_ns=99)
    database.files.remember_references([here], crds_path="/here", now=NOON)
    database.files.remember_references([there], crds_path="/there", now=NOON)
    for crds_path, file in {"/here": here, "/there": there}.items():
        assert database.files.list_references(crds_path=crds_path) == (file,)


def test_a_reference_with_another_sha1_is_refused(database: Database) -> None:
    good, other = make_reference("jwst_dark_1.fits"), make_reference("jwst_flat_1.fits")
    database.files.remember_references([good], crds_path="/here", now=NOON)
    bad = replace(good, sha1="tampered")
    with pytest.raises(DatabaseError, match=r"jwst_dark_1\.fits has sha1 tampered"):
        database.files.remember_references([other, bad], crds_path="/here", now=NOON)
    assert database.files.list_references(crds_path="/here") == (good,)


def test_the_references_of_a_cache_say_nothing_of_another(
    database: Database,
) -> None:
    here = make_reference("jwst_dark_1.fits")
    there = replace(here, sha1="of a sample")
    database.files.remember_references([here], crds_path="/here", now=NOON)
    database.files.remember_references([there], crds_path="/there", now=NOON)
    assert database.files.list_references(crds_path="/here") == (here,)
    assert database.files.list_references(crds_path="/there") == (there,)


def test_the_first_sight_of_a_reference_is_kept(
    database: Database, engine: Engine
) -> None:
    file = make_reference("jwst_dark_1.fits")
    database.files.remember_references([file], crds_path="/here", now=NOON)
    touched = replace(file, mtime_ns=99)
    later = NOON + timedelta(days=1)
    database.files.remember_references([touched], crds_path="/here", now=later)
    with engine.connect() as connection:
        assert connection.scalar(select(SQLKnownReference.first_seen_at)) == NOON
    assert database.files.list_references(crds_path="/here") == (touched,)
