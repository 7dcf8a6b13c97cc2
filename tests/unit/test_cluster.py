"""A real cluster of one worker: what is lost is called again, all else is told."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from functools import partial
from pathlib import Path

import cluster_work
import dask
import limited_cluster
import pytest
from distributed import Client, LocalCluster
from distributed.comm import CommClosedError
from distributed.scheduler import NoValidWorkerError
from fake_cluster import make_killed

from config.clusters import LocalProfile
from flows.errors import PlanError, RunCancelledError
from flows.execution import CallError, Cluster, WorkerLostError, open_cluster
from flows.execution.cluster import _read_growth, get_result
from flows.execution.clusters.own import _OwnClient
from flows.execution.nodes import Growth
from flows.execution.order import Turns
from workers.contract import ErrorInfo


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    support = str(Path(cluster_work.__file__).parent)
    scratch = tmp_path_factory.mktemp("dask")
    with pytest.MonkeyPatch.context() as variables:
        variables.setenv("PYTHONPATH", support)  # for the worker
        profile = LocalProfile(slots=2, memory_bytes=1000)
        with open_cluster(profile, scratch=scratch) as cluster:
            yield cluster


def test_answers_come_in_the_order_of_the_items(
    cluster: Cluster, tmp_path: Path
) -> None:
    items = [tmp_path / name for name in "abc"]
    answers = cluster.map(cluster_work.answer_name, items, memory_bytes=1)
    assert answers == ["a", "b", "c"]


def test_the_workers_are_seen_whatever_the_timer_of_the_client_asks(
    cluster: Cluster,
) -> None:
    """It asks for what the scheduler is, without workers, in between."""
    often = {"distributed.client.scheduler-info-interval": "1ms"}
    with dask.config.set(often), cluster.share() as mine:
        seen = {(mine.get_slots(), mine.get_largest_bytes()) for _ in range(300)}
    assert seen == {(2, 1000)}


def test_a_scheduler_that_is_gone_is_said_by_whoever_reaches_for_it() -> None:
    """Before its client has given up, and after, when it has no scheduler any more."""
    quick = {"distributed.comm.timeouts.connect": "1s"}
    growth = Growth(minimum=0, maximum=1, slots=1, memory_bytes=1000)
    with (
        dask.config.set(quick),
        LocalCluster(n_workers=0, processes=False, dashboard_address=None) as local,
        Client(local.scheduler_address, set_as_default=False) as client,
    ):
        pool = _OwnClient(client, growth)
        alone = Cluster(client, Turns())
        asked: list[Callable[[], object]] = [
            alone.get_slots,
            alone.get_largest_bytes,
            partial(alone.take_slots, held=1, wanted=1),
            partial(alone.ask_each, len, "", nodes=1),
            alone._ask_seats,
            pool.look,
            partial(pool.retire, ["a"]),
        ]
        local.close()
        for ask in asked:
            with pytest.raises(PlanError, match="The Dask scheduler is gone"):
                ask()
        client.close()  # as it does itself, once it has given up
        asked += [
            partial(alone.submit, len, "", memory_bytes=1),
            partial(alone.map, len, [""], memory_bytes=1),
            partial(_read_growth, client),
        ]
        for ask in asked:
            alone._seat.turn += 1  # what has changed is told
            with pytest.raises(PlanError, match="The Dask scheduler is gone"):
                ask()


def test_a_call_whose_worker_dies_is_made_again(
    cluster: Cluster, tmp_path: Path
) -> None:
    items = [tmp_path / "a-0", tmp_path / "b-2"]
    answers = cluster.map(cluster_work.die_until, items, memory_bytes=1)
    assert answers == ["a-0", "b-2"]


def test_an_answer_is_gathered_though_the_one_before_it_is_not_there(
    cluster: Cluster, tmp_path: Path
) -> None:
    """It would be lost with its worker, and made again."""
    first, second = tmp_path / "first", tmp_path / "second"
    answers = cluster.map(
        cluster_work.die_once_read,
        [first, second],
        memory_bytes=1,
        listener=lambda *_: (tmp_path / "read").touch(),
    )
    assert answers == ["first", "second"]
    assert (first.read_text(), second.read_text()) == ("xx", "x")


def test_there_is_an_end_to_calling_again(cluster: Cluster, tmp_path: Path) -> None:
    path = tmp_path / "a-9"
    with pytest.raises(WorkerLostError, match="died"):
        cluster.map(cluster_work.die_until, [path], memory_bytes=1)
    assert path.read_text() == "xxx"


def test_whoever_waits_for_a_call_can_be_told_to_stop(cluster: Cluster) -> None:
    def refuse() -> None:
        raise RunCancelledError("It was cancelled.")

    with cluster.share() as mine:
        mine.heed(refuse)
        with pytest.raises(RunCancelledError, match="was cancelled"):
            mine.map(time.sleep, [3.0], memory_bytes=1)


def test_a_call_whose_child_is_lost_is_made_again(
    cluster: Cluster, tmp_path: Path
) -> None:
    items = [tmp_path / "a-0", tmp_path / "b-2", tmp_path / "c-9"]
    one, two, lost = cluster.map(cluster_work.lose_child_until, items, memory_bytes=1)
    assert (one, two) == ("a-0", "b-2")
    assert isinstance(lost, ErrorInfo)


def test_whatever_a_call_raises_is_told(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(CallError, match=r"OddError|TypeError"):
        cluster.map(cluster_work.raise_odd, [tmp_path], memory_bytes=1)


def test_a_cluster_offers_what_its_process_is_given(tmp_path: Path) -> None:
    offered = subprocess.run(
        [sys.executable, limited_cluster.__file__, tmp_path],
        capture_output=True,
        text=True,
        check=True,
    )
    assert offered.stdout.split() == ["1", str(int(0.9 * limited_cluster.LIMIT_BYTES))]


class GoneFuture:
    """The future of a call whose end is known, and of which Dask raises or tells."""

    def __init__(self, error: BaseException, *, is_raised: bool) -> None:
        self.is_released = False
        self._error = error
        self._is_raised = is_raised

    def exception(self) -> BaseException:
        """Raise, or tell, what went wrong."""
        if self._is_raised:
            raise self._error
        return self._error

    def release(self) -> None:
        """Let go."""
        self.is_released = True


@pytest.mark.parametrize(
    ("error", "is_raised"),
    [
        (CancelledError("job"), True),
        (CancelledError("job"), False),
        (CommClosedError("in <TLS>: Stream is closed"), True),
        (OSError("Timed out trying to connect"), True),
        (NoValidWorkerError("job", set(), {}, {}, 1.0), False),
    ],
)
def test_a_run_ends_with_its_scheduler_or_all_of_its_workers(
    error: Exception, *, is_raised: bool
) -> None:
    future = GoneFuture(error, is_raised=is_raised)
    with pytest.raises(PlanError, match=r"scheduler is gone .*; run again to go on"):
        get_result(future)
    assert future.is_released


def test_a_worker_that_died_is_no_end_of_a_run() -> None:
    future = GoneFuture(make_killed(), is_raised=False)
    with pytest.raises(WorkerLostError, match="tls://node2:1 died"):
        get_result(future)
    assert future.is_released
