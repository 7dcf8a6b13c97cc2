"""The flow that watches an archive, and pages of flow runs, on a real server.

No job runs: the flow runs that a watch starts wait for a worker that never comes.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from signal import SIGINT
from threading import Thread
from typing import Any
from urllib.request import Request, urlopen

import pytest
from commands import Ended, Rewebb, query, stopped, wait_until
from mast_files import write_archive
from mast_server import mast_server
from small_crds import write_cache

DEPLOYMENTS = Path(__file__).parents[2] / "deploy" / "prefect.yaml"
PROGRAMS = ["99021", "99022"]

WATCH = """
from flows.watch import watch_archive
state = watch_archive(
    "subscriptions.toml", deployment="reprocess-program/watched", return_state=True
)
print(state.type.value, state.message)
"""

PAGE = """
import logging
from prefect import flow
from flows.logs import get_logger
from flows.models.runs import JobState, RunState
from flows.page import open_page, prepare_logs
from flows.reports import JobLine, RunSummary
from workers.contract import Caveat, CaveatKind
from pathlib import Path

caveat = Caveat(CaveatKind.PARTIAL, "a member is missing")
job = JobLine("spec2:one", JobState.SUCCEEDED, "never done", None, None, (caveat,))
summary = RunSummary(
    "run-1", "02736", "official", "jwst_0001.pmap", RunState.SUCCEEDED,
    "runs/02736/run-1", {"SUCCEEDED": 1}, (job,),
    ("spec2:one: PARTIAL: a member is missing",), ("one exposure is in none",), (), 0,
)

@flow(name="told")
def tell():
    prepare_logs()
    with open_page("02736") as page:
        page.name_run("run-1", 4)
        page.show_progress({JobState.REUSED: 1, JobState.DUE: 3})
        get_logger().info("job.started", job="spec2:one")
        page.show_outcome(summary, Path("/data"))
tell()
"""


@pytest.fixture(scope="module")
def site(
    prefect_api: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rewebb]:
    """Keep a site with an archive on loopback, and deployments of its own."""
    folder = tmp_path_factory.mktemp("watched")
    text = DEPLOYMENTS.read_text().replace("name: rewebb", "name: watched")
    (folder / "prefect.yaml").write_text(text)
    subscribed = f'[[subscription]]\nname = "ours"\nprograms = {json.dumps(PROGRAMS)}\n'
    (folder / "subscriptions.toml").write_text(subscribed)
    with mast_server(write_archive(folder / "archive")) as mast:
        rewebb = Rewebb(folder).given(
            CRDS_PATH=write_cache(folder / "crds"),
            REWEBB_ARCHIVE="mast",
            REWEBB_MAST_URL=mast.url,
            REWEBB_DATA_DIR=folder / "data",
            PREFECT_API_URL=prefect_api,
            PREFECT_HOME=folder / "prefect",
            SUBSCRIPTIONS=folder / "subscriptions.toml",
        )
        for command in (
            ("work-pool", "create", "watched", "--type", "process"),
            ("--no-prompt", "deploy", "--all", "--prefect-file", "prefect.yaml"),
        ):
            ended = rewebb(*command, program="prefect")
            assert ended.code == 0, ended
        yield rewebb


def ask(rewebb: Rewebb, path: str, **body: Any) -> Any:
    """Ask the API of the server."""
    url = f"{rewebb.variables['PREFECT_API_URL']}/{path}"
    headers = {"Content-Type": "application/json"}
    request = Request(url, json.dumps(body).encode(), headers)  # noqa: S310  # loopback
    with urlopen(request, timeout=30) as answer:  # noqa: S310  # likewise
        return json.load(answer)


def find_runs(rewebb: Rewebb, flow: str, **wanted: Any) -> list[Any]:
    """Find flow runs of a flow."""
    flows = {"name": {"any_": [flow]}}
    found: list[Any] = ask(rewebb, "flow_runs/filter", flows=flows, flow_runs=wanted)
    return found


def count_started(rewebb: Rewebb) -> Counter[str]:
    """Count the flow runs that watches have started, by program."""
    tags = {"tags": {"all_": ["watch-archive"]}}
    started = find_runs(rewebb, "reprocess-program", **tags)
    return Counter(run["parameters"]["program"] for run in started)


def run_script(rewebb: Rewebb, text: str) -> Ended:
    return rewebb("-c", text, program=Path(sys.executable).name)


def test_the_watch_is_scheduled_every_night(site: Rewebb) -> None:
    """Newer versions of fastapi and sqlalchemy break this without a word."""
    scheduled = {"state": {"type": {"any_": ["SCHEDULED"]}}}
    found = wait_until(
        lambda: find_runs(site, "watch-archive", **scheduled), pause_s=0.5
    )
    assert found[0]["parameters"] == {
        "subscriptions": str(site.folder / "subscriptions.toml")
    }


def test_a_watch_that_is_killed_goes_on_and_starts_no_program_twice(
    site: Rewebb,
) -> None:
    python = Path(sys.executable).name
    with stopped(site.start("-c", WATCH, program=python)) as watch:
        wait_until(lambda: count_started(site), timeout_s=300)
        watch.kill()
    for _ in range(2):
        ended = run_script(site, WATCH)
        assert ended.out.startswith("COMPLETED"), ended
        assert count_started(site) == Counter(PROGRAMS)
    assert "0 programs started, 2 carried over" in ended.out


def test_subscriptions_that_are_wrong_end_a_watch_in_a_sentence(site: Rewebb) -> None:
    ended = run_script(site, WATCH.replace("subscriptions.toml", "none.toml"))
    assert ended.out.startswith("FAILED The file none.toml of subscriptions cannot")
    assert "Traceback" not in ended.out + ended.err


def test_an_unknown_program_ends_its_flow_run_in_a_sentence(site: Rewebb) -> None:
    ended = site("run", "99999")
    assert ended.code == 2
    name = {"name": {"any_": ["reprocess-99999"]}}
    (run,) = find_runs(site, "reprocess-program", **name)
    assert run["state"]["type"] == "FAILED"
    assert "99999" in run["state"]["message"]
    assert "program:99999" in run["tags"]
    lines = list_lines(site, run)
    assert [line for line in lines if "step.started" in line and "'find'" in line]
    assert [line for line in lines if "Traceback" in line] == []
    assert query(site.data, "select state from run") == [("FAILED",)]


TURN = """
import time
from pathlib import Path
from config.settings import load_settings
from flows.turns import take_turn
with take_turn(load_settings()):
    print("held", flush=True)
    while not Path("go").exists():
        time.sleep(0.1)
"""


def test_flow_runs_wait_for_their_turn_at_the_archive(site: Rewebb) -> None:
    limit = ("gcl", "create", "rewebb-archive", "--limit", "1")
    assert site(*limit, program="prefect").code == 0
    python = Path(sys.executable).name
    with stopped(site.start("-c", TURN, program=python)) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with stopped(site.start("run", "99995")) as interrupted:
            wait_until(lambda: is_waiting(site, "reprocess-99995"), pause_s=0.5)
            interrupted.send_signal(SIGINT)
            assert interrupted.wait(30) == 130
        with stopped(site.start("run", "99996")) as run:
            wait_until(lambda: is_waiting(site, "reprocess-99996"), pause_s=0.5)
            assert run.poll() is None
            (site.folder / "go").touch()
            assert run.wait(60) == 2
    assert site("gcl", "delete", "rewebb-archive", program="prefect").code == 0


def is_waiting(site: Rewebb, name: str) -> bool:
    found = find_runs(site, "reprocess-program", name={"any_": [name]})
    return any(
        "archive.full" in line for run in found for line in list_lines(site, run)
    )


BLOCK = """
import sys
from prefect.blocks.notifications import CustomWebhookNotificationBlock as Block
told = {"subject": "{{subject}}", "body": "{{body}}"}
print(Block(name="ours", url=sys.argv[1], json_data=told).save("rewebb"))
"""


def test_automations_tell_of_a_run_that_failed(site: Rewebb) -> None:
    told: list[dict[str, str]] = []
    with hearing(told) as url:
        made = site("-c", BLOCK, url, program=Path(sys.executable).name)
        assert made.code == 0, made
        text = (DEPLOYMENTS.parent / "automations.yaml").read_text()
        path = site.folder / "automations.yaml"
        path.write_text(text.replace("BLOCK", made.out.strip()))
        create = ("automation", "create", "--from-file", str(path))
        ended = site(*create, program="prefect")
        assert ended.code == 0, ended
        assert ended.out.count("rewebb") == 3, ended
        assert site("run", "99998").code == 2
        [one] = wait_until(lambda: told, timeout_s=60)
    assert one["subject"] == "reprocess-99998: Failed"
    assert "99998" in one["body"]


@contextmanager
def hearing(told: list[dict[str, str]]) -> Iterator[str]:
    """Hear what is posted to a URL, as JSON."""

    class Hearer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            told.append(json.loads(self.rfile.read(size)))
            self.send_response(HTTPStatus.NO_CONTENT)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Hearer) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("parameters", "said"),
    [({}, "is not a DMS pool"), ({"recipe": "unheard-of"}, "unheard-of")],
)
def test_a_process_of_a_flow_run_says_why_it_failed_in_a_sentence(
    site: Rewebb, parameters: dict[str, str], said: str
) -> None:
    """As workers and runners of Prefect start it: `prefect flow-run execute`."""
    wanted = {"program": "99021", **parameters}
    (deployment,) = ask(
        site,
        "deployments/filter",
        deployments={"name": {"any_": ["watched"]}},
        flows={"name": {"any_": ["reprocess-program"]}},
    )
    path = f"deployments/{deployment['id']}/create_flow_run"
    run = ask(site, path, parameters=wanted, state={"type": "PENDING"})
    ended = site.given(PREFECT__FLOW_RUN_ID=run["id"])(
        "-m", "prefect.engine", run["id"], program=Path(sys.executable).name
    )
    assert "Traceback" not in ended.out + ended.err
    (run,) = find_runs(site, "reprocess-program", id={"any_": [run["id"]]})
    assert run["state"]["type"] == "FAILED"
    assert said in run["state"]["message"]
    assert [line for line in list_lines(site, run) if "Traceback" in line] == []


def test_the_page_tells_what_a_run_came_to(site: Rewebb) -> None:
    ended = run_script(site, PAGE)
    assert ended.code == 0, ended
    (run,) = find_runs(site, "told")
    assert {"program:02736", "run:run-1"} == {*run["tags"]}
    assert [line for line in list_lines(site, run) if "job.started" in line]
    wanted = {"id": {"any_": [run["id"]]}}
    told = ask(site, "artifacts/filter", flow_runs=wanted)
    found = {one["key"]: one for one in told}
    assert {*found} == {"jobs-02736", "outcome-02736"}
    assert found["jobs-02736"]["data"] == 100
    [row] = json.loads(found["outcome-02736"]["data"])
    assert row == {
        "job": "spec2:one",
        "state": "SUCCEEDED",
        "why": "never done",
        "caveats": "spec2:one: PARTIAL: a member is missing",
    }
    about = found["outcome-02736"]["description"]
    for part in ("run-1", "/data/runs/02736/run-1", "one exposure is in none"):
        assert part in about


def list_lines(rewebb: Rewebb, run: Any) -> list[str]:
    """List the log of a flow run."""
    lines = ask(rewebb, "logs/filter", logs={"flow_run_id": {"any_": [run["id"]]}})
    return [line["message"] for line in lines]
