"""A Dask scheduler that is there already, as on a cluster."""

import json
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
import pytest
from commands import (
    Rewebb,
    assert_refused,
    find_free_port,
    name_cluster,
    query,
    stopped,
    wait_until,
)
from distributed.security import Security

MakeRewebb = Callable[..., Rewebb]


@pytest.fixture
def scheduled(make_rewebb: MakeRewebb, half_done: Rewebb) -> Iterator[Rewebb]:
    """Return the command with a scheduler of `rewebb cluster` without workers yet."""
    with scheduling(make_rewebb(half_done)) as rewebb:
        yield rewebb


@contextmanager
def scheduling(rewebb: Rewebb) -> Iterator[Rewebb]:
    """Keep a scheduler as the docs say, and give the command that uses it."""
    keys, port = str(rewebb.folder / "keys"), str(find_free_port())
    started = rewebb.start(
        "cluster", "scheduler", "--credentials", keys, "--port", port
    )
    with stopped(started):
        assert started.stderr is not None
        assert "listens at tls://127.0.0.1:" in started.stderr.readline()
        address = f"tls://127.0.0.1:{port}"
        yield name_cluster(rewebb, address=address, credentials=keys)


@contextmanager
def working(rewebb: Rewebb) -> Iterator[psutil.Process]:
    """Keep the worker of a node as the docs say."""
    profile = json.loads(rewebb.variables["REWEBB_CLUSTERS"])["there"]
    keys = ("--credentials", profile["credentials"])
    offer = ("--slots", "2", "--memory-bytes", "4000000000")
    with stopped(
        rewebb.start("cluster", "worker", profile["address"], *keys, *offer)
    ) as worker:
        yield psutil.Process(worker.pid)


@contextmanager
def foreign(rewebb: Rewebb, protocol: str, **policy: str) -> Iterator[Rewebb]:
    """Keep a scheduler of Dask's own command."""
    port = str(find_free_port())
    place = ("--host", "127.0.0.1", "--port", port, "--protocol", protocol)
    pages = ("--dashboard-address", "127.0.0.1:0")
    started = rewebb.given(**policy).start("scheduler", *place, *pages, program="dask")
    with stopped(started):
        yield name_cluster(rewebb, address=f"{protocol}://127.0.0.1:{port}")


@contextmanager
def foreign_worker(rewebb: Rewebb, *arguments: str) -> Iterator[None]:
    """Keep a worker of Dask's own command."""
    address = json.loads(rewebb.variables["REWEBB_CLUSTERS"])["there"]["address"]
    place = ("--nthreads", "2", "--memory-limit", "0", "--no-dashboard", "--no-nanny")
    with stopped(rewebb.start("worker", address, *place, *arguments, program="dask")):
        yield


def is_under_way(rewebb: Rewebb) -> bool:
    """Tell whether a job runs."""
    return any(rewebb.data.glob("scratch/99002/*/publish/job.log"))


NO_FAILURES = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}


@pytest.fixture
def protected(rewebb: Rewebb) -> Rewebb:
    """Return the command with credentials in the variables of Dask."""
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
    return rewebb.given(**files)


@pytest.mark.slow
def test_a_run_survives_a_worker_of_a_scheduler_that_is_there(
    scheduled: Rewebb,
) -> None:
    with (
        stopped(scheduled.start("run", "99002")) as run,  # it waits for a worker
        working(scheduled) as worker,
    ):
        wait_until(lambda: is_under_way(scheduled), timeout_s=600)
        worker.kill()
        with working(scheduled):
            out, err = run.communicate(timeout=180)
    assert run.returncode == 0, out + err
    assert "3 SUCCEEDED" in out
    assert not (scheduled.data / "scratch/99002").exists()


@pytest.mark.slow
def test_a_run_whose_scheduler_dies_ends_in_a_sentence_and_goes_on_later(
    scheduled: Rewebb,
) -> None:
    with (
        working(scheduled),
        stopped(scheduled.start("run", "99002")) as run,
    ):
        wait_until(lambda: is_under_way(scheduled), timeout_s=600)
        find_scheduler().kill()
        out, err = run.communicate(timeout=180)
    assert run.returncode == 2, out + err
    assert "The Dask scheduler is gone" in err
    assert "run again to go on" in err
    assert "Traceback" not in out + err
    ((state, message),) = query(scheduled.data, "select state, message from run")
    assert state == "FAILED"
    assert "The Dask scheduler is gone" in message
    assert query(scheduled.data, "select program from lease") == []
    assert scheduled.given(REWEBB_CLUSTER="")("run", "99002").code == 0


def find_scheduler() -> psutil.Process:
    """Find the process of the scheduler."""
    return next(
        process
        for process in psutil.Process().children(recursive=True)
        if {"cluster", "scheduler"} <= {*process.cmdline()}
    )


def test_credentials_are_in_a_folder_of_the_user_alone(scheduled: Rewebb) -> None:
    keys = scheduled.folder / "keys"
    assert stat.S_IMODE(keys.stat().st_mode) == 0o700
    assert {stat.S_IMODE((keys / "key.pem").stat().st_mode)} == {0o600}
    keys.chmod(0o750)
    assert_refused(
        scheduled.call_here("plan", "99002"), "must be yours alone", "chmod 700"
    )


def test_scheduler_and_worker_listen_on_loopback_alone(scheduled: Rewebb) -> None:
    with working(scheduled) as worker:
        ports = wait_until(lambda: list_hosts(worker))
        assert ports | list_hosts(find_scheduler()) == {"127.0.0.1"}


def list_hosts(process: psutil.Process) -> set[str]:
    """List the addresses that a process listens on."""
    sockets = process.net_connections()
    return {s.laddr.ip for s in sockets if s.status == psutil.CONN_LISTEN}


def test_workers_that_offer_no_memory_are_refused(rewebb: Rewebb) -> None:
    with foreign(rewebb, "tcp", **NO_FAILURES) as plain, foreign_worker(plain):
        assert_refused(plain.call_here("plan", "99002"), "no worker that offers memory")


def test_a_scheduler_that_runs_deadly_jobs_again_is_refused(rewebb: Rewebb) -> None:
    with foreign(rewebb, "tcp") as plain:
        refused = plain.call_here("plan", "99002")
    assert_refused(refused, "allowed-failures = 3", "4 times", "cluster scheduler")


def test_a_scheduler_with_tls_is_used_with_the_credentials_of_dask(
    protected: Rewebb,
) -> None:
    with (
        foreign(protected, "tls", **NO_FAILURES) as there,
        foreign_worker(there, "--resources", "memory=4e9"),
    ):
        planned = there("plan", "99002", "--json")
        poor = {name: "" for name in there.variables if "TLS" in name}
        assert_refused(there.given(**poor)("plan", "99002"), "CLIENT__CERT")
    assert planned.code == 0, planned
    assert set(planned.states.values()) == {"DUE"}
    (note,) = planned.record["notes"]
    assert "worker-ttl" in note


def test_a_scheduler_without_tls_is_a_note(rewebb: Rewebb) -> None:
    policy = {**NO_FAILURES, "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "null"}
    with (
        foreign(rewebb, "tcp", **policy) as plain,
        foreign_worker(plain, "--resources", "memory=4e9"),
    ):
        planned = plain.call_here("plan", "99002", "--json")
    (note,) = planned.record["notes"]
    assert "without TLS" in note
