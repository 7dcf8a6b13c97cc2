"""A real Slurm of one node: batch jobs that end early cost no finished job."""

import json
import os
import shutil
import signal
import stat
import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from commands import Ended, Rewebb, query, stopped, wait_until
from slurm import Slurm, find_obstacle, start_slurm

from config.clusters import PbsProfile, SlurmProfile
from flows.errors import PlanError
from flows.execution import Cluster, open_cluster

MakeRewebb = Callable[..., Rewebb]

TOKEN = "a token of MAST that nobody else may see"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(find_obstacle()), reason=find_obstacle() or "it runs"),
]


@pytest.fixture(scope="module")
def slurm() -> Iterator[Slurm]:
    """Keep a Slurm, in a folder whose path is short enough for sockets."""
    with (
        tempfile.TemporaryDirectory(prefix="slurm") as folder,
        start_slurm(Path(folder)) as slurm,
    ):
        yield slurm


@pytest.fixture(scope="module")
def ended(slurm: Slurm, make_rewebb: MakeRewebb) -> tuple[Rewebb, Ended]:
    """Run a program from empty, on batch jobs of which three end too early.

    The first is cancelled, and the node drained. The worker of the second is killed as
    by the kernel, since there need not be cgroups here that limit its memory. The third
    is over after its two minutes, under a job that takes longer.
    """
    hang = [{"job": "tso3:*", "kind": "hang", "attempt": 1}]
    rewebb = on_slurm(make_rewebb(), slurm).given(REWEBB_FAULTS=json.dumps(hang))
    with stopped(rewebb.start("run", "99002", "--cluster", "slurm", "--json")) as run:
        wait_until(lambda: is_under_way(rewebb) or run.poll() is not None)
        (job,) = slurm.list_jobs()
        set_node(slurm, "state=drain", "reason=test")
        slurm("scancel", job)
        (waiting,) = wait_until(lambda: slurm.list_jobs("PENDING"))
        set_node(slurm, "state=resume")
        wait_until(lambda: count_done(rewebb) == 2 or run.poll() is not None)
        wait_until(lambda: is_under_way(rewebb) or run.poll() is not None)
        find_worker(waiting).kill()
        out, err = run.communicate(timeout=400)
    assert waiting != job
    return rewebb, Ended(run.returncode, out, err)


def count_done(rewebb: Rewebb) -> int:
    """Count the jobs that have succeeded."""
    done = "select 1 from run_job where state = 'SUCCEEDED'"
    return len(query(rewebb.data, done))


def find_worker(job: str) -> psutil.Process:
    """Find the worker of a batch job."""
    (found,) = (
        process
        for process in psutil.process_iter()
        if "flows.execution.node" in process.cmdline()
        and process.environ().get("SLURM_JOB_ID") == job
    )
    return found


def on_slurm(rewebb: Rewebb, slurm: Slurm) -> Rewebb:
    """Return the command that can run on Slurm."""
    profile = {
        "kind": "slurm",
        "slots": 2,
        "memory_bytes": 8_000_000_000,
        "walltime": "00:02:00",
        "interface": "lo",
    }
    return rewebb.given(
        **slurm.variables, REWEBB_CLUSTERS=json.dumps({"slurm": profile})
    )


def set_node(slurm: Slurm, *changes: str) -> None:
    """Change the only node."""
    slurm("scontrol", "update", f"nodename={slurm('hostname', '-s').strip()}", *changes)


def is_under_way(rewebb: Rewebb) -> bool:
    """Tell whether a job runs."""
    return any(rewebb.data.glob("scratch/99002/*/publish/job.log"))


def test_a_run_survives_batch_jobs_that_end_too_early(
    ended: tuple[Rewebb, Ended],
) -> None:
    rewebb, run = ended
    assert run.code == 0, run
    assert run.record["state"] == "SUCCEEDED"
    assert run.record["counts"] == {"SUCCEEDED": 5}
    assert list_ends(rewebb, "detector1") <= {"PREEMPTED", "LOST", "SUCCEEDED"}
    assert list_ends(rewebb, "spec2") == {"LOST", "SUCCEEDED"}
    assert list_ends(rewebb, "tso3") == {"PREEMPTED", "SUCCEEDED"}


def list_ends(rewebb: Rewebb, stage: str) -> set[str]:
    """List how the attempts at the jobs of a stage ended."""
    ends = "select stage, status from attempt join job using (fingerprint)"
    return {status for found, status in query(rewebb.data, ends) if found == stage}


def test_no_finished_job_is_done_again(ended: tuple[Rewebb, Ended]) -> None:
    rewebb, _ = ended
    done = query(
        rewebb.data,
        "select count(*) from attempt where status = 'SUCCEEDED' group by fingerprint",
    )
    assert done == [(1,)] * 5


def test_nothing_is_left_of_the_cluster(
    ended: tuple[Rewebb, Ended], slurm: Slurm
) -> None:
    rewebb, _ = ended
    wait_until(lambda: not slurm("squeue", "--noheader"))
    assert [*rewebb.data.glob("clusters/*")] == []
    assert not (rewebb.data / "scratch/99002").exists()


@pytest.fixture(scope="module")
def cluster(
    slurm: Slurm, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """Open a cluster of up to two nodes, as somebody who has a token."""
    folder = tmp_path_factory.mktemp("clusters")
    profile = SlurmProfile(
        kind="slurm",
        nodes=2,
        slots=1,
        memory_bytes=2 << 30,
        walltime=timedelta(minutes=5),
        idle=timedelta(0),
        interface="lo",
    )
    with pytest.MonkeyPatch.context() as patch:
        for name, value in slurm.variables.items():
            patch.setenv(name, value)
        patch.setenv("MAST_API_TOKEN", TOKEN)
        with open_cluster(profile, scratch=folder / "dask", folder=folder) as cluster:
            yield cluster


def test_there_are_nodes_while_there_is_work_alone(
    cluster: Cluster, slurm: Slurm
) -> None:
    before = {*slurm.list_jobs("all")}
    assert slurm.list_jobs("RUNNING,PENDING") == []
    names = cluster.map(os.path.basename, ["a/b"] * 4, memory_bytes=1)
    assert names == ["b"] * 4
    assert len({*slurm.list_jobs("all")} - before) == 2
    wait_until(lambda: not slurm.list_jobs("RUNNING,PENDING"))
    assert cluster.map(os.path.basename, ["a/c"], memory_bytes=1) == ["c"]


def test_no_secret_reaches_a_batch_job(cluster: Cluster, slurm: Slurm) -> None:
    (found,) = cluster.map(os.getenv, ["MAST_API_TOKEN"], memory_bytes=1)
    assert found is None
    assert cluster.map(os.getenv, ["SLURM_JOB_NAME"], memory_bytes=1) == ["rewebb"]
    wait_until(lambda: not slurm.list_jobs("RUNNING,PENDING"))


def test_scheduler_and_worker_listen_on_the_interface_alone(cluster: Cluster) -> None:
    (group,) = cluster.map(os.getpgid, [0], memory_bytes=1)
    processes = [p for p in psutil.process_iter() if os.getpgid(p.pid) == group]
    sockets = [s for p in (*processes, psutil.Process()) for s in p.net_connections()]
    hosts = {s.laddr.ip for s in sockets if s.status == psutil.CONN_LISTEN}
    assert len(processes) >= 1
    assert hosts == {"127.0.0.1"}


def test_nobody_else_can_read_the_credentials_of_a_batch_job(cluster: Cluster) -> None:
    (line,) = cluster.map(Path.read_bytes, [Path("/proc/self/cmdline")], memory_bytes=1)
    assert b"PRIVATE KEY" not in line
    (message,) = cluster.map(os.readlink, ["/proc/self/fd/0"], memory_bytes=1)
    assert "PRIVATE KEY" in Path(message).read_text()
    assert stat.S_IMODE(Path(message).parent.stat().st_mode) == 0o700


@pytest.mark.skipif(shutil.which("qsub") is None, reason="no slurm-wlm-torque")
def test_pbs_starts_a_worker_and_runs_a_job(
    slurm: Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the Torque commands of Slurm."""
    for name, value in slurm.variables.items():
        monkeypatch.setenv(name, value)
    profile = PbsProfile(
        kind="pbs",
        slots=1,
        memory_bytes=1 << 30,
        walltime=timedelta(minutes=5),
        queue="debug",
        interface="lo",
    )
    before = {*slurm.list_jobs("all")}
    with open_cluster(profile, scratch=tmp_path / "dask", folder=tmp_path) as cluster:
        assert cluster.map(os.path.basename, ["a/b"] * 2, memory_bytes=1) == ["b"] * 2
        assert len({*slurm.list_jobs("all")} - before) == 1
    wait_until(lambda: not slurm.list_jobs("RUNNING,PENDING"))


def test_a_batch_system_that_refuses_is_said_by_its_own_words(
    slurm: Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in slurm.variables.items():
        monkeypatch.setenv(name, value)
    profile = SlurmProfile(
        kind="slurm",
        slots=1,
        memory_bytes=1 << 30,
        walltime=timedelta(minutes=5),
        queue="nowhere",
        interface="lo",
    )
    untouched = signal.getsignal(signal.SIGINT)
    with (
        open_cluster(profile, scratch=tmp_path / "dask", folder=tmp_path) as cluster,
        pytest.raises(PlanError, match=r"`sbatch` refuses: .*partition"),
    ):
        cluster.map(os.path.basename, ["a/b"], memory_bytes=1)
    assert signal.getsignal(signal.SIGINT) is untouched
