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
    """Deploy the flows on the server, with a finished program."""
    rewebb = make_rewebb(finished).given(SUBSCRIPTIONS="subscriptions.toml")
    for command in (
        ("work-pool", "create", "rewebb", "--type", "process"),
        ("--no-prompt", "deploy", "--all", "--prefect-file", str(DEPLOYMENTS)),
    ):
        ended = rewebb(*command, program="prefect")
        assert ended.code == 0, ended
    return rewebb


@pytest.fixture(scope="module")
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


def test_a_number_that_is_no_program_is_refused(deployed: Rewebb) -> None:
    """JSON has no zeros in front: 2736 may be 02736, or a mistake."""
    ended = run_deployment(deployed, "program=2736")
    assert ended.code != 0
    assert "2736 is less than the minimum of 10000" in ended.out + ended.err


def test_a_folder_is_refused_as_a_program(deployed: Rewebb) -> None:
    ended = run_deployment(deployed, 'program="/some/folder"')
    assert ended.code != 0
    assert "does not match" in ended.out + ended.err


@pytest.mark.usefixtures("worker")
def test_a_worker_runs_the_deployment_and_the_run_page_shows_it(
    deployed: Rewebb,
) -> None:
    ended = run_deployment(deployed, "program=99002", "--watch")
    assert ended.code == 0, ended
    (run,) = find_runs(deployed, "COMPLETED")
    assert run["name"] == "reprocess-99002"
    assert "5 REUSED" in run["state"]["message"]
    [(known, state)] = query(deployed.data, "select id, state from run")
    assert state == "SUCCEEDED"
    assert {"program:99002", f"run:{known}"} <= {*run["tags"]}
    artifacts = ask(
        deployed, "artifacts/filter", flow_runs={"id": {"any_": [run["id"]]}}
    )
    found = {one["key"]: one for one in artifacts}
    assert {*found} == {"jobs-99002", "outcome-99002"}
    assert found["jobs-99002"]["data"] == 100
    rows = json.loads(found["outcome-99002"]["data"])
    assert [sorted(row) for row in rows] == [["caveats", "job", "state", "why"]] * 5
    about = found["outcome-99002"]["description"]
    assert known in about
    (folder,) = (deployed.data / "runs/99002").glob("*/")
    assert str(folder) in about
    lines = list_lines(deployed, run)
    assert [line for line in lines if "step.started" in line and "'plan'" in line]
    assert [line for line in lines if "run.finished" in line and "SUCCEEDED" in line]


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        (("program=99999",), "99999"),
        (("program=99002", "recipe=unheard-of"), "unheard-of"),
    ],
)
def test_a_request_that_is_refused_ends_in_a_sentence(
    deployed: Rewebb, parameters: tuple[str, ...], said: str
) -> None:
    ended = run_deployment(deployed, *parameters, "--watch")
    assert ended.code != 0
    run = find_runs(deployed, "FAILED")[0]
    assert said in run["state"]["message"]
    lines = list_lines(deployed, run)
    assert [line for line in lines if "Traceback" in line] == []


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


def find_runs(rewebb: Rewebb, state: str) -> list[Any]:
    """Find the flow runs of the deployment that came to a state, the newest first."""
    found: list[Any] = ask(
        rewebb,
        "flow_runs/filter",
        flows={"name": {"any_": ["reprocess-program"]}},
        deployments={"name": {"any_": ["rewebb"]}},
        flow_runs={"state": {"type": {"any_": [state]}}},
        sort="START_TIME_DESC",
    )
    return found


def list_lines(rewebb: Rewebb, run: Any) -> list[str]:
    """List the log of a flow run."""
    lines = ask(rewebb, "logs/filter", logs={"flow_run_id": {"any_": [run["id"]]}})
    return [line["message"] for line in lines]


def run_deployment(rewebb: Rewebb, parameter: str, *more: str) -> Any:
    """Run the deployment with parameters, and with options."""
    flow = "reprocess-program/rewebb"
    options = [part for one in more for part in (("-p", one) if "=" in one else (one,))]
    arguments = ("deployment", "run", flow, "-p", parameter, *options)
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
