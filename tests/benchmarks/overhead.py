"""What a job costs beside its calibration: plan, submit, child, publish, record.

    python tests/benchmarks/overhead.py [JOBS]

Jobs whose children calibrate nothing go through the whole path, with a real cluster of
this machine, fork server, store and SQLite database. As many calls that do nothing go
through Dask alone, as many at a time. CPU time is that of all processes.
"""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from empty_work import answer_empty
from plans import make_resolved
from rich.console import Console
from rich.table import Table
from simulated_cluster import make_survey

import flows.execution.orchestrator
from config.costs import load_costs
from config.recipe import load_recipe
from config.settings import load_settings
from flows.execution import Cluster
from flows.factory import Services, open_configured_cluster, open_services
from flows.models.runs import JobState
from flows.planning import Binder, Limits, PlannedJob, build_plan
from flows.run import Planned, Recording, Request, execute, hold_lease, make_run
from workers.calls import hash_files

JOBS = 10_000
JOBS_PER_OBSERVATION = 21
SLOTS = 2


@dataclass(frozen=True, slots=True)
class Cost:
    """What jobs took together."""

    name: str
    jobs: int
    cpu_s: float
    elapsed_s: float


@contextmanager
def measure(name: str, jobs: int, costs: list[Cost]) -> Iterator[None]:
    """Measure a block."""
    cpu_s, started_s = count_cpu_s(), time.monotonic()
    yield
    costs.append(Cost(name, jobs, count_cpu_s() - cpu_s, time.monotonic() - started_s))


def count_cpu_s() -> float:
    """Add up the CPU time of this process and of all below it, dead or alive."""
    own = psutil.Process()
    return sum(
        sum(process.cpu_times()[:4])
        for process in (own, *own.children(recursive=True))
        if process.is_running()
    )


def run_jobs(
    graph: tuple[PlannedJob, ...], services: Services, cluster: Cluster
) -> list[Cost]:
    """Plan and run jobs, and plan them again when all is done."""
    costs: list[Cost] = []
    binder = Binder(
        make_resolved(graph),
        data_dir=services.data_dir,
        find_done=services.store.find_done,
        history=services.database.jobs,
        costs=load_costs(),
        limits=Limits(most_voxels=10**8),
    )
    request = Request(graph[0].exposure.program)
    begun = make_run(request, load_recipe(request.recipe))
    with measure("plan", len(graph), costs):
        plan = build_plan(graph, binder)
    with (
        hold_lease(services, request.program) as lease,
        Recording(services, begun) as run,
        measure("run", len(graph), costs),
    ):
        executed = execute(
            Planned(plan, binder, "jwst_0001.pmap", ()),
            run=run,
            services=services,
            open_cluster=lambda: cluster,
            lease=lease,
            listener=lambda _: None,
        )
    succeeded = executed.plan.count(JobState.SUCCEEDED)
    if succeeded != len(graph):
        why = next(e.why for e in executed.plan.entries if e.state is JobState.FAILED)
        sys.exit(f"Only {succeeded} of {len(graph)} jobs succeeded: {why}")
    with measure("plan again, all reused", len(graph), costs):
        build_plan(graph, binder)
    return costs


def call_dask(jobs: int, cluster: Cluster) -> list[Cost]:
    """Submit calls that do nothing, as many at a time as there are slots."""
    costs: list[Cost] = []
    with measure("Dask alone", jobs, costs):
        left, running = jobs, 0
        while left or running:
            for _ in range(min(SLOTS - running, left)):
                cluster.submit(abs, left, memory_bytes=1)
                left, running = left - 1, running + 1
            running -= len(cluster.wait_any())
    return costs


def main() -> None:
    """Measure, and print a table."""
    jobs = int(sys.argv[1]) if len(sys.argv) > 1 else JOBS
    # Workers and their children import what this module imports.
    os.environ["PYTHONPATH"] = sys.path[0]
    flows.execution.orchestrator.answer_on_worker = answer_empty
    graph = make_survey(jobs // JOBS_PER_OBSERVATION)
    with tempfile.TemporaryDirectory(prefix="rewebb-bench-") as name:
        folder = Path(name)
        (folder / "archive").mkdir()
        settings = load_settings(
            archive=folder / "archive",
            data_dir=folder / "data",
            crds_path=folder / "crds",
            slots=SLOTS,
        )
        with (
            open_services(settings) as services,
            open_configured_cluster(settings) as cluster,
        ):
            cluster.map(hash_files, [()] * SLOTS, memory_bytes=1)  # starts its server
            costs = call_dask(len(graph), cluster)
            costs += run_jobs(graph, services, cluster)
    table = Table(title=f"{len(graph)} jobs that calibrate nothing, {SLOTS} slots")
    for column in ("", "CPU/job", "wall/job"):
        table.add_column(column, justify="left" if not column else "right")
    for cost in costs:
        table.add_row(
            cost.name,
            f"{1e3 * cost.cpu_s / cost.jobs:.2f} ms",
            f"{1e3 * cost.elapsed_s / cost.jobs:.2f} ms",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
