"""A cluster of many nodes with a clock of its own, and a survey to process on it.

Nothing runs: how long a job takes, what memory it needs and which nodes are lost is
drawn from a seeded generator, and time jumps to whatever happens next. Nodes may have a
walltime, after which they leave with what they run.
"""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from itertools import count

import numpy as np
from exposures import make_exposure
from fake_cluster import make_killed
from outcomes import make_outcome
from plans import DoneStore

from config.costs import Costs, Terms, load_costs
from flows.execution.node import find_least_s
from flows.planning import PlannedJob
from flows.planning.graph import PlannedInput
from workers.contract import Job, Stage, Status, Usage, to_json

__all__ = ["SimulatedCluster", "Site", "make_survey", "make_survey_costs"]

_GB = 10**9
_MEDIAN_S = {Stage.DETECTOR1: 240.0, Stage.SPEC2: 120.0, Stage.SPEC3: 600.0}
"""Wall time of a job of each stage."""
_SPREAD = 0.3
"""Standard deviation of its logarithm."""


@dataclass(frozen=True, slots=True)
class Site:
    """What a cluster is made of, and what goes wrong there."""

    nodes: int
    slots: int = 16
    """Of each node."""
    node_bytes: int = 256 * _GB
    mean_life_s: float = 12 * 3600.0
    """After which a node is lost, on average."""
    walltime_s: float = math.inf
    """After which its batch job is over."""
    renewal_s: float = 120.0
    """After which another stands in for one that is gone."""
    underestimated: float = 0.03
    """Share of the jobs that need up to four times the memory that is estimated."""
    seed: int = 20261122


def make_survey_costs() -> Costs:
    """Make costs that expect the time which jobs of a stage take in the middle."""
    costs = load_costs()
    models = {
        stage: {
            name: model.model_copy(
                update={"cpu_s": Terms(base=_MEDIAN_S[Stage(stage)])}
            )
            for name, model in by_type.items()
        }
        for stage, by_type in costs.models.items()
        if stage in _MEDIAN_S
    }
    return costs.model_copy(update={"models": {**costs.models, **models}})


def make_survey(observations: int, *, exposures: int = 10) -> tuple[PlannedJob, ...]:
    """Make the graph of many observations; each has a cube of all its exposures."""
    return tuple(
        job
        for number in range(observations)
        for job in _plan_observation(
            f"{number // 999:05d}", number % 999 + 1, exposures
        )
    )


def _plan_observation(
    program: str, number: int, exposures: int
) -> Iterator[PlannedJob]:
    made = []
    root = f"jw{program}{number:03d}001_03101"
    for place in range(1, exposures + 1):
        stem = f"{root}_{place:05d}_nrs1"
        exposure = make_exposure(stem, EXP_TYPE="NRS_IFU")
        raw = PlannedInput(
            f"{stem}_uncal.fits",
            "science",
            "The exposure itself.",
            producer=None,
            path=str(exposure.path),
            size_bytes=200_000_000,
        )
        yield PlannedJob(Stage.DETECTOR1, stem, (raw,), exposure)
        rate = _read(stem, "rate", Stage.DETECTOR1)
        yield PlannedJob(Stage.SPEC2, stem, (rate,), exposure)
        made.append(_read(stem, "cal", Stage.SPEC2))
    yield PlannedJob(Stage.SPEC3, f"{root}_cube", tuple(made), exposure)


def _read(stem: str, suffix: str, stage: Stage) -> PlannedInput:
    name, producer = f"{stem}_{suffix}.fits", f"{stage}:{stem}"
    return PlannedInput(name, "science", "A member.", producer=producer)


@dataclass(eq=False, slots=True)
class _Future:
    """What Dask would give for a job."""

    job: Job
    attempt: str
    granted_bytes: int
    answer: str = ""
    is_lost: bool = False

    def exception(self) -> Exception | None:
        """Return what Dask would raise."""
        return make_killed() if self.is_lost else None

    def result(self) -> str:
        """Return the answer of the worker."""
        return self.answer

    def release(self) -> None:
        """Let go."""


@dataclass(eq=False, slots=True)
class _Node:
    free_bytes: int
    end_s: float = math.inf
    """When it leaves, if it is not lost before."""
    running: dict[_Future, float] = field(default_factory=dict)
    """Its jobs, with how long they take."""
    queue: deque[_Future] = field(default_factory=deque)
    """Jobs that wait for memory: as in Dask, those behind the first wait, too."""

    @property
    def load(self) -> int:
        """How many jobs it has."""
        return len(self.running) + len(self.queue)


class SimulatedCluster:
    """Runs jobs in a time of its own; the same seed gives the same."""

    def __init__(self, store: DoneStore, site: Site) -> None:
        self.now_s = 0.0
        self.submitted = 0
        self.lost_nodes = 0
        self.left_nodes = 0
        self.preempted = 0
        self._store = store
        self._site = site
        self._chance = np.random.default_rng(site.seed)
        self._events: list[tuple[float, int, _Node, _Future | None]] = []
        self._number = count()
        self._running = 0
        self._nodes: dict[_Node, None] = {}
        self._needs: dict[str, int] = {}
        self._busy_s = self._there_s = 0.0
        self._until_full = (0.0, 0.0)
        for _ in range(site.nodes):
            self._expect(0.0, _Node(site.node_bytes))
        while self._events[0][2] not in self._nodes:
            self.wait_any()

    @property
    def utilisation(self) -> float:
        """Share of the time of all slots in which they had a job, up to the tail.

        The tail begins when there are fewer jobs than free slots for the last time.
        """
        busy_s, there_s = self._until_full
        return busy_s / there_s

    def get_largest_bytes(self, *, wait: bool = True) -> int:  # noqa: ARG002  # some are there
        """Return the memory of a node."""
        return self._site.node_bytes

    def get_longest_s(self) -> float:
        """Say how long a node stays at least; nobody knows when it will be lost."""
        walltime_s = self._site.walltime_s
        return walltime_s if math.isinf(walltime_s) else find_least_s(walltime_s)

    def find_time_s(self) -> float:
        """Say how long the node stays that stays longest."""
        ends_s = max((node.end_s for node in self._nodes), default=math.inf)
        return min(ends_s - self.now_s, self.get_longest_s())

    def take_slots(self, *, held: int, wanted: int) -> int:
        """Give the slots that are free."""
        free = max(len(self._nodes) * self._site.slots - held, 0)
        if wanted >= free:
            self._until_full = self._busy_s, self._there_s
        return min(free, wanted)

    def submit(
        self,
        _: object,
        job: Job,
        *,
        attempt: str,
        granted_bytes: int,
        expected_s: float,
        **__: object,
    ) -> _Future:
        """Send a job to the node that has the fewest; it stays long enough, if any."""
        self.submitted += 1
        future = _Future(job, attempt, granted_bytes)
        until_s = self.now_s + expected_s
        lasting = [node for node in self._nodes if node.end_s >= until_s]
        node = min(lasting or self._nodes, key=lambda node: node.load)
        node.queue.append(future)
        self._start(node)
        return future

    def wait_any(self) -> list[_Future]:
        """Jump to the next time at which jobs are over, or slots are there again."""
        time_s, _, node, future = heappop(self._events)
        passed_s = time_s - self.now_s
        self._busy_s += passed_s * self._running
        self._there_s += passed_s * self._site.slots * len(self._nodes)
        self.now_s = time_s
        if future is not None:
            return [self._end(node, future)] if future in node.running else []
        if node in self._nodes:
            return self._lose(node)
        self._nodes[node] = None
        life_s = self._chance.exponential(self._site.mean_life_s)
        if math.isfinite(self._site.walltime_s):
            least_s = find_least_s(self._site.walltime_s)
            stays_s = self._chance.uniform(least_s, self._site.walltime_s)
            node.end_s, life_s = self.now_s + stays_s, min(stays_s, life_s)
        self._expect(life_s, node)
        return []

    def _start(self, node: _Node) -> None:
        """Start what waits at a node, in order, as far as there is room."""
        while node.queue and len(node.running) < self._site.slots:
            future = node.queue[0]
            if future.granted_bytes > node.free_bytes:
                break
            node.queue.popleft()
            node.free_bytes -= future.granted_bytes
            median_s = _MEDIAN_S[future.job.stage]
            elapsed_s = self._chance.lognormal(np.log(median_s), _SPREAD)
            fits = self._find_need(future) <= future.granted_bytes
            node.running[future] = elapsed_s if fits else elapsed_s / 2
            self._running += 1
            self._expect(node.running[future], node, future)

    def _find_need(self, future: _Future) -> int:
        """Find what a job needs, from its first grant."""
        key = future.job.fingerprint
        if key not in self._needs:
            is_wrong = self._chance.random() < self._site.underestimated
            factor = self._chance.uniform(1.0, 4.0) if is_wrong else 1.0
            self._needs[key] = int(factor * future.granted_bytes)
        return self._needs[key]

    def _end(self, node: _Node, future: _Future) -> _Future:
        elapsed_s = node.running.pop(future)
        self._running -= 1
        node.free_bytes += future.granted_bytes
        self._start(node)
        need = self._find_need(future)
        fits = need <= future.granted_bytes
        status = Status.SUCCEEDED if fits else Status.OUT_OF_MEMORY
        if fits:
            self._store.add(future.job)
        peak_bytes = need if fits else future.granted_bytes + 1
        usage = Usage(elapsed_s, elapsed_s, peak_bytes, future.granted_bytes)
        outcome = make_outcome(future.job, attempt=future.attempt, status=status)
        future.answer = to_json(replace(outcome, usage=usage))
        return future

    def _lose(self, node: _Node) -> list[_Future]:
        """Lose a node with its jobs, or let it leave; another comes after a while."""
        del self._nodes[node]
        leaves = self.now_s >= node.end_s
        self.lost_nodes += not leaves
        self.left_nodes += leaves
        self._expect(self._site.renewal_s, _Node(self._site.node_bytes))
        lost = [*node.running, *node.queue]
        self._running -= len(node.running)
        node.running, node.queue = {}, deque()
        for future in lost:
            future.is_lost = not leaves
            if leaves:
                future.answer = self._preempt(future)
        return lost

    def _preempt(self, future: _Future) -> str:
        """Make what a job answers whose node leaves."""
        self.preempted += 1
        status = Status.PREEMPTED
        return to_json(make_outcome(future.job, attempt=future.attempt, status=status))

    def _expect(
        self, after_s: float, node: _Node, future: _Future | None = None
    ) -> None:
        event = self.now_s + after_s, next(self._number), node, future
        heappush(self._events, event)
