"""Jobs that need more memory than was expected, and what their worker keeps of jobs.

The jobs calibrate nothing; their processes are those of real ones, with `jwst` loaded.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from empty_work import TAKEN_BYTES, answer_empty, answer_large
from exposures import bots_program
from outcomes import make_job
from plans import make_graph, make_resolved
from worker_memory import follow_memory

from config.costs import QUANTITIES, Costs, Model, Terms, load_costs, to_toml
from config.recipe import load_recipe
from config.settings import load_settings
from flows.execution import Cluster, Orchestrator, orchestrator
from flows.factory import Services, open_configured_cluster, open_services
from flows.models.runs import JobState
from flows.planning import Binder, Limits, Plan, build_plan
from flows.run import Recording, Request, hold_lease, make_run
from flows.run.record import RunRecorder
from workers.contract import Outcome, Status

GRAPH = make_graph(bots_program())[:1]
PROGRAM = GRAPH[0].exposure.program

JOBS = 100
WARM = 10
"""Jobs after which a worker has loaded what it needs."""
FLAT_BYTES = 50e6


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    folder = tmp_path_factory.mktemp("data")
    settings = load_settings(archive=folder, crds_path=folder, data_dir=folder, slots=1)
    with open_services(settings) as services:
        yield services


@pytest.fixture(scope="module")
def cluster(services: Services) -> Iterator[Cluster]:
    """Open a cluster of one worker that can import what jobs of tests do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[1] / "support"))
        with open_configured_cluster(services.settings) as cluster:
            yield cluster


def load_costs_of(peak_bytes: float, site: Path) -> Costs:
    """Load costs of a site whose model says that the job takes so much memory."""
    ((stage, exp_type),) = {(job.stage, job.exposure.exp_type) for job in GRAPH}
    _, ours = load_costs().find(stage, exp_type)
    terms = {quantity: getattr(ours, quantity) for quantity in QUANTITIES}
    model = Model(attempts=1, **(terms | {"peak_bytes": Terms(base=peak_bytes)}))
    site.write_text(to_toml({stage: {exp_type: model}}))
    return load_costs(site)


def run(services: Services, cluster: Cluster, costs: Costs) -> Plan:
    """Run the job, as often as by default."""
    record = make_run(Request(PROGRAM), load_recipe("official"))
    binder = Binder(
        make_resolved(GRAPH),
        data_dir=services.data_dir,
        find_done=services.store.find_done,
        history=services.database.jobs,
        costs=costs,
        limits=Limits(most_voxels=10**8),
    )
    with hold_lease(services, PROGRAM) as lease, Recording(services, record):
        return Orchestrator(
            build_plan(GRAPH, binder),
            binder=binder,
            cluster=cluster,
            recorder=RunRecorder(services, record, lease),
            data_dir=services.data_dir,
            max_attempts=services.settings.max_attempts,
            stall_s=900,
            listener=lambda _: None,
        ).run()


def list_outcomes(services: Services, plan: Plan) -> list[Outcome]:
    """List what became of the attempts at the job, oldest first."""
    (entry,) = plan.entries
    assert entry.job is not None
    attempts = services.database.jobs.get_job(entry.job.fingerprint).attempts
    outcomes = [one.outcome for one in attempts]
    return sorted(outcomes, key=lambda one: one.started_at)


def test_a_job_that_needs_four_times_its_estimate_succeeds_without_a_node_of_its_own(
    services: Services,
    cluster: Cluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(orchestrator, "answer_on_worker", answer_large)
    costs = load_costs_of(TAKEN_BYTES / 4, tmp_path / "costs.toml")
    plan = run(services, cluster, costs)
    assert plan.count(JobState.SUCCEEDED) == 1
    *cut, last = list_outcomes(services, plan)
    assert {one.status for one in cut} == {Status.OUT_OF_MEMORY}
    assert cut[0].usage.granted_bytes < TAKEN_BYTES / 3
    assert TAKEN_BYTES <= last.usage.peak_bytes <= last.usage.granted_bytes
    assert last.usage.granted_bytes < 2 * TAKEN_BYTES < cluster.get_largest_bytes()


def test_a_worker_holds_no_more_after_a_hundred_jobs(
    cluster: Cluster, tmp_path: Path
) -> None:
    held = follow_memory(
        cluster, answer_empty, make_job(), data_dir=tmp_path, times=JOBS
    )
    first, *later = [*held][WARM - 1 :]
    assert max(abs(each - first) for each in later) < FLAT_BYTES
