"""Which recorded products are measured, and what becomes of the numbers."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from outcomes import NOON, make_job, make_outcome, make_run, make_run_job

from config.measurements import hash_kinds
from flows.execution import Cluster, WorkerLostError
from flows.factory import Services
from flows.models.measurements import MeasuredProduct
from flows.models.runs import JobState
from flows.planning import Plan
from flows.provenance import Database
from flows.run import Measured, ProductFile, measure_recorded
from flows.run.jobs import Executed
from flows.run.measuring import measure_executed
from workers.cache_contract import FileProgress
from workers.contract import ErrorInfo, Measurement, Product

KEYS = ("a", "b")
MIB = 1 << 20


class ScriptedCluster:
    """Answers for each product as told, by the name of its file."""

    def __init__(self, **failures: str) -> None:
        self.asked: list[str] = []
        self.memory_bytes = 0
        self.opened = 0
        self._failures = failures

    def get_largest_bytes(self) -> int:
        """Return the memory of its only node."""
        return 4096 * MIB

    def map(
        self,
        _: object,
        items: Sequence[Sequence[Path]],
        *,
        memory_bytes: int,
        listener: Callable[[int, Any], None],
    ) -> None:
        """Tell one answer after the other."""
        self.memory_bytes = memory_bytes
        for index, [path] in enumerate(items):
            self.asked.append(str(path))
            key = path.name[0]
            number = Measurement("vertical-banding", path.name, "", 0.5, "1", 9)
            why = self._failures.get(key)
            listener(index, ErrorInfo("X", why, "") if why else ((number,),))

    @contextmanager
    def lend(self) -> Iterator[Cluster]:
        """Open it."""
        self.opened += 1
        yield cast("Cluster", self)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database.open(f"sqlite:///{tmp_path}/rewebb.db") as opened:
        for key in KEYS:
            job = make_job(fingerprint=key * 64)
            opened.jobs.record_outcome(make_outcome(job, attempt=f"{key * 8}-1"))
        yield opened


def make_file(
    key: str, name: str = "1_rate.fits", size_bytes: int = MIB
) -> ProductFile:
    product = Product(key + name, size_bytes, 0, "sha", "content")
    return ProductFile(key * 64, product, f"store/{key}")


def measure(
    database: Database,
    cluster: ScriptedCluster,
    *files: ProductFile,
    told: list[FileProgress] | None = None,
) -> Measured:
    listener = told.append if told is not None else lambda _: None
    return measure_recorded(
        files,
        database,
        data_dir=Path("/data"),
        open_cluster=cluster.lend,
        listener=listener,
    )


def test_each_product_is_measured_by_itself_and_once(database: Database) -> None:
    files = [make_file(key) for key in KEYS]
    cluster, told = ScriptedCluster(), list[FileProgress]()
    first = measure(database, cluster, *files, told=told)
    assert cluster.asked == ["/data/store/a/a1_rate.fits", "/data/store/b/b1_rate.fits"]
    assert [one.product for one in first.products] == ["a1_rate.fits", "b1_rate.fits"]
    assert [(one.done, one.total, one.done_bytes) for one in told] == [
        (1, 2, MIB),
        (2, 2, 2 * MIB),
    ]
    assert measure(database, cluster, *files) == first
    assert cluster.opened == 1


@pytest.mark.parametrize("changed", ["sha256", "kinds_sha256"])
def test_numbers_of_other_bytes_or_definitions_are_taken_again(
    database: Database, changed: str
) -> None:
    file = make_file("a")
    kept = MeasuredProduct(
        *(file.fingerprint, file.product.name, "sha", hash_kinds("rate") or ""),
        *(NOON, ()),
    )
    database.measurements.record(kept)
    cluster = ScriptedCluster()
    assert measure(database, cluster, file).products == (kept,)
    database.measurements.record(replace(kept, **{changed: "other"}))
    assert len(measure(database, cluster, file).products[0].numbers) == 1
    assert cluster.opened == 1


def test_what_fails_leaves_no_numbers_and_does_not_stop_the_rest(
    database: Database,
) -> None:
    files = [make_file(key) for key in KEYS]
    found = measure(database, ScriptedCluster(a="It is text."), *files)
    assert found.failed == {"a1_rate.fits": "It is text."}
    assert [one.product for one in found.products] == ["b1_rate.fits"]
    assert len(measure(database, ScriptedCluster(), *files).products) == 2


def test_products_that_nothing_is_measured_of_are_left_out(database: Database) -> None:
    cluster = ScriptedCluster()
    found = measure(database, cluster, make_file("a", "1_uncal.fits"))
    assert (found.products, found.failed, cluster.opened) == ((), {}, 0)


class LostCluster(ScriptedCluster):
    """Loses its worker with the products that it measures."""

    def map(self, *_: object, **__: object) -> None:
        """Lose the worker."""
        raise WorkerLostError("the Dask worker died")


@pytest.mark.parametrize(
    ("cluster", "note"),
    [
        (ScriptedCluster(j="It is text."), "is not measured: It is text."),
        (LostCluster(), "not all products are measured, see `rewebb measure`: "),
    ],
)
def test_a_run_whose_products_cannot_be_measured_notes_it(
    database: Database, cluster: ScriptedCluster, note: str
) -> None:
    run, job = make_run(), make_run_job("job", JobState.SUCCEEDED)
    database.runs.start_run(run)
    database.runs.set_jobs(run.id, [replace(job, fingerprint="a" * 64)])
    services = SimpleNamespace(database=database, data_dir=Path("/data"))
    executed = measure_executed(
        Executed(run, Plan(()), ("known",)),
        cast("Services", services),
        lambda: cast("Cluster", cluster),
    )
    first, last = executed.notes
    assert first == "known"
    assert note in last


@pytest.mark.parametrize(
    ("size_bytes", "memory_bytes"),
    [(MIB, 1024 * MIB), (200 * MIB, 1600 * MIB), (9000 * MIB, 4096 * MIB)],
)
def test_large_products_get_memory_as_far_as_there_is(
    database: Database, size_bytes: int, memory_bytes: int
) -> None:
    cluster = ScriptedCluster()
    measure(database, cluster, make_file("a", size_bytes=size_bytes))
    assert cluster.memory_bytes == memory_bytes
