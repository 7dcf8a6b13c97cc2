"""The retry ladder and cancellation with real workers, processes and a database.

The jobs calibrate nothing: something goes wrong in them before they would begin, or
they fail since their inputs are not there.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import psutil
import pytest
from commands import wait_until
from exposures import bots_program
from plans import DoneStore, make_binder, make_graph, make_resolved

from config.faults import Fault, FaultKind
from config.recipe import load_recipe
from config.settings import load_settings
from flows.errors import RunCancelledError
from flows.execution import Cluster, Orchestrator
from flows.factory import Services, open_configured_cluster, open_services
from flows.models.runs import Run, RunState
from flows.planning import Plan, build_plan
from flows.run import Recording, Request, cancel_run, hold_lease, make_run
from flows.run.record import RunRecorder
from workers.contract import Status

GRAPH = make_graph(bots_program())[:1]
(KEY,) = (job.key for job in GRAPH)
PROGRAM = GRAPH[0].exposure.program
HANG, EXIT = FaultKind.HANG, FaultKind.EXIT

END_S = 10
"""After which no job of a cancelled run may be there."""


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    folder = tmp_path_factory.mktemp("data")
    settings = load_settings(archive=folder, crds_path=folder, data_dir=folder, slots=1)
    with open_services(settings) as services:
        yield services


@pytest.fixture(scope="module")
def cluster(services: Services) -> Iterator[Cluster]:
    """Open a cluster that outlives its runs, as one that is there already does."""
    with open_configured_cluster(services.settings) as cluster:
        yield cluster


def run(
    services: Services, cluster: Cluster, *ends: FaultKind, stall_s: float = 900
) -> tuple[Run, Plan]:
    """Run the job; what goes wrong in its first attempts is given."""
    faults = [Fault(KEY, kind, number) for number, kind in enumerate(ends, 1)]
    record = make_run(Request(PROGRAM), load_recipe("official"))
    with ExitStack() as stack:
        lease = stack.enter_context(hold_lease(services, PROGRAM))
        stack.enter_context(Recording(services, record))
        mine = stack.enter_context(cluster.share())
        binder = make_binder(make_resolved(GRAPH), DoneStore())
        plan = Orchestrator(
            build_plan(GRAPH, binder),
            binder=binder,
            cluster=mine,
            recorder=RunRecorder(services, record, lease),
            data_dir=services.data_dir,
            max_attempts=3,
            stall_s=stall_s,
            listener=lambda _: None,
            faults=faults,
        ).run()
    return record, plan


def list_ends(services: Services, run: Run, plan: Plan) -> Sequence[Status]:
    """List how the attempts of a run ended; each says where it was made."""
    (entry,) = plan.entries
    assert entry.job is not None
    attempts = services.database.jobs.get_job(entry.job.fingerprint).attempts
    outcomes = [one.outcome for one in attempts if one.run_id == run.id]
    assert all(one.host and one.node.startswith("local-") for one in outcomes)
    assert all(one.usage.granted_bytes > 0 for one in outcomes)
    return [one.status for one in sorted(outcomes, key=lambda one: one.started_at)]


def test_each_end_is_followed_by_what_the_ladder_says(
    services: Services, cluster: Cluster
) -> None:
    wrong = (FaultKind.KILL_WORKER, HANG, EXIT)
    done = run(services, cluster, *wrong, stall_s=5)
    ends = [Status.LOST, Status.TIMED_OUT, Status.LOST, Status.FAILED]
    assert list_ends(services, *done) == ends
    assert "InputChangedError" not in done[1].entries[0].why


def test_a_job_that_hangs_twice_is_failed_by_name(
    services: Services, cluster: Cluster
) -> None:
    done = run(services, cluster, HANG, HANG, HANG, stall_s=5)
    assert list_ends(services, *done) == [Status.TIMED_OUT] * 2
    assert done[1].entries[0].why.startswith(f"TIMED_OUT 2 times: {KEY.split(':')[0]}")


def find_job() -> psutil.Process | None:
    """Find the process of the job: a fork of the fork server of the worker."""
    for process in psutil.Process().children(recursive=True):
        parent = process.parent()
        if parent is not None and "flows.execution.node" in " ".join(
            (parent.parent() or parent).cmdline()
        ):
            return process
    return None


def test_a_run_that_is_cancelled_from_elsewhere_ends_with_its_jobs(
    services: Services, cluster: Cluster
) -> None:
    errors: list[BaseException] = []

    def execute() -> None:
        try:
            run(services, cluster, HANG)
        except RunCancelledError as error:
            errors.append(error)

    thread = threading.Thread(target=execute)
    thread.start()
    logs = services.data_dir / "scratch" / PROGRAM
    wait_until(lambda: any(logs.glob("*/publish/job.log")))
    job = find_job()
    assert job is not None
    (newest,) = services.database.runs.list_runs(limit=1)
    over = cancel_run(services.database, newest, by="somebody on node2")
    thread.join()
    psutil.wait_procs([job], timeout=END_S)
    assert not job.is_running() or job.status() == "zombie"
    assert over.state is RunState.CANCELLED
    assert "somebody on node2" in str(over.message)
    assert len(errors) == 1
    assert services.database.leases.get_lease(PROGRAM) is None
    wait_until(lambda: not any(logs.glob("*")))
