"""Work stealing of Dask, which stays on: no job that runs is begun elsewhere."""

from collections.abc import Iterator
from pathlib import Path

import dask
import pytest
from cluster_work import tell_worker
from commands import wait_until
from distributed import Client, LocalCluster, Scheduler

from flows.execution import Cluster
from flows.execution.node import MEMORY
from flows.execution.order import Turns
from flows.execution.policy import POLICY


@pytest.fixture
def local() -> Iterator[LocalCluster]:
    """Keep a scheduler with a worker of one slot, set as Rewebb's are."""
    with (
        dask.config.set(POLICY),
        LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            processes=False,
            dashboard_address=None,
            resources={MEMORY: 1},
        ) as local,
    ):
        yield local


def ask_to_move(key: str, dask_scheduler: Scheduler) -> None:
    """Ask the worker of a job to give it to the other one."""
    task = dask_scheduler.tasks[key]
    victim = task.processing_on
    (thief,) = {*dask_scheduler.workers.values()} - {victim}
    dask_scheduler.extensions["stealing"].move_task_request(task, victim, thief)


def test_a_job_that_waits_moves_to_a_new_worker_and_one_that_runs_stays(
    local: LocalCluster, tmp_path: Path
) -> None:
    runs, waits = tmp_path / "runs", tmp_path / "waits"
    with Client(local.scheduler_address, set_as_default=False) as client:
        cluster = Cluster(client, Turns())
        running, _ = [
            cluster.submit(tell_worker, path, memory_bytes=1) for path in (runs, waits)
        ]
        wait_until(runs.exists)
        assert not waits.exists()
        local.scale(2)
        wait_until(waits.exists)
        client.run_on_scheduler(ask_to_move, running.key)
        wait_until(lambda: "already-computing" in list_answers(local, running.key))
        (tmp_path / "go").touch()
        over = 0
        while over < 2:
            over += len(cluster.wait_any())
    ((first,), (second,)) = runs.read_text().split(), waits.read_text().split()
    assert first != second


def list_answers(local: LocalCluster, key: str) -> set[str]:
    """List what workers have answered to whether a job can be moved."""
    events = [event for _, event in local.scheduler.get_events("stealing")]
    return {event[0] for event in events if key in event}
