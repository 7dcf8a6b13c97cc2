"""The store on disk with its index: what lies in the store wins."""

import os
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from outcomes import NOON, make_job, make_outcome, make_product, make_run

from flows.models.jobs import Damage, StoredJob
from flows.provenance import Database, Store
from workers.content import file_sha256
from workers.contract import Outcome, Status, to_json
from workers.job_layout import OUTCOME_NAME, get_store_folder

JOB = make_job()
Publish = Callable[..., Outcome]


@pytest.fixture
def store(tmp_path: Path, database: Database) -> Store:
    return Store(tmp_path, database)


@pytest.fixture
def publish(tmp_path: Path) -> Publish:
    """Publish one product as a worker does."""

    def publish(attempt: str, text: str, *, finished_at: datetime = NOON) -> Outcome:
        folder = tmp_path / get_store_folder(JOB.fingerprint)
        folder.mkdir(parents=True)
        path = folder / "a_rate.fits"
        path.write_text(text)
        product = replace(
            make_product(path.name),
            size_bytes=path.stat().st_size,
            mtime_ns=path.stat().st_mtime_ns,
            sha256=file_sha256(path),
        )
        outcome = replace(
            make_outcome(
                JOB, attempt=attempt, finished_at=finished_at, products=[product]
            ),
            folder=str(get_store_folder(JOB.fingerprint)),
        )
        (folder / OUTCOME_NAME).write_text(to_json(outcome))
        return outcome

    return publish


def find_product(folder: Path) -> Path:
    return folder / get_store_folder(JOB.fingerprint) / "a_rate.fits"


@pytest.mark.parametrize("later", [timedelta(hours=-1), timedelta(), timedelta(1)])
def test_what_was_made_again_is_found_whatever_the_clocks_say(
    tmp_path: Path,
    database: Database,
    store: Store,
    publish: Publish,
    later: timedelta,
) -> None:
    """The host that made it first may have a clock that is ahead."""
    database.runs.start_run(make_run())
    store.record(publish("b", "first"), run_id="run-1")
    find_product(tmp_path).write_text("rotten")
    store.make_room(JOB)
    again = publish("a", "again", finished_at=NOON + later)
    store.record(again, run_id="run-1")
    done = store.find_done(JOB.fingerprint)
    assert isinstance(done, StoredJob)
    assert done.attempt == "a"
    assert store.find_done(JOB.fingerprint) == done  # as the database tells it
    assert [
        found.attempt for found in database.jobs.find_products(name="a_rate.fits")
    ] == ["a"]
    assert len(database.jobs.get_job(JOB.fingerprint).attempts) == 2


def test_what_nobody_could_record_is_found_whatever_the_clocks_say(
    tmp_path: Path, database: Database, store: Store, publish: Publish
) -> None:
    database.jobs.record_outcome(publish("b", "first"))
    find_product(tmp_path).write_text("rotten")
    store.make_room(JOB)
    publish("a", "again", finished_at=NOON - timedelta(hours=1))
    for _ in range(2):
        done = store.find_done(JOB.fingerprint)
        assert isinstance(done, StoredJob)
        assert done.attempt == "a"


def test_what_is_expected_is_looked_at_on_disk_all_the_same(
    tmp_path: Path, database: Database, store: Store, publish: Publish
) -> None:
    database.runs.start_run(make_run())
    store.record(publish("a", "first"), run_id="run-1")
    done = store.find_done(JOB.fingerprint)
    new = Store(tmp_path, database)
    new.expect([JOB.fingerprint, "0" * 64])
    assert new.find_done(JOB.fingerprint) == done
    assert new.find_done("0" * 64) is None
    new.expect([JOB.fingerprint])
    find_product(tmp_path).write_text("rotten")
    assert isinstance(new.find_done(JOB.fingerprint), Damage)


def test_a_failure_that_comes_later_takes_nothing_away(
    database: Database, store: Store, publish: Publish
) -> None:
    outcome = publish("a", "made")
    database.jobs.record_outcome(outcome)
    failed = make_outcome(
        JOB, attempt="b", status=Status.LOST, finished_at=NOON + timedelta(1)
    )
    database.jobs.record_outcome(failed)
    done = store.find_done(JOB.fingerprint)
    assert isinstance(done, StoredJob)
    assert done.products == outcome.products


def test_a_store_that_was_copied_without_times_is_read_once(
    tmp_path: Path, database: Database, store: Store, publish: Publish
) -> None:
    """What was verified is known by its new time: it is not read a second time."""
    database.jobs.record_outcome(publish("a", "made"))
    path = find_product(tmp_path)
    os.utime(path, ns=(1, 1))
    assert isinstance(store.find_done(JOB.fingerprint), StoredJob)
    path.write_text("rot!")
    os.utime(path, ns=(1, 1))
    assert isinstance(store.find_done(JOB.fingerprint), StoredJob)
    os.utime(path, ns=(2, 2))
    assert isinstance(store.find_done(JOB.fingerprint), Damage)


def test_what_could_not_be_verified_is_not_remembered(
    tmp_path: Path, database: Database, store: Store, publish: Publish
) -> None:
    database.jobs.record_outcome(publish("a", "made"))
    path = find_product(tmp_path)
    path.write_text("rot!")
    for _ in range(2):
        assert isinstance(store.find_done(JOB.fingerprint), Damage)


def spoil(folder: Path, how: str) -> None:
    match how:
        case "bytes":
            (folder / "a_rate.fits").write_text("rot!")
        case "size":
            (folder / "a_rate.fits").write_text("too long")
        case "product":
            (folder / "a_rate.fits").unlink()
        case "outcome":
            (folder / OUTCOME_NAME).write_text("{")
        case "no outcome":
            (folder / OUTCOME_NAME).unlink()


WRONG = {
    "bytes": r"a_rate\.fits: expected sha256 \w{64}, got \w{64}",
    "size": r"a_rate\.fits: expected 4 bytes, got 8",
    "product": r"a_rate\.fits: No such file or directory",
    "no outcome": r"outcome\.json: No such file or directory",
}


@pytest.mark.parametrize("how", WRONG)
def test_damage_is_named(
    tmp_path: Path,
    database: Database,
    store: Store,
    publish: Publish,
    how: str,
) -> None:
    outcome = publish("a", "made")
    database.jobs.record_outcome(outcome)
    spoil(tmp_path / outcome.folder, how)
    found = store.find_done(JOB.fingerprint)
    assert isinstance(found, Damage)
    assert re.search(f"^{outcome.folder}/{WRONG[how]}$", found.message)
    store.make_room(JOB)
    assert store.find_done(JOB.fingerprint) is None


def test_an_outcome_that_cannot_be_read_is_damage_if_it_is_needed(
    tmp_path: Path, store: Store, publish: Publish
) -> None:
    spoil(tmp_path / publish("a", "made").folder, "outcome")
    found = store.find_done(JOB.fingerprint)
    assert isinstance(found, Damage)
    assert "is not an outcome" in found.message


@pytest.mark.parametrize("part", ["folder", "name"])
def test_a_database_that_leads_out_of_the_store_is_not_followed(
    tmp_path: Path,
    database: Database,
    store: Store,
    publish: Publish,
    part: str,
) -> None:
    outcome = publish("a", "made")
    (tmp_path / "elsewhere").mkdir()
    find_product(tmp_path).rename(tmp_path / "elsewhere" / "a_rate.fits")
    if part == "folder":
        tampered = replace(outcome, folder="elsewhere")
    else:
        name = "../../../elsewhere/a_rate.fits"
        tampered = replace(outcome, products=(replace(outcome.products[0], name=name),))
    database.jobs.record_outcome(tampered)
    found = store.find_done(JOB.fingerprint)
    assert isinstance(found, Damage)
    assert "elsewhere" in found.message
