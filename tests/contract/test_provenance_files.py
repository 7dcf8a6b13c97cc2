"""Hashes of files in the store of provenance."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from outcomes import NOON, make_reference
from sqlalchemy import Engine, select, update

from flows.errors import StoreError
from flows.provenance import ProvenanceStore
from flows.provenance.schema import SQLKnownFile, SQLKnownReference
from workers.contract import CONTENT_VERSION, ErrorInfo, FileHash


def make_file(path: str) -> FileHash:
    return FileHash(
        path=path, size_bytes=5 << 30, mtime_ns=1, sha256="s", content_sha256="c"
    )


def test_hashes_of_files_are_remembered(store: ProvenanceStore) -> None:
    files = {f"/raw/{number}": make_file(f"/raw/{number}") for number in range(1200)}
    store.remember_files(files.values())
    assert store.known_files([*files, "/raw/unknown"]) == files


def test_a_file_that_changed_is_remembered_as_it_is_now(store: ProvenanceStore) -> None:
    old, new = make_file("/raw/a"), replace(make_file("/raw/a"), mtime_ns=2, sha256="t")
    store.remember_files([old])
    store.remember_files([new])
    assert store.known_files(["/raw/a"]) == {"/raw/a": new}


def test_a_file_that_could_not_be_read_is_not_remembered(
    store: ProvenanceStore,
) -> None:
    error = ErrorInfo("OSError", "It is truncated.", "")
    store.remember_files([replace(make_file("/raw/a"), error=error)])
    assert store.known_files(["/raw/a"]) == {}


def test_hashes_of_another_version_are_not_known(
    store: ProvenanceStore, engine: Engine
) -> None:
    store.remember_files([make_file("/raw/a")])
    older = update(SQLKnownFile).values(content_version=CONTENT_VERSION - 1)
    with engine.begin() as connection:
        connection.execute(older)
    assert store.known_files(["/raw/a"]) == {}
    store.remember_files([make_file("/raw/a")])
    assert store.known_files(["/raw/a"]) == {"/raw/a": make_file("/raw/a")}


def test_many_may_remember_the_same_files_at_once(store: ProvenanceStore) -> None:
    files = [make_file(f"/raw/{number}") for number in range(50)]
    orders = [files, files[::-1], files[25:] + files[:25], files] * 2
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(store.remember_files, orders))
    assert len(store.known_files(file.path for file in files)) == 50


def test_references_are_remembered_by_cache(store: ProvenanceStore) -> None:
    here = make_reference("jwst_dark_1.fits")
    there = replace(here, mtime_ns=99)
    store.remember_references([here], crds_path="/here", now=NOON)
    store.remember_references([there], crds_path="/there", now=NOON)
    for crds_path, file in {"/here": here, "/there": there}.items():
        known = store.known_references([here.name, "other"], crds_path=crds_path)
        assert known == {here.name: file}


def test_a_reference_with_another_sha1_is_refused(store: ProvenanceStore) -> None:
    good, other = make_reference("jwst_dark_1.fits"), make_reference("jwst_flat_1.fits")
    store.remember_references([good], crds_path="/here", now=NOON)
    bad = replace(good, sha1="tampered")
    with pytest.raises(StoreError, match=r"jwst_dark_1\.fits has sha1 tampered"):
        store.remember_references([other, bad], crds_path="/here", now=NOON)
    names = [good.name, other.name]
    assert store.known_references(names, crds_path="/here") == {good.name: good}


def test_the_references_of_a_cache_say_nothing_of_another(
    store: ProvenanceStore,
) -> None:
    here = make_reference("jwst_dark_1.fits")
    there = replace(here, sha1="of a sample")
    store.remember_references([here], crds_path="/here", now=NOON)
    store.remember_references([there], crds_path="/there", now=NOON)
    assert store.list_references(crds_path="/here") == (here,)
    assert store.list_references(crds_path="/there") == (there,)


def test_the_first_sight_of_a_reference_is_kept(
    store: ProvenanceStore, engine: Engine
) -> None:
    file = make_reference("jwst_dark_1.fits")
    store.remember_references([file], crds_path="/here", now=NOON)
    touched = replace(file, mtime_ns=99)
    later = NOON + timedelta(days=1)
    store.remember_references([touched], crds_path="/here", now=later)
    with engine.connect() as connection:
        assert connection.scalar(select(SQLKnownReference.first_seen_at)) == NOON
    known = store.known_references([file.name], crds_path="/here")
    assert known == {file.name: touched}
