"""A real Slurm of one node: batch jobs that end early cost no finished job."""

import json
import os
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from commands import BIN, Rewebb, query, wait_until
from slurm import Slurm, find_obstacle, start_slurm

from config.clusters import PbsProfile, SlurmProfile
from flows.errors import PlanError
from flows.execution import Cluster, open_cluster

MakeRewebb = Callable[..., Rewebb]

DEPLOY = Path(__file__).parents[2] / "deploy"

STUB = "#!/bin/sh\ntrap 'exit 143' TERM\necho $@ >> told\nsleep 60 & wait\n"
"""Stands for the command where the script alone is tried."""

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
def ended(slurm: Slurm, make_rewebb: MakeRewebb) -> Rewebb:
    """Run a program from empty, as a batch job, whose nodes are others: four end early.

    The first node is cancelled, and drained. The end of the walltime of the flow itself
    is told, so that it waits in the queue anew. The worker of the next node is killed
    as by the kernel, since there need not be cgroups here that limit its memory. The
    last is over after its two minutes, under a job that takes longer.
    """
    hang = [{"job": "tso3:*", "kind": "hang", "attempt": 1}]
    rewebb = on_slurm(make_rewebb(), slurm).given(
        REWEBB_FAULTS=json.dumps(hang), REWEBB_CLUSTER="slurm", REWEBB=BIN / "rewebb"
    )
    flow = submit(rewebb)
    wait_until(lambda: is_under_way(rewebb))
    (node,) = list_nodes(slurm, flow)
    set_node(slurm, "state=drain", "reason=test")
    slurm("scancel", node)
    wait_until(lambda: list_nodes(slurm, flow, "PENDING"))
    set_node(slurm, "state=resume")
    wait_until(lambda: count_done(rewebb) == 2)
    # As `--signal=B:TERM@120` does.
    slurm("scancel", "--signal=TERM", "--batch", flow)
    wait_until(lambda: slurm.list_jobs("PENDING") == [flow])
    slurm("scontrol", "update", f"jobid={flow}", "starttime=now")
    wait_until(lambda: count_runs(rewebb) == 2 and is_under_way(rewebb))
    (node,) = list_nodes(slurm, flow)
    find_worker(node).kill()
    wait_until(lambda: not slurm("squeue", "--noheader"), timeout_s=400)
    return rewebb


def submit(rewebb: Rewebb) -> str:
    """Submit the flow itself, and give its batch job."""
    script = DEPLOY / "slurm/rewebb.sbatch"
    return subprocess.run(
        ["sbatch", "--parsable", "--mem=1G", script, "99002"],
        cwd=rewebb.folder,
        env=rewebb.environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


def list_nodes(slurm: Slurm, flow: str, state: str = "RUNNING") -> list[str]:
    """List the batch jobs in a state that are nodes."""
    return [job for job in slurm.list_jobs(state) if job != flow]


def count_runs(rewebb: Rewebb) -> int:
    """Count the runs that have begun."""
    return len(query(rewebb.data, "select 1 from run"))


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


def test_a_run_goes_on_after_batch_jobs_that_end_too_early(ended: Rewebb) -> None:
    states = query(ended.data, "select state from run order by started_at")
    assert states == [("CANCELLED",), ("SUCCEEDED",)]
    assert list_ends(ended, "detector1") <= {"PREEMPTED", "LOST", "SUCCEEDED"}
    assert list_ends(ended, "spec2") >= {"LOST", "SUCCEEDED"}
    assert list_ends(ended, "tso3") == {"PREEMPTED", "SUCCEEDED"}


def list_ends(rewebb: Rewebb, stage: str) -> set[str]:
    """List how the attempts at the jobs of a stage ended."""
    ends = "select stage, status from attempt join job using (fingerprint)"
    return {status for found, status in query(rewebb.data, ends) if found == stage}


def test_no_finished_job_is_done_again(ended: Rewebb) -> None:
    done = query(
        ended.data,
        "select count(*) from attempt where status = 'SUCCEEDED' group by fingerprint",
    )
    assert done == [(1,)] * 5


def test_nothing_is_left_of_the_clusters(ended: Rewebb) -> None:
    assert [*ended.data.glob("clusters/*")] == []
    assert not (ended.data / "scratch/99002").exists()


@pytest.fixture
def stub(slurm: Slurm, tmp_path: Path) -> Rewebb:
    """Return a command that does nothing until it is told to stop."""
    path = tmp_path / "stub"
    path.write_text(STUB)
    path.chmod(0o755)
    return Rewebb(tmp_path).given(**slurm.variables, REWEBB=path)


def test_a_flow_that_somebody_cancels_does_not_come_back(
    slurm: Slurm, stub: Rewebb
) -> None:
    job = submit(stub)
    wait_until((stub.folder / "told").exists)
    slurm("scancel", job)
    wait_until(lambda: not slurm("squeue", "--noheader"))
    assert (stub.folder / "told").read_text() == "run 99002\n"


@pytest.mark.skipif(shutil.which("qsub") is None, reason="no slurm-wlm-torque")
def test_the_flow_as_a_job_of_pbs_submits_itself_again(
    slurm: Slurm, stub: Rewebb
) -> None:
    """By the Torque commands of Slurm."""
    script = stub.folder / "deploy/pbs/rewebb.pbs"
    script.parent.mkdir(parents=True)
    shutil.copy(DEPLOY / "pbs/rewebb.pbs", script)
    told = stub.folder / "told"
    given = "PROGRAMS=01345:99002,SECONDS_TO_RUN=1"
    subprocess.run(
        ["qsub", "-l", "mem=1gb", "-v", f"{given},REWEBB={stub.folder}/stub", script],
        cwd=stub.folder,
        env=stub.environment,
        check=True,
    )
    wait_until(lambda: told.exists() and len(told.read_text().splitlines()) > 1)
    slurm("scancel", "--user=root")
    wait_until(lambda: not slurm("squeue", "--noheader"))
    assert {*told.read_text().splitlines()} == {"run 01345 99002"}


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
        pytest.raises(PlanError, match=r"`sbatch` refuses: .*partition"),
        open_cluster(profile, scratch=tmp_path / "dask", folder=tmp_path) as cluster,
    ):
        cluster.map(os.path.basename, ["a/b"], memory_bytes=1)
    assert signal.getsignal(signal.SIGINT) is untouched
    assert [*tmp_path.rglob("node-1.sh")], "what was submitted is kept"
    assert not [*tmp_path.rglob("worker.json")], "the key is not"
