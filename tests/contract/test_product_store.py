"""The store on disk with its index: what lies in the store wins."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from outcomes import NOON, make_job, make_outcome, make_product, make_run

from flows.provenance import ProductStore, ProvenanceStore
from workers.content import file_sha256
from workers.contract import Outcome, Status, to_json
from workers.run import OUTCOME_NAME, get_store_folder

JOB = make_job()
Publish = Callable[..., Outcome]


@pytest.fixture
def products(tmp_path: Path, store: ProvenanceStore) -> ProductStore:
    return ProductStore(tmp_path, store)


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
    store: ProvenanceStore,
    products: ProductStore,
    publish: Publish,
    later: timedelta,
) -> None:
    """The host that made it first may have a clock that is ahead."""
    store.start_run(make_run())
    products.record(publish("b", "first"), run_id="run-1")
    find_product(tmp_path).write_text("rotten")
    products.make_room(JOB)
    again = publish("a", "again", finished_at=NOON + later)
    products.record(again, run_id="run-1")
    done = products.find_done(JOB.fingerprint)
    assert done is not None
    assert done.attempt == "a"
    assert [found.attempt for found in store.find_products(name="a_rate.fits")] == ["a"]
    assert len(store.get_job(JOB.fingerprint).attempts) == 2


def test_what_nobody_could_record_is_found_whatever_the_clocks_say(
    tmp_path: Path, store: ProvenanceStore, products: ProductStore, publish: Publish
) -> None:
    store.record_outcome(publish("b", "first"))
    find_product(tmp_path).write_text("rotten")
    products.make_room(JOB)
    publish("a", "again", finished_at=NOON - timedelta(hours=1))
    for _ in range(2):
        done = products.find_done(JOB.fingerprint)
        assert done is not None
        assert done.attempt == "a"


def test_a_failure_that_comes_later_takes_nothing_away(
    store: ProvenanceStore, products: ProductStore, publish: Publish
) -> None:
    outcome = publish("a", "made")
    store.record_outcome(outcome)
    failed = make_outcome(
        JOB, attempt="b", status=Status.LOST, finished_at=NOON + timedelta(1)
    )
    store.record_outcome(failed)
    done = products.find_done(JOB.fingerprint)
    assert done is not None
    assert done.products == outcome.products
