"""Jobs whose processes and workers are killed at random: in the end each is done once.

The jobs calibrate nothing, so that a seed takes seconds. `make chaos SEEDS=20` tries
more seeds than the two of every day.
"""

import json
import random
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from commands import query
from empty_work import answer_empty
from plans import make_resolved
from simulated_cluster import make_survey

from config.costs import load_costs
from config.recipe import load_recipe
from config.settings import load_settings
from flows.errors import PlanError
from flows.execution import Orchestrator, orchestrator
from flows.factory import Services, open_configured_cluster, open_services
from flows.models.runs import JobState
from flows.planning import Binder, Limits, Plan, build_plan
from flows.run import Recording, Request, hold_lease, make_run
from flows.run.record import RunRecorder
from workers.job_layout import OUTCOME_NAME

GRAPH = make_survey(1, exposures=10)
PROGRAM = GRAPH[0].exposure.program
KILLS = 5
"""How often something is killed."""

_NODE = "flows.execution.node"


def kill_something(chance: random.Random) -> None:
    """Kill a job, kill the worker, or ask the worker to leave."""
    below = psutil.Process().children(recursive=True)
    nodes = [p for p in below if _NODE in p.cmdline()]
    jobs = [p for p in below if any(p.ppid() == f.pid for f in find_servers(nodes))]
    kind = chance.choice(["job", "worker", "leave"])
    victims = jobs if kind == "job" else nodes
    for victim in victims[:1]:
        victim.send_signal(signal.SIGTERM if kind == "leave" else signal.SIGKILL)


def find_servers(nodes: list[psutil.Process]) -> list[psutil.Process]:
    """Find the fork servers of workers."""
    below = [p for node in nodes for p in node.children()]
    return [p for p in below if "forkserver" in " ".join(p.cmdline())]


@contextmanager
def killing(seed: int) -> Iterator[None]:
    """Kill something every now and then, as a seed says."""
    chance, over = random.Random(seed), threading.Event()  # noqa: S311  # no secret

    def work() -> None:
        for _ in range(KILLS):
            if over.wait(chance.uniform(0.2, 3.0)):
                return
            with suppress(psutil.NoSuchProcess):
                kill_something(chance)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def run(services: Services) -> Plan:
    """Run what is due, as a run of its own."""
    record = make_run(Request(PROGRAM), load_recipe("official"))
    binder = Binder(
        make_resolved(GRAPH),
        data_dir=services.data_dir,
        find_done=services.store.find_done,
        history=services.database.jobs,
        costs=load_costs(),
        limits=Limits(most_voxels=10**8),
    )
    with (
        open_configured_cluster(services.settings) as cluster,
        hold_lease(services, PROGRAM) as lease,
        Recording(services, record),
    ):
        recorder = RunRecorder(services, record, lease)
        return Orchestrator(
            build_plan(GRAPH, binder),
            binder=binder,
            cluster=cluster,
            recorder=recorder,
            data_dir=services.data_dir,
            max_attempts=4,
            stall_s=900,
            listener=lambda _: None,
        ).run()


def run_until_done(services: Services) -> Plan:
    """Run again, as a person would, until nothing fails."""
    while True:
        with suppress(PlanError):  # three workers were killed before they were there
            plan = run(services)
            if not plan.count(JobState.FAILED):
                return plan


def list_contents(data: Path) -> dict[str, tuple[str, ...]]:
    """List the content of what each job in the store has made."""
    outcomes = [
        json.loads(p.read_text()) for p in data.glob(f"store/*/*/{OUTCOME_NAME}")
    ]
    return {
        one["job"]["fingerprint"]: tuple(p["content_sha256"] for p in one["products"])
        for one in outcomes
    }


@contextmanager
def open_site(folder: Path) -> Iterator[Services]:
    settings = load_settings(archive=folder, crds_path=folder, data_dir=folder, slots=2)
    with open_services(settings) as services:
        yield services


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, object]]:
    """Let jobs calibrate nothing, and give the content of a run without kills."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(orchestrator, "answer_on_worker", answer_empty)
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[1] / "support"))
        folder = tmp_path_factory.mktemp("quiet")
        with open_site(folder) as services:
            run(services)
        yield list_contents(folder)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each seed."""
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(metafunc.config.getoption("seeds") or 2))


def test_every_job_is_done_once_whatever_is_killed(
    quiet: dict[str, object], tmp_path: Path, seed: int
) -> None:
    with open_site(tmp_path) as services, killing(seed):
        plan = run_until_done(services)
    assert {entry.state for entry in plan.entries} <= {
        JobState.SUCCEEDED,
        JobState.REUSED,
    }
    assert list_contents(tmp_path) == quiet
    done = query(tmp_path, "select fingerprint from attempt where status = 'SUCCEEDED'")
    assert len(done) == len(set(done)) == len(GRAPH)
    ends = query(tmp_path, "select status, count(*) from attempt group by status")
    print(f"seed {seed}: {dict(ends)}")
    left = "select 1 from run_job where state in ('RUNNING', 'DUE')"
    assert query(tmp_path, left) == []
    assert not (tmp_path / "scratch" / PROGRAM).exists()
