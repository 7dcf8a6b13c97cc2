"""The flow as a deployment: on demand, by a worker, and by a schedule."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.request import Request, urlopen

import pytest
from commands import Rewebb, query, stopped, wait_until

MakeRewebb = Callable[..., Rewebb]

DEPLOYMENTS = """
name: rewebb
prefect-version: 3.8.8
deployments:
- name: on-demand
  entrypoint: flows.reprocess.reprocess_program
  work_pool: {name: here}
- name: nightly
  entrypoint: flows.reprocess.reprocess_program
  work_pool: {name: here}
  parameters: {program: "99002"}
  schedules: [{cron: "0 3 * * *", timezone: UTC}]
"""


@pytest.fixture(scope="module")
def deployed(make_rewebb: MakeRewebb, finished: Rewebb) -> Rewebb:
    """Deploy the flow on the server, with a finished program."""
    rewebb = make_rewebb(finished)
    (rewebb.folder / "prefect.yaml").write_text(DEPLOYMENTS)
    for command in (
        ("work-pool", "create", "here", "--type", "process"),
        ("--no-prompt", "deploy", "--all"),
    ):
        ended = rewebb(*command, program="prefect")
        assert ended.code == 0, ended
    return rewebb


@pytest.fixture
def worker(deployed: Rewebb) -> Iterator[None]:
    """Keep a Prefect worker of the pool."""
    arguments = ("worker", "start", "--pool", "here", "--limit", "1")
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


def run_deployment(rewebb: Rewebb, parameter: str, *more: str) -> Any:
    """Run the deployment with a parameter."""
    flow = "reprocess-program/on-demand"
    arguments = ("deployment", "run", flow, "-p", parameter, *more)
    return rewebb(*arguments, program="prefect")
