"""The flow as a deployment, and what becomes of it when the server goes away."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

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
from prefect_servers import is_healthy, start_server

MakeRewebb = Callable[..., Rewebb]

DEPLOYMENTS = Path(__file__).parents[2] / "deploy" / "prefect.yaml"


@pytest.fixture(scope="module")
def deployed(make_rewebb: MakeRewebb, finished: Rewebb) -> Rewebb:
    """Deploy the flow on the server, with a finished program."""
    rewebb = make_rewebb(finished).given(NIGHTLY_PROGRAM="99002")
    for command in (
        ("work-pool", "create", "rewebb", "--type", "process"),
        ("--no-prompt", "deploy", "--all", "--prefect-file", str(DEPLOYMENTS)),
    ):
        ended = rewebb(*command, program="prefect")
        assert ended.code == 0, ended
    return rewebb


@pytest.fixture
def worker(deployed: Rewebb) -> Iterator[None]:
    """Keep a Prefect worker of the pool."""
    arguments = ("worker", "start", "--pool", "rewebb", "--limit", "1")
    with stopped(deployed.start(*arguments, program="prefect")):
        yield


def ask(rewebb: Rewebb, path: str, **body: Any) -> Any:
    """Ask the API of the server."""
    url = f"{rewebb.variables['PREFECT_API_URL']}/{path}"
    headers = {"Content-Type": "application/json"}
    request = Request(url, json.dumps(body).encode(), headers)  # noqa: S310  # loopback
    with urlopen(request, timeout=30) as answer:  # noqa: S310  # likewise
        return json.load(answer)


def test_a_schedule_gets_runs(deployed: Rewebb) -> None:
    """Newer versions of fastapi and sqlalchemy break this without a word."""
    nightly = {"name": {"any_": ["nightly"]}}
    scheduled = {"state": {"type": {"any_": ["SCHEDULED"]}}}
    found = wait_until(
        lambda: ask(
            deployed, "flow_runs/filter", deployments=nightly, flow_runs=scheduled
        ),
        pause_s=0.5,
    )
    assert found[0]["parameters"] == {"program": "99002"}


def test_a_program_that_is_no_string_is_refused(deployed: Rewebb) -> None:
    """JSON has no zeros in front: 02736 as a number would be another program."""
    ended = run_deployment(deployed, "program=99002")
    assert ended.code != 0
    assert "is not of type 'string'" in ended.out + ended.err


def test_a_folder_is_refused_as_a_program(deployed: Rewebb) -> None:
    ended = run_deployment(deployed, 'program="/some/folder"')
    assert ended.code != 0
    assert "does not match" in ended.out + ended.err


@pytest.mark.usefixtures("worker")
def test_a_worker_runs_the_deployment_and_the_run_page_shows_it(
    deployed: Rewebb,
) -> None:
    ended = run_deployment(deployed, 'program="99002"', "--watch")
    assert ended.code == 0, ended
    runs = {"state": {"type": {"any_": ["COMPLETED"]}}}
    demanded = {"name": {"any_": ["on-demand"]}}
    (run,) = ask(deployed, "flow_runs/filter", deployments=demanded, flow_runs=runs)
    assert run["name"] == "reprocess-99002"
    assert "5 REUSED" in run["state"]["message"]
    artifacts = ask(
        deployed, "artifacts/filter", flow_runs={"id": {"any_": [run["id"]]}}
    )
    assert {one["type"] for one in artifacts} == {"progress", "table"}
    (table,) = (one for one in artifacts if one["type"] == "table")
    assert len(json.loads(table["data"])) == 5
    assert query(deployed.data, "select state from run") == [("SUCCEEDED",)]


@pytest.mark.slow
@pytest.mark.usefixtures("worker")
def test_a_run_that_is_cancelled_in_prefect_ends_as_by_ctrl_c(
    deployed: Rewebb,
) -> None:
    """Its worker sends the process a SIGTERM."""
    ended = run_deployment(deployed, 'program="99001"')
    assert ended.code == 0, ended
    at_work = "select state from run_job where state = 'RUNNING'"
    wait_until(lambda: query(deployed.data, at_work), timeout_s=300)
    running = {"state": {"type": {"any_": ["RUNNING"]}}}
    # Of runs that other tests have killed nobody has told the server.
    runs = ask(deployed, "flow_runs/filter", flow_runs=running)
    (run,) = (one for one in runs if one["parameters"].get("program") == "99001")
    state = {"type": "CANCELLING", "name": "Cancelling"}
    ask(deployed, f"flow_runs/{run['id']}/set_state", state=state, force=False)
    of_it = "select state from run where program = '99001'"
    wait_until(lambda: query(deployed.data, of_it) == [("CANCELLED",)], timeout_s=300)
    wait_until(lambda: query(deployed.data, "select program from lease") == [])
    assert query(deployed.data, at_work) == []
    cancelled = {
        "id": {"any_": [run["id"]]},
        "state": {"type": {"any_": ["CANCELLED"]}},
    }
    wait_until(lambda: ask(deployed, "flow_runs/filter", flow_runs=cancelled))


def run_deployment(rewebb: Rewebb, parameter: str, *more: str) -> Any:
    """Run the deployment with a parameter."""
    flow = "reprocess-program/on-demand"
    arguments = ("deployment", "run", flow, "-p", parameter, *more)
    return rewebb(*arguments, program="prefect")


@dataclass
class Server:
    """A Prefect server that comes and goes."""

    home: Path
    """Where its database is."""
    port: int
    """Where it listens, each time."""
    process: subprocess.Popen[str] | None = None
    """It, while it is there."""

    @property
    def url(self) -> str:
        """Where its API is."""
        return f"http://127.0.0.1:{self.port}/api"

    def start(self, stack: ExitStack) -> None:
        """Start it, and wait until it answers."""
        self.process = stack.enter_context(start_server(self.home, self.port))

    def kill(self) -> None:
        """Kill it, without a word to anybody."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """Keep a server of this test alone."""
    server = Server(tmp_path, find_free_port())
    with ExitStack() as stack:
        server.start(stack)
        yield server


def a_job_has_succeeded(rewebb: Rewebb) -> bool:
    """Return whether a job of the run is done and recorded."""
    return bool(query(rewebb.data, "select 1 from run_job where state = 'SUCCEEDED'"))


@pytest.mark.slow
def test_a_run_goes_on_without_the_server_for_good(
    make_rewebb: MakeRewebb, half_done: Rewebb, own_server: Server
) -> None:
    rewebb = make_rewebb(half_done).given(PREFECT_API_URL=own_server.url)
    with stopped(rewebb.start("run", "99002", "--json")) as run:
        wait_until(lambda: query(rewebb.data, "select 1 from run_job"))
        own_server.kill()
        out, err = run.communicate(timeout=300)
    assert run.returncode == 0, err
    assert json.loads(out)["state"] == "SUCCEEDED"
    assert "warning: Prefect could not be told" in err
    assert "Traceback" not in err
    assert query(rewebb.data, "select state from run") == [("SUCCEEDED",)]


@pytest.mark.slow
def test_a_run_tells_a_server_that_was_away_when_it_is_back(
    make_rewebb: MakeRewebb, half_done: Rewebb, own_server: Server
) -> None:
    rewebb = make_rewebb(half_done).given(PREFECT_API_URL=own_server.url)
    with ExitStack() as stack:
        run = stack.enter_context(stopped(rewebb.start("run", "99002", "--json")))
        wait_until(lambda: query(rewebb.data, "select 1 from run_job"))
        own_server.kill()
        wait_until(lambda: a_job_has_succeeded(rewebb))
        own_server.start(stack)
        _, err = run.communicate(timeout=300)
        assert run.returncode == 0, err
        (told,) = ask(rewebb, "flow_runs/filter")
        kinds = {one["type"] for one in ask(rewebb, "artifacts/filter")}
    assert told["state"]["type"] == "COMPLETED"
    assert kinds == {"progress", "table"}


def test_no_run_begins_without_the_server_that_is_set(rewebb: Rewebb) -> None:
    nobody = f"http://127.0.0.1:{find_free_port()}/api"
    assert_refused(rewebb.given(PREFECT_API_URL=nobody)("run", "99002"), nobody)


@pytest.mark.slow
def test_the_server_that_a_run_starts_is_for_nobody_else_and_ends_with_it(
    make_rewebb: MakeRewebb, finished: Rewebb
) -> None:
    alone = make_rewebb(finished).given(PREFECT_API_URL="")
    with stopped(alone.start("run", "99002", "--json")) as run:
        server = wait_until(lambda: find_server(run.pid))
        url = wait_until(lambda: find_url(server))
        with pytest.raises(HTTPError, match="401"):
            ask(alone.given(PREFECT_API_URL=url), "block_documents/filter")
        password = server.environ()["PREFECT_SERVER_API_AUTH_STRING"]
        found = [p.info["cmdline"] for p in psutil.process_iter(["cmdline"])]
        lines = [" ".join(line or ()) for line in found]
        assert [line for line in lines if password in line] == []
        out, err = run.communicate(timeout=180)
    assert run.returncode == 0, err
    assert json.loads(out)["state"] == "SUCCEEDED"
    wait_until(lambda: is_over(server), timeout_s=30)


@pytest.mark.slow
def test_the_server_that_a_run_starts_ends_when_the_run_is_killed(
    rewebb: Rewebb,
) -> None:
    with stopped(rewebb.given(PREFECT_API_URL="").start("run", "99002")) as run:
        server = wait_until(lambda: find_server(run.pid))
        wait_until(lambda: find_url(server))
        run.kill()
        wait_until(lambda: is_over(server), timeout_s=30)


def is_over(process: psutil.Process) -> bool:
    """Return whether a process has ended."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def find_server(pid: int) -> psutil.Process | None:
    """Find the server that a run has started."""
    below = psutil.Process(pid).children()
    return next((p for p in below if "flows.prefect_server" in p.cmdline()), None)


def find_url(server: psutil.Process) -> str | None:
    """Find where the API of a server is, once it answers."""
    for each in server.net_connections():
        url = f"http://127.0.0.1:{each.laddr.port}/api"
        if each.status == psutil.CONN_LISTEN and is_healthy(url):
            return url
    return None
