"""Workers that leave, die or are retired with a job, with real workers of Dask."""

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cluster_work
import psutil
import pytest
from commands import wait_until
from distributed import Future
from outcomes import make_job

from config.clusters import LocalProfile
from config.faults import FaultKind
from flows.execution import Cluster, WorkerLostError, open_cluster
from flows.execution.cluster import get_result
from flows.execution.worker_side import answer_on_worker
from workers.beginnings import Beginning, find_beginning, find_told, get_scratch
from workers.contract import TimeLimits

JOB = make_job()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    profile = LocalProfile(slots=1, memory_bytes=10**10)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(cluster_work.__file__).parent))
        with open_cluster(profile, scratch=tmp_path_factory.mktemp("dask")) as cluster:
            yield cluster


def submit(
    cluster: Cluster, data: Path, kind: FaultKind, *, limits: TimeLimits | None = None
) -> "Future[Any]":
    """Submit a job in which something goes wrong."""
    return cluster.submit(
        answer_on_worker,
        JOB,
        attempt="one",
        data_dir=data,
        granted_bytes=10**10,
        limits=limits,
        fault=kind,
        memory_bytes=10**10,
    )


def wait_for_job(data: Path) -> Beginning:
    """Wait until the job is at work, and tell where."""
    scratch = get_scratch(data, JOB.program, "one")
    wait_until((scratch / "publish" / "job.log").exists)
    found = find_beginning(scratch)
    assert found is not None
    return found


def find_node() -> psutil.Process:
    """Find the worker."""
    below = psutil.Process().children()
    (node,) = (p for p in below if "flows.execution.node" in p.cmdline())
    return node


def test_a_worker_that_gets_a_sigterm_tells_that_its_job_was_preempted(
    cluster: Cluster, tmp_path: Path
) -> None:
    future = submit(cluster, tmp_path, FaultKind.HANG)
    begun = wait_for_job(tmp_path)
    node = find_node()
    node.terminate()
    outcome = json.loads(get_result(future))
    assert outcome["status"] == "PREEMPTED"
    assert (outcome["host"], outcome["node"]) == (os.uname().nodename, begun.node)
    assert "leaves" in outcome["error"]["message"]
    psutil.wait_procs([node], timeout=30)
    assert not node.is_running()


def test_a_call_that_is_cut_off_since_its_worker_leaves_is_made_again(
    cluster: Cluster, tmp_path: Path
) -> None:
    calls = tmp_path / "calls"

    def call() -> None:
        cluster.map(cluster_work.tell_worker, [calls], memory_bytes=1)

    thread = threading.Thread(target=call)
    thread.start()
    wait_until(calls.exists)
    find_node().terminate()
    wait_until(lambda: len(calls.read_text().split()) == 2)
    (tmp_path / "go").touch()
    thread.join()
    first, second = calls.read_text().split()
    assert first != second


def test_a_worker_that_is_retired_preempts_its_job_wherever_that_begins_again(
    cluster: Cluster, tmp_path: Path
) -> None:
    future = submit(cluster, tmp_path, FaultKind.HANG)
    begun = wait_for_job(tmp_path)
    cluster._client.retire_workers(names=[begun.node])
    outcome = json.loads(get_result(future))
    assert (outcome["status"], outcome["node"]) == ("PREEMPTED", begun.node)


def test_a_worker_that_dies_with_its_job_leaves_where_that_began(
    cluster: Cluster, tmp_path: Path
) -> None:
    future = submit(cluster, tmp_path, FaultKind.KILL_WORKER)
    with pytest.raises(WorkerLostError) as lost:
        get_result(future)
    begun = find_beginning(get_scratch(tmp_path, JOB.program, "one"))
    assert begun is not None
    assert begun.node == lost.value.node
    assert find_told(JOB, "one", tmp_path) is None


def test_a_job_that_hangs_is_timed_out_and_its_worker_goes_on(
    cluster: Cluster, tmp_path: Path
) -> None:
    limits = TimeLimits(stall_s=5.0)
    future = submit(cluster, tmp_path, FaultKind.HANG, limits=limits)
    outcome = json.loads(get_result(future))
    assert outcome["status"] == "TIMED_OUT"
    assert "made no progress" in outcome["error"]["message"]
    assert (tmp_path / outcome["folder"] / "outcome.json").is_file()
