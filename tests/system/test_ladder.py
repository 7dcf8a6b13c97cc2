"""What becomes of jobs that hang, die, or lose their worker, in real runs."""

import json
import os
import signal
from collections.abc import Callable

import psutil
import pytest
from commands import Rewebb, find_free_port, query, stopped, wait_until

MakeRewebb = Callable[..., Rewebb]

FIRST = "jw99002001001_04101_00001-seg001_nrs1"
SECOND = "jw99002001001_04101_00001-seg002_nrs1"


def with_faults(rewebb: Rewebb, *faults: tuple[str, str, int]) -> Rewebb:
    """Return the command with faults: of a job, what goes wrong in which attempt."""
    told = [{"job": job, "kind": kind, "attempt": n} for job, kind, n in faults]
    return rewebb.given(REWEBB_FAULTS=json.dumps(told), REWEBB_STALL_MINUTES="0.3")


def list_ends(rewebb: Rewebb, name: str, stage: str = "spec2") -> list[str]:
    """List how the attempts at a job ended, oldest first."""
    statement = (
        "select stage, name, status from attempt join job using (fingerprint) "
        "order by attempt.started_at"
    )
    rows = query(rewebb.data, statement)
    return [status for *job, status in rows if job == [stage, name]]


def test_hung_and_lost_jobs_are_tried_again_and_every_attempt_says_where(
    make_rewebb: MakeRewebb, half_done: Rewebb
) -> None:
    rewebb = with_faults(
        make_rewebb(half_done),
        (f"spec2:{FIRST}", "hang", 1),
        (f"spec2:{SECOND}", "exit", 1),
        ("tso3:*", "kill-worker", 1),
        ("tso3:*", "kill-worker", 2),
    )
    ended = rewebb("run", "99002", "--json")
    assert ended.code == 0, ended
    assert list_ends(rewebb, FIRST) == ["TIMED_OUT", "SUCCEEDED"]
    assert list_ends(rewebb, SECOND) == ["LOST", "SUCCEEDED"]
    (tso,) = query(rewebb.data, "select name from job where stage = 'tso3'")
    assert list_ends(rewebb, *tso, stage="tso3") == ["LOST", "LOST", "SUCCEEDED"]
    places = query(
        rewebb.data, "select host, node, granted_bytes from attempt where run_id > ''"
    )
    assert len(places) == 7
    assert {host for host, *_ in places} == {os.uname().nodename}
    assert all(node.startswith("tls://127.0.0.1") for _, node, _ in places)
    assert all(granted > 0 for *_, granted in places)
    assert not (rewebb.data / "scratch/99002").exists()
    shown = rewebb.call_here("show", f"tso3:{tso[0]}").out
    assert shown.count(f"LOST on {os.uname().nodename} (tls://") == 2


@pytest.mark.slow
def test_a_job_that_hangs_twice_is_failed_by_name(
    make_rewebb: MakeRewebb, half_done: Rewebb
) -> None:
    hangs = [(f"spec2:{FIRST}", "hang", n) for n in (1, 2, 3)]
    rewebb = with_faults(make_rewebb(half_done), *hangs)
    ended = rewebb("run", "99002", "--json")
    assert ended.code == 1, ended
    assert list_ends(rewebb, FIRST) == ["TIMED_OUT", "TIMED_OUT"]
    assert ended.why(f"spec2:{FIRST}").startswith("TIMED_OUT 2 times: spec2 of ")
    assert "made no progress" in ended.why(f"spec2:{FIRST}")


def test_a_job_whose_worker_gets_a_sigterm_is_no_failure(
    make_rewebb: MakeRewebb, half_done: Rewebb
) -> None:
    rewebb = with_faults(make_rewebb(half_done), (f"spec2:{FIRST}", "hang", 1))
    rewebb = rewebb.given(REWEBB_STALL_MINUTES="", REWEBB_MAX_ATTEMPTS="1")
    with stopped(rewebb.start("run", "99002", "--json")) as run:
        wait_until(lambda: is_alone(rewebb))
        below = psutil.Process(run.pid).children()
        (node,) = (p for p in below if "flows.execution.node" in p.cmdline())
        node.send_signal(signal.SIGTERM)
        out, err = run.communicate(timeout=180)
    assert run.returncode == 0, out + err
    assert list_ends(rewebb, FIRST) == ["PREEMPTED", "SUCCEEDED"]
    assert "Traceback" not in err


def is_alone(rewebb: Rewebb) -> bool:
    """Return whether the job that hangs is the only one that is left to run."""
    states = query(rewebb.data, "select state from run_job where stage = 'spec2'")
    logs = list(rewebb.data.glob("scratch/99002/*/publish/job.log"))
    return sorted(states) == [("RUNNING",), ("SUCCEEDED",)] and len(logs) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "end"), [("kill-worker", "LOST"), ("hang", "PREEMPTED")]
)
def test_a_scheduler_that_is_there_tries_no_attempt_twice(
    make_rewebb: MakeRewebb, half_done: Rewebb, kind: str, end: str
) -> None:
    """By itself it would begin the same attempt on three more workers."""
    port = str(find_free_port())
    rewebb = with_faults(make_rewebb(half_done), (f"spec2:{FIRST}", kind, 1)).given(
        REWEBB_SCHEDULER=f"tcp://127.0.0.1:{port}",
        REWEBB_STALL_MINUTES="",
        DASK_DISTRIBUTED__WORKER__DAEMON="false",
    )
    address = rewebb.variables["REWEBB_SCHEDULER"]
    offer = ("--nthreads", "2", "--memory-limit", "0", "--resources", "memory=4e9")
    place = ("--host", "127.0.0.1", "--port", port, "--dashboard-address", ":0")
    worker = ("worker", address, "--no-dashboard", *offer)
    with (
        stopped(rewebb.start("scheduler", *place, program="dask")),
        stopped(rewebb.start(*worker, program="dask")),
        stopped(rewebb.start(*worker, program="dask")),
        stopped(rewebb.start("run", "99002", "--json")) as run,
    ):
        if end == "PREEMPTED":
            wait_until(lambda: is_alone(rewebb))
            end_worker_of_job(rewebb)
        out, err = run.communicate(timeout=180)
    assert run.returncode == 0, out + err
    assert list_ends(rewebb, FIRST) == [end, "SUCCEEDED"]


def end_worker_of_job(rewebb: Rewebb) -> None:
    """Send a SIGTERM to the nanny of the worker that holds the only job."""
    (note,) = rewebb.data.glob("scratch/99002/*/begun.json")
    _, node, _ = json.loads(note.read_text())
    port = int(node.rpartition(":")[2])
    below = psutil.Process().children(recursive=True)
    (worker,) = (p for p in below if port in list_ports(p))
    worker.parent().send_signal(signal.SIGTERM)


def list_ports(process: psutil.Process) -> list[int]:
    """List the ports that a process listens on."""
    found = process.net_connections()
    return [c.laddr.port for c in found if c.status == psutil.CONN_LISTEN]
