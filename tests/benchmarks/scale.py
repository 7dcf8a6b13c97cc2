"""How the orchestrator copes with a survey of 100 000 jobs on 2 000 slots, simulated.

    python tests/benchmarks/scale.py [JOBS [SLOTS]]

Order, plan, retry ladder and records of the run are the real ones; the cluster is
simulated (`simulated_cluster`), with nodes that are lost or whose walltime is over, and
estimates of memory and time that are wrong. Times of the orchestrator leave out what
the simulation itself takes.
"""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from fake_cluster import MemoryRecorder
from plans import DoneStore, make_binder, make_resolved
from rich.console import Console
from rich.table import Table
from simulated_cluster import (
    SimulatedCluster,
    Site,
    make_survey,
    make_survey_costs,
)

from flows.execution import Orchestrator
from flows.models.runs import JobState
from flows.planning import PlannedJob, build_plan

JOBS = 100_000
SLOTS = 2_000
EXPOSURES = 10
"""Of an observation: twice as many jobs, and one more."""
SLOTS_PER_NODE = 16
WALLTIME_S = 2 * 3600.0

_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Simulated:
    """What a run took."""

    jobs: int
    slots: int
    plan_s: float
    """CPU time of the plan."""
    run_s: float
    """CPU time of the orchestrator."""
    held_bytes: int
    """Memory of the plan."""
    grown_bytes: int
    """Memory that the run took besides."""
    attempts: int
    preempted: int
    lost_nodes: int
    left_nodes: int
    days: float
    """Simulated."""
    utilisation: float
    succeeded: int


class Watched(SimulatedCluster):
    """Counts the CPU time that the simulation takes itself."""

    own_s = 0.0

    def __init__(self, store: DoneStore, site: Site) -> None:
        super().__init__(store, site)
        self.take_slots = self._watch(self.take_slots)
        self.find_time_s = self._watch(self.find_time_s)
        self.submit = self._watch(self.submit)
        self.wait_any = self._watch(self.wait_any)

    def _watch(self, work: Callable[_P, _T]) -> Callable[_P, _T]:
        @wraps(work)
        def watched(*args: _P.args, **kwargs: _P.kwargs) -> _T:
            started_s = time.process_time()
            try:
                return work(*args, **kwargs)
            finally:
                self.own_s += time.process_time() - started_s

        return watched


def simulate(graph: Sequence[PlannedJob], slots: int) -> Simulated:
    """Plan a survey, and run it."""
    store = DoneStore()
    held_bytes, started_s = read_memory(), time.process_time()
    binder = make_binder(make_resolved(graph), store, costs=make_survey_costs())
    plan = build_plan(graph, binder)
    plan_s, planned_bytes = time.process_time() - started_s, read_memory()
    nodes = slots // SLOTS_PER_NODE
    site = Site(nodes=nodes, slots=SLOTS_PER_NODE, walltime_s=WALLTIME_S)
    cluster = Watched(store, site)
    started_s = time.process_time()
    done = Orchestrator(
        plan,
        binder=binder,
        cluster=cluster,
        recorder=Forgetful(),
        data_dir=Path("data"),
        max_attempts=4,
        stall_s=900,
        listener=lambda _: None,
    ).run()
    run_s = time.process_time() - started_s - cluster.own_s
    return Simulated(
        jobs=len(graph),
        slots=slots,
        plan_s=plan_s,
        run_s=run_s,
        held_bytes=planned_bytes - held_bytes,
        grown_bytes=read_memory() - planned_bytes,
        attempts=cluster.submitted,
        preempted=cluster.preempted,
        lost_nodes=cluster.lost_nodes,
        left_nodes=cluster.left_nodes,
        days=cluster.now_s / 86_400,
        utilisation=cluster.utilisation,
        succeeded=done.count(JobState.SUCCEEDED),
    )


class Forgetful(MemoryRecorder):
    """Keeps nothing, as the database is no part of this."""

    def record_outcome(self, _: object) -> None:
        """Keep no outcome."""

    def record_jobs(self, _: object) -> None:
        """Keep no states."""

    def make_room(self, _: object) -> None:
        """Clear nothing."""


def read_memory() -> int:
    """Return the resident memory of this process."""
    return psutil.Process().memory_info().rss


def main() -> None:
    """Simulate surveys up to the size that is asked for, and print a table."""
    jobs = int(sys.argv[1]) if len(sys.argv) > 1 else JOBS
    slots = int(sys.argv[2]) if len(sys.argv) > 2 else SLOTS
    table = Table(title=f"Simulated surveys on {slots} slots")
    for name in (
        "jobs",
        "attempts",
        "preempted",
        "nodes lost",
        "left",
        "succeeded",
        "utilisation",
        "simulated",
        "plan, CPU/job",
        "run, CPU/job",
        "plan, bytes/job",
        "run, bytes/job",
    ):
        table.add_column(name, justify="right")
    for share in (10, 3, 1):
        graph = make_survey(jobs // share // (2 * EXPOSURES + 1), exposures=EXPOSURES)
        one = simulate(graph, slots)
        table.add_row(
            f"{one.jobs}",
            f"{one.attempts}",
            f"{one.preempted}",
            f"{one.lost_nodes}",
            f"{one.left_nodes}",
            f"{one.succeeded}",
            f"{one.utilisation:.1%}",
            f"{one.days:.2f} d",
            f"{1e3 * one.plan_s / one.jobs:.2f} ms",
            f"{1e3 * one.run_s / one.jobs:.2f} ms",
            f"{one.held_bytes / one.jobs:.0f}",
            f"{one.grown_bytes / one.jobs:.0f}",
        )
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
