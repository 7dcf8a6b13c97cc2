"""How many workers there are, without any: a scripted launcher and scheduler."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest
from commands import wait_until
from hypothesis import given
from hypothesis import strategies as st

from flows.errors import PlanError
from flows.execution.node import find_least_s
from flows.execution.nodes import Demand, Growth, Look, Nodes, count_nodes
from flows.execution.waiting import Waiting

GROWTH = Growth(minimum=0, maximum=8, slots=4, memory_bytes=100)


@dataclass
class Batch:
    """A batch system and a scheduler, which do as they are told."""

    demand: Demand = field(default_factory=Demand)
    comes: bool = True
    refuses: str = ""
    alive: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)
    busy: dict[str, int] = field(default_factory=dict)
    retired: set[str] = field(default_factory=set)

    def start(self, name: str) -> None:
        """Start a worker, which comes at once or is over at once."""
        if self.refuses:
            raise PlanError(self.refuses)
        if self.comes:
            self.alive.add(name)
            self.seen.add(name)

    def list_alive(self) -> frozenset[str]:
        """List the workers."""
        return frozenset(self.alive)

    def stop(self, names: Iterable[str]) -> None:
        """Stop workers."""
        self.alive -= {*names}

    def look(self) -> Look:
        """Look at the workers."""
        busy = {name: self.busy.get(name, 0) for name in self.alive}
        return Look(self.demand, busy, frozenset(self.seen))

    def retire(self, names: Iterable[str]) -> None:
        """Note who retires."""
        self.retired |= {*names}


def keep(batch: Batch, growth: Growth = GROWTH) -> Nodes:
    """Keep the workers of a batch system."""
    return Nodes(batch, growth, batch, prefix="node", poll_s=0.001)


@given(
    jobs=st.integers(0, 10_000),
    memory_bytes=st.integers(0, 10**6),
    minimum=st.integers(0, 2),
    maximum=st.integers(2, 20),
)
def test_nodes_are_as_many_as_jobs_fill(
    jobs: int, memory_bytes: int, minimum: int, maximum: int
) -> None:
    growth = Growth(minimum, maximum, slots=4, memory_bytes=100)
    nodes = count_nodes(Demand(jobs, memory_bytes), growth)
    assert minimum <= nodes <= maximum
    assert nodes in {minimum, maximum} or nodes >= jobs / 4
    assert nodes <= max(jobs, minimum)
    assert count_nodes(Demand(jobs + 1, memory_bytes), growth) >= nodes


@pytest.mark.parametrize(
    ("demand", "nodes"),
    [
        (Demand(), 0),
        (Demand(1), 1),
        (Demand(5), 2),
        (Demand(1000), 8),
        (Demand(4, 301), 4),  # they do not fit beside each other
        (Demand(2, 900), 2),
    ],
)
def test_slots_and_memory_both_count(demand: Demand, nodes: int) -> None:
    assert count_nodes(demand, GROWTH) == nodes


def test_nodes_come_with_work_and_go_with_it() -> None:
    batch = Batch(Demand(9))
    with keep(batch):
        assert len(batch.alive) == 3
        batch.busy = {"node-2": 1}
        batch.demand = Demand(1)
        wait_until(lambda: batch.alive == {"node-2"})
        assert batch.retired == {"node-1", "node-3"}
        batch.busy, batch.demand = {}, Demand()
        wait_until(lambda: not batch.alive)
        batch.demand = Demand(1)
        wait_until(lambda: batch.alive == {"node-4"})
    assert batch.alive == set()


def test_a_node_that_is_lost_is_asked_for_again() -> None:
    batch = Batch(Demand(1))
    with keep(batch) as nodes:
        for number in range(1, 9):
            wait_until(lambda name=f"node-{number}": batch.alive == {name})
            batch.alive.clear()
        nodes.check()


def test_nodes_that_never_come_are_not_asked_for_for_ever() -> None:
    batch = Batch(Demand(1), comes=False)
    with keep(batch) as nodes:
        with pytest.raises(PlanError, match="3 workers ended one after the other"):
            wait_until(nodes.check)
        assert nodes._number == 3


def test_a_batch_system_that_refuses_ends_the_wait() -> None:
    with (
        pytest.raises(PlanError, match="no such queue"),
        keep(Batch(Demand(1), refuses="no such queue")),
    ):
        pass


def test_an_idle_node_stays_for_a_while() -> None:
    batch = Batch(Demand(1))
    patient = Growth(minimum=0, maximum=8, slots=4, memory_bytes=100, idle_s=1e6)
    with keep(batch, patient) as nodes:
        batch.demand = Demand()
        wait_until(lambda: "node-1" in nodes._idle_since)
        batch.demand = Demand(4)
        assert batch.alive == {"node-1"}


@pytest.mark.parametrize("walltime_s", [60.0, 3600.0, 864_000.0])
def test_a_worker_leaves_before_its_node_ends(walltime_s: float) -> None:
    assert 0.8 * walltime_s <= find_least_s(walltime_s) <= walltime_s - 12


def test_waiting_is_told_now_and_then_and_its_end_once() -> None:
    waiting = Waiting(8)
    told = [waiting.note(0, now_s=now_s) for now_s in range(0, 200, 5)]
    said = "waiting for workers: 0 of 8, "
    assert [line for line in told if line] == [
        f"{said}less than a minute",
        f"{said}1 min",
        f"{said}2 min",
    ]
    assert waiting.note(2, now_s=205) == "workers: 2 of 8"
    assert waiting.note(2, now_s=206) == ""


def test_a_start_of_some_seconds_is_not_told() -> None:
    waiting = Waiting(None)
    assert [waiting.note(0, now_s=now_s) for now_s in range(19)] == [""] * 19
    assert waiting.note(1, now_s=19) == ""
