"""Which recorded products are drawn, and what becomes of those that cannot be."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from drawn_products import make_spectra
from outcomes import make_job, make_outcome, make_run, make_run_job

from flows.execution import Cluster, WorkerLostError
from flows.factory import Services
from flows.models.runs import JobState
from flows.planning import Plan
from flows.provenance import Database
from flows.reports import ShownProduct, list_shown
from flows.run import draw_recorded
from flows.run.jobs import Executed
from flows.run.picturing import draw_executed, write_report
from workers.content import file_sha256
from workers.contract import ErrorInfo, Input, Product, Stage
from workers.pictures_contract import DrawRequest
from workers.stages.pictures import draw_product

MIB = 1 << 20


class DrawingCluster:
    """Draws here, or fails as told."""

    def __init__(self, failure: str = "", *, is_lost: bool = False) -> None:
        self.asked: list[list[str]] = []
        self.memory_bytes = 0
        self._failure = failure
        self._is_lost = is_lost

    def get_largest_bytes(self) -> int:
        """Return the memory of its only node."""
        return 4096 * MIB

    def map(
        self,
        _: object,
        items: Sequence[Sequence[DrawRequest]],
        *,
        memory_bytes: int,
        listener: Callable[[int, Any], None],
    ) -> None:
        """Tell one answer after the other."""
        if self._is_lost:
            raise WorkerLostError("the Dask worker died")
        self.memory_bytes = memory_bytes
        for index, batch in enumerate(items):
            self.asked.append([request.path.name for request in batch])
            why = self._failure
            drawn = tuple(map(draw_product, batch)) if not why else ()
            listener(index, ErrorInfo("X", why, "") if why else drawn)

    @contextmanager
    def lend(self) -> Iterator[Cluster]:
        """Open it."""
        yield cast("Cluster", self)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database.open(f"sqlite:///{tmp_path}/rewebb.db") as opened:
        yield opened


def to_product(path: Path) -> Product:
    return Product(path.name, path.stat().st_size, 0, file_sha256(path), "content")


@pytest.fixture
def shown(database: Database, tmp_path: Path) -> tuple[ShownProduct, ...]:
    """Record a run of one job, whose spectrum is there."""
    job = make_job(fingerprint="a" * 64)
    folder = tmp_path / "store/aa" / job.fingerprint
    folder.mkdir(parents=True)
    products = (to_product(make_spectra(folder)),)
    outcome = make_outcome(job, attempt="1", products=products)
    folder = Path("store/aa") / job.fingerprint
    database.jobs.record_outcome(replace(outcome, folder=str(folder)))
    run = make_run()
    database.runs.start_run(run)
    one = replace(make_run_job(job.name, JobState.SUCCEEDED), fingerprint="a" * 64)
    database.runs.set_jobs(run.id, [one])
    return list_shown(database, [one])


def test_products_are_drawn_once_and_beside_the_store(
    shown: tuple[ShownProduct, ...], tmp_path: Path
) -> None:
    cluster = DrawingCluster()
    first = draw_recorded(shown, data_dir=tmp_path, open_cluster=cluster.lend)
    assert [one.product for one in first.drawn] == ["one_nrs1_x1d.fits"]
    assert cluster.memory_bytes == 1024 * MIB
    again = draw_recorded(shown, data_dir=tmp_path, open_cluster=cluster.lend)
    assert (again.drawn, len(cluster.asked)) == ((), 1)
    assert (tmp_path / "pictures/aa" / ("a" * 64)).is_dir()


@pytest.mark.parametrize(
    ("cluster", "note"),
    [
        (DrawingCluster("It is text."), "one_nrs1_x1d.fits is not drawn: It is text."),
        (DrawingCluster(is_lost=True), "not all products are drawn, see `rewebb rep"),
    ],
)
def test_a_run_whose_products_cannot_be_drawn_notes_it(
    database: Database,
    shown: tuple[ShownProduct, ...],
    cluster: DrawingCluster,
    note: str,
    tmp_path: Path,
) -> None:
    assert shown
    services = SimpleNamespace(database=database, data_dir=tmp_path)
    executed = draw_executed(
        Executed(make_run(), Plan(()), ("known",)),
        cast("Services", services),
        lambda: cast("Cluster", cluster),
    )
    first, last = executed.notes
    assert first == "known"
    assert last.startswith(note)


def test_products_of_which_others_were_made_are_not_looked_at(
    database: Database,
) -> None:
    names = ("one_nrs1_rate.fits", "one_nrs1_x1d.fits", "two_nrs1_x1d.fits")
    rate, early, alone = (Product(name, 1, 0, name, name) for name in names)
    last = Product("all_x1d.fits", 1, 0, "all", "all")
    read = Input(early.name, "", "science", "", early.sha256, early.content_sha256)
    jobs = [
        (replace(make_job(fingerprint="a" * 64), stage=Stage.DETECTOR1), (rate,)),
        (replace(make_job(fingerprint="b" * 64), stage=Stage.SPEC2), (early,)),
        (replace(make_job(fingerprint="c" * 64), stage=Stage.SPEC2), (alone,)),
        (
            replace(make_job(fingerprint="d" * 64), stage=Stage.SPEC3, inputs=(read,)),
            (last,),
        ),
    ]
    for number, (job, products) in enumerate(jobs):
        outcome = make_outcome(job, attempt=str(number), products=products)
        database.jobs.record_outcome(outcome)
    run_jobs = [
        replace(
            make_run_job(f"job {job.fingerprint[0]}", JobState.REUSED),
            fingerprint=job.fingerprint,
        )
        for job, _ in jobs
    ]
    shown = [one.product.name for one in list_shown(database, run_jobs)]
    assert shown == ["all_x1d.fits", "two_nrs1_x1d.fits", "one_nrs1_rate.fits"]


def test_a_report_that_cannot_be_written_is_only_logged(
    database: Database,
    shown: tuple[ShownProduct, ...],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert shown
    (tmp_path / "runs").write_text("in the way of the folder")
    services = SimpleNamespace(database=database, data_dir=tmp_path)
    for run_id in (make_run().id, "unknown"):
        write_report(run_id, cast("Services", services))
    events = [record.getMessage().split()[0] for record in caplog.records]
    assert events == ["event='report.failed'"] * 2
