"""The store on disk, as the orchestrator sees it, which may be late."""

import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from outcomes import make_job, make_outcome, make_product, make_run

from flows.models.jobs import Damage, StoredJob
from flows.provenance import Database, Store
from workers.contract import Outcome, Status, to_json
from workers.job_layout import get_store_folder

FOLDER = get_store_folder(make_job().fingerprint)
OUTCOME = replace(make_outcome(), folder=str(FOLDER))
FINGERPRINT = OUTCOME.job.fingerprint


@pytest.fixture
def store(database: Database, tmp_path: Path) -> Store:
    database.runs.start_run(make_run())
    return Store(tmp_path, database, patience=timedelta(seconds=1))


def publish(data_dir: Path, outcome: Outcome) -> None:
    """Publish as a worker does: by the rename of a folder."""
    made, folder = data_dir / "made", data_dir / get_store_folder(FINGERPRINT)
    made.mkdir()
    (made / "outcome.json").write_text(to_json(outcome))
    folder.parent.mkdir(parents=True)
    made.rename(folder)


def test_what_another_host_has_published_is_looked_for_until_it_is_seen(
    store: Store, database: Database, tmp_path: Path
) -> None:
    published = replace(OUTCOME, products=())
    late = threading.Timer(0.3, publish, (tmp_path, published))
    late.start()
    store.record(OUTCOME, run_id="run-1")
    late.join()
    [attempt] = database.jobs.get_job(FINGERPRINT).attempts
    assert attempt.outcome == published
    assert isinstance(store.find_done(FINGERPRINT), StoredJob)


def test_what_is_never_seen_is_a_failure_until_the_next_run_sees_it(
    store: Store, database: Database, tmp_path: Path
) -> None:
    store.record(OUTCOME, run_id="run-1")
    [attempt] = database.jobs.get_job(FINGERPRINT).attempts
    assert attempt.outcome.status is Status.FAILED
    assert attempt.outcome.error is not None
    assert "node1 has published" in attempt.outcome.error.message
    assert store.find_done(FINGERPRINT) is None
    publish(tmp_path, replace(OUTCOME, products=()))
    assert isinstance(store.find_done(FINGERPRINT), StoredJob)
    [attempt] = database.jobs.get_job(FINGERPRINT).attempts
    assert attempt.outcome.status is Status.SUCCEEDED


def test_a_spoilt_outcome_is_a_failure(
    store: Store, database: Database, tmp_path: Path
) -> None:
    publish(tmp_path, OUTCOME)
    path = tmp_path / get_store_folder(FINGERPRINT) / "outcome.json"
    path.write_text("{}")
    store.record(OUTCOME, run_id="run-1")
    assert (
        database.jobs.get_job(FINGERPRINT).attempts[0].outcome.status is Status.FAILED
    )


def test_a_product_that_cannot_be_read_is_not_intact(
    store: Store, tmp_path: Path
) -> None:
    folder = tmp_path / get_store_folder(FINGERPRINT)
    file = make_product()
    (folder / file.name).mkdir(parents=True)
    size_bytes = (folder / file.name).stat().st_size
    unreadable = type(file)(file.name, size_bytes, 7, file.sha256, file.content_sha256)
    outcome = replace(OUTCOME, products=(unreadable,))
    (folder / "outcome.json").write_text(to_json(outcome))
    found = store.find_done(FINGERPRINT)
    assert isinstance(found, Damage)
    assert "a folder instead of a regular file" in found.message
