"""A Dask scheduler that is there already, as on a cluster."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
import pytest
from commands import (
    Rewebb,
    assert_refused,
    find_free_port,
    query,
    stopped,
    wait_until,
)
from distributed.security import Security

MakeRewebb = Callable[..., Rewebb]


@pytest.fixture
def scheduled(make_rewebb: MakeRewebb, half_done: Rewebb) -> Iterator[Rewebb]:
    """Return the command with a scheduler that has no workers yet."""
    with scheduling(make_rewebb(half_done), "tcp") as rewebb:
        yield rewebb


@pytest.fixture
def protected(rewebb: Rewebb) -> Iterator[Rewebb]:
    """Return the command with a scheduler that wants credentials, and these."""
    made = Security.temporary()
    prefix = "DASK_DISTRIBUTED__COMM__TLS"
    variables = {f"{prefix}__CA_FILE": made.tls_ca_file}
    for role in ("client", "scheduler", "worker"):
        tls = made.get_tls_config_for_role(role)
        variables[f"{prefix}__{role.upper()}__CERT"] = tls["cert"]
        variables[f"{prefix}__{role.upper()}__KEY"] = tls["key"]
    files = {name: rewebb.folder / f"{name}.pem" for name in variables}
    for name, file in files.items():
        file.write_text(variables[name])
    with scheduling(rewebb.given(**files), "tls") as protected:
        yield protected


@contextmanager
def scheduling(rewebb: Rewebb, protocol: str) -> Iterator[Rewebb]:
    """Keep a scheduler, and give the command that uses it."""
    port = str(find_free_port())
    rewebb = rewebb.given(
        REWEBB_SCHEDULER=f"{protocol}://127.0.0.1:{port}",
        DASK_DISTRIBUTED__WORKER__DAEMON="false",
    )
    place = ("--host", "127.0.0.1", "--port", port, "--protocol", protocol)
    pages = ("--dashboard-address", "127.0.0.1:0")
    with stopped(rewebb.start("scheduler", *place, *pages, program="dask")):
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_run_whose_scheduler_dies_ends_in_a_sentence_and_goes_on_later(
    scheduled: Rewebb,
) -> None:
    with (
        working(scheduled, "--resources", "memory=4e9"),
        stopped(scheduled.start("run", "99002")) as run,
    ):
        wait_until(lambda: any(scheduled.data.glob("scratch/99002/*/publish/job.log")))
        find_scheduler(scheduled).kill()
        out, err = run.communicate(timeout=180)
    assert run.returncode == 2, out + err
    assert "The Dask scheduler is gone" in err
    assert "run again to go on" in err
    assert "Traceback" not in out + err
    ((state, message),) = query(scheduled.data, "select state, message from run")
    assert state == "FAILED"
    assert "The Dask scheduler is gone" in message
    assert query(scheduled.data, "select program from lease") == []
    assert scheduled.given(REWEBB_SCHEDULER="")("run", "99002").code == 0


def find_scheduler(rewebb: Rewebb) -> psutil.Process:
    """Find the process of the scheduler."""
    return next(
        process
        for process in psutil.Process().children(recursive=True)
        if "scheduler" in process.cmdline()
        and rewebb.variables["REWEBB_SCHEDULER"].rpartition(":")[2] in process.cmdline()
    )


def test_workers_that_offer_no_memory_are_refused(scheduled: Rewebb) -> None:
    with working(scheduled):
        assert_refused(scheduled("plan", "99002"), "no worker that offers memory")


def test_a_scheduler_with_tls_is_used_with_the_credentials_of_dask(
    protected: Rewebb,
) -> None:
    with working(protected, "--resources", "memory=4e9"):
        planned = protected("plan", "99002", "--json")
    assert planned.code == 0, planned
    assert set(planned.states.values()) == {"DUE"}
    assert "TLS" not in str(planned.record["notes"])


def test_a_scheduler_with_tls_is_not_used_without_credentials(
    protected: Rewebb,
) -> None:
    poor = {name: "" for name in protected.variables if "TLS" in name}
    assert_refused(protected.given(**poor)("plan", "99002"), "CLIENT__CERT")


def test_a_scheduler_without_tls_is_a_note(rewebb: Rewebb) -> None:
    with (
        scheduling(rewebb, "tcp") as plain,
        working(plain, "--resources", "memory=4e9"),
    ):
        planned = plain("plan", "99002", "--json")
    (note,) = planned.record["notes"]
    assert "without TLS" in note
