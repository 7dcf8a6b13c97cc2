"""SIGKILL to any process, and nothing is lost, doubled, half made or stuck."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from commands import (
    Ended,
    Rewebb,
    find_processes,
    query,
    stopped,
    wait_until,
)

from workers.job_layout import OUTCOME_NAME

MakeRewebb = Callable[..., Rewebb]

JOBS = 5
"""Jobs of program 99002."""


def a_job_runs(data: Path) -> bool:
    """Return whether a child is at work on a job."""
    return any((data / "scratch/99002").glob("*/publish/job.log"))


def a_job_has_succeeded(data: Path) -> bool:
    """Return whether a job of the run is done and recorded."""
    return bool(query(data, "select 1 from run_job where state = 'SUCCEEDED'"))


def a_job_publishes(data: Path) -> bool:
    """Return whether products are whole, but not in the store yet."""
    return any((data / "scratch/99002").glob("*/publish/*.fits"))


def references_resolve(data: Path) -> bool:
    """Return whether the run is under way, though there is no plan of it yet."""
    return bool(query(data, "select 1 from lease"))


def find_worker(flow: psutil.Process) -> psutil.Process | None:
    """Find the Dask worker of a run."""
    return _find(flow.children(), "flows.execution.node")


def find_child(flow: psutil.Process) -> psutil.Process | None:
    """Find the process that works on a job: a fork of the fork server."""
    server = _find(flow.children(recursive=True), "multiprocessing.forkserver")
    return next(iter(server.children()), None) if server else None


def _find(processes: list[psutil.Process], word: str) -> psutil.Process | None:
    return next((p for p in processes if word in " ".join(p.cmdline())), None)


@pytest.mark.parametrize(
    "is_moment",
    [
        pytest.param(
            references_resolve, id="while references resolve", marks=pytest.mark.slow
        ),
        pytest.param(
            a_job_has_succeeded, id="when a job has succeeded", marks=pytest.mark.slow
        ),
        pytest.param(a_job_publishes, id="while a job publishes"),
    ],
)
def test_a_program_is_finished_by_the_next_run_when_its_flow_is_killed(
    is_moment: Callable[[Path], bool],
    make_rewebb: MakeRewebb,
    half_done: Rewebb,
) -> None:
    rewebb = make_rewebb(half_done)
    with stopped(rewebb.start("run", "99002")) as flow:
        kill_at(rewebb, is_moment, flow, psutil.Process(flow.pid))
        assert flow.wait(30) == -signal.SIGKILL
    made = list_attempts(rewebb)
    assert_is_finished(rewebb, rewebb("run", "99002", "--json"), made)
    states = {state for (state,) in query(rewebb.data, "select state from run")}
    assert states <= {"INTERRUPTED", "SUCCEEDED"}


@pytest.mark.parametrize(
    ("find_victim", "is_moment"),
    [
        pytest.param(find_child, a_job_runs, id="child at work"),
        pytest.param(
            find_worker,
            a_job_publishes,
            id="worker that publishes",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_run_finishes_by_itself_when_a_process_below_it_is_killed(
    find_victim: Callable[[psutil.Process], psutil.Process | None],
    is_moment: Callable[[Path], bool],
    make_rewebb: MakeRewebb,
    half_done: Rewebb,
) -> None:
    rewebb = make_rewebb(half_done)
    made = list_attempts(rewebb)
    with stopped(rewebb.start("run", "99002", "--json")) as flow:
        process = psutil.Process(flow.pid)
        kill_at(rewebb, is_moment, flow, lambda: find_victim(process))
        out, err = flow.communicate(timeout=180)
    assert_is_finished(rewebb, Ended(flow.returncode, out, err), made)


@pytest.mark.slow
def test_a_job_that_was_published_but_not_told_is_not_run_again(
    make_rewebb: MakeRewebb, half_done: Rewebb
) -> None:
    rewebb = make_rewebb(half_done)
    with stopped(rewebb.start("run", "99002", "--json")) as flow:
        wait_until(lambda: a_job_runs(rewebb.data))
        worker = find_worker(psutil.Process(flow.pid))
        os.kill(flow.pid, signal.SIGSTOP)  # it holds the scheduler: nobody listens
        made = wait_until(lambda: has_news(rewebb, than=2))
        kill(worker)
        os.kill(flow.pid, signal.SIGCONT)
        out, err = flow.communicate(timeout=180)
    assert_is_finished(rewebb, Ended(flow.returncode, out, err), made)


def kill_at(
    rewebb: Rewebb,
    is_moment: Callable[[Path], bool],
    flow: subprocess.Popen[str],
    victim: psutil.Process | Callable[[], psutil.Process | None],
) -> None:
    """Wait for the moment, and kill."""

    def has_come() -> bool:
        assert flow.poll() is None, f"ended too early: {flow.communicate()}"
        return is_moment(rewebb.data)

    wait_until(has_come, pause_s=0.005)
    kill(victim if isinstance(victim, psutil.Process) else victim())


def kill(victim: psutil.Process | None) -> None:
    """Kill a process that is there, and see it go."""
    assert victim is not None
    assert victim.is_running()
    os.kill(victim.pid, signal.SIGKILL)

    def is_gone() -> bool:
        with suppress(psutil.NoSuchProcess):
            return not victim.is_running() or victim.status() == "zombie"
        return True

    wait_until(is_gone)


def list_attempts(rewebb: Rewebb) -> dict[str, str]:
    """Return the attempt that each job in the store was made by, by fingerprint."""
    found = {}
    for path in rewebb.data.glob(f"store/*/*/{OUTCOME_NAME}"):
        outcome = json.loads(path.read_text())
        found[outcome["job"]["fingerprint"]] = outcome["attempt"]
    return found


def has_news(rewebb: Rewebb, *, than: int) -> dict[str, str]:
    """Return the jobs of the store when there are more of them."""
    found = list_attempts(rewebb)
    return found if len(found) > than else {}


def assert_is_finished(rewebb: Rewebb, ended: Ended, made: dict[str, str]) -> None:
    """Check every promise about what a kill leaves behind."""
    assert ended.code == 0, ended
    assert set(ended.states.values()) <= {"SUCCEEDED", "REUSED"}
    assert len(ended.states) == JOBS
    assert_nothing_ran_twice(rewebb, made)
    assert_nothing_is_half_made(rewebb)
    running = "select name from run_job where state in ('RUNNING', 'DUE')"
    assert query(rewebb.data, running) == []
    assert query(rewebb.data, "select id from run where state = 'RUNNING'") == []
    assert query(rewebb.data, "select program from lease") == []
    wait_until(lambda: not find_processes(rewebb.data), timeout_s=10, pause_s=0.3)


def assert_nothing_ran_twice(rewebb: Rewebb, made: dict[str, str]) -> None:
    statement = "select fingerprint, id from attempt where status = 'SUCCEEDED'"
    rows = query(rewebb.data, statement)
    stored = list_attempts(rewebb)
    assert sorted(rows) == sorted(stored.items())
    assert len(rows) == JOBS
    assert made.items() <= stored.items()


def assert_nothing_is_half_made(rewebb: Rewebb) -> None:
    assert rewebb.call_here("db", "verify").code == 0
    folders = list(rewebb.data.glob("store/*/*"))
    assert [f for f in folders if not (f / OUTCOME_NAME).is_file()] == []
    assert not (rewebb.data / "damaged").exists()
    left = [p for p in (rewebb.data / "scratch").rglob("*") if p.is_file()]
    # Locks of killed workers, which the next worker of Dask removes.
    assert [p for p in left if p.suffix not in {".lock", ".dirlock"}] == []
    assert not (rewebb.data / "scratch/99002").exists()
    assert list(rewebb.data.glob("runs/*/.*")) == []
