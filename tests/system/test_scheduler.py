"""A Dask scheduler that is there already, as on a cluster."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
import pytest
from commands import Rewebb, assert_refused, find_free_port, stopped, wait_until

MakeRewebb = Callable[..., Rewebb]


@pytest.fixture
def scheduled(make_rewebb: MakeRewebb, half_done: Rewebb) -> Iterator[Rewebb]:
    """Give the command a scheduler that has no workers yet."""
    port = str(find_free_port())
    rewebb = make_rewebb(half_done).given(
        REWEBB_SCHEDULER=f"tcp://127.0.0.1:{port}",
        DASK_DISTRIBUTED__WORKER__DAEMON="false",
    )
    place = (
        "--host",
        "127.0.0.1",
        "--port",
        port,
        "--dashboard-address",
        "127.0.0.1:0",
    )
    with stopped(rewebb.start("scheduler", *place, program="dask")):
        yield rewebb


@contextmanager
def working(rewebb: Rewebb, *arguments: str) -> Iterator[psutil.Process]:
    """Keep a Dask worker, and give its nanny."""
    address = rewebb.variables["REWEBB_SCHEDULER"]
    place = ("--nthreads", "2", "--memory-limit", "0", "--no-dashboard")
    with stopped(
        rewebb.start("worker", address, *place, *arguments, program="dask")
    ) as nanny:
        yield psutil.Process(nanny.pid)


def test_a_run_survives_a_worker_of_a_scheduler_that_is_there(
    scheduled: Rewebb,
) -> None:
    with (
        working(scheduled, "--resources", "memory=4e9") as nanny,
        stopped(scheduled.start("run", "99002")) as run,
    ):
        wait_until(lambda: any(scheduled.data.glob("scratch/99002/*/publish/job.log")))
        (worker,) = (
            p for p in nanny.children() if "spawn_main" in " ".join(p.cmdline())
        )
        os.kill(worker.pid, signal.SIGKILL)
        out, err = run.communicate(timeout=180)
    assert run.returncode == 0, out + err
    assert "3 SUCCEEDED" in out
    assert not (scheduled.data / "scratch/99002").exists()


def test_workers_that_offer_no_memory_are_refused(scheduled: Rewebb) -> None:
    with working(scheduled):
        assert_refused(scheduled("plan", "99002"), "no worker that offers memory")
