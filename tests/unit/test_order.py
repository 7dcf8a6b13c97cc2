from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from itertools import count
from random import Random

from exposures import bots_program, ifu_program
from hypothesis import given
from hypothesis import strategies as st
from plans import make_graph

from flows.execution.order import Order, Turns
from flows.stages import STAGES

GRAPH = make_graph([*ifu_program("99001"), *bots_program("99002")], selfcal=True)
KEYS = [planned.key for planned in GRAPH]
BOTS = [key for key in KEYS if "99002" in key]


def list_ends(key: str) -> set[str]:
    """List the jobs that nobody needs and that a job leads to."""
    below = [planned.key for planned in GRAPH if key in planned.producers]
    return set().union(*map(list_ends, below)) if below else {key}


ENDS = {key: list_ends(key) for key in KEYS}


def list_order(keys: Iterable[str], *, over: Iterable[str] = ()) -> list[str]:
    """List jobs as they are handed out."""
    order = Order(GRAPH)
    for key in keys:
        order.add(key)
    for key in over:
        order.close(key)
    return [order.pop() for _ in range(len(order))]


def find_first(ready: Iterable[str], over: Collection[str]) -> str:
    """Find the job that goes first, by looking at all of them."""

    def rank(key: str) -> tuple[int, int, str]:
        left = [{k for k in KEYS if end in ENDS[k]} - set(over) for end in ENDS[key]]
        stage = next(planned.stage for planned in GRAPH if planned.key == key)
        return min(map(len, left)), -[*STAGES].index(stage), key

    return min(ready, key=rank)


def test_what_leads_to_the_smaller_end_goes_first() -> None:
    assert set(list_order(KEYS)[: len(BOTS)]) == set(BOTS)


def test_of_one_end_the_later_stage_goes_first() -> None:
    assert [key.partition(":")[0] for key in list_order(BOTS)] == [
        "tso3",
        *["spec2"] * 2,
        *["detector1"] * 2,
    ]


def test_what_is_over_brings_an_end_nearer_while_jobs_wait() -> None:
    *over, last = (key for key in KEYS if key not in BOTS)
    assert list_order([*BOTS, last], over=over)[0] == last


@given(st.permutations(KEYS))
def test_the_order_does_not_depend_on_how_jobs_are_listed(keys: list[str]) -> None:
    assert list_order(keys) == list_order(KEYS)


@given(st.permutations(KEYS), st.lists(st.booleans(), max_size=2 * len(KEYS)))
def test_what_is_handed_out_is_the_first_of_all_that_wait(
    keys: list[str], takes: list[bool]
) -> None:
    order, ready, over = Order(GRAPH), set[str](), list[str]()
    for takes_one in [*takes, *[True] * len(keys)]:
        if takes_one and ready:
            first = order.pop()
            assert first == find_first(ready, over)
            ready.remove(first)
            over.append(first)
            order.close(first)
        elif keys:
            ready.add(keys[-1])
            order.add(keys.pop())
        assert len(order) == len(ready)


def test_dependants_are_those_that_read_a_product() -> None:
    order = Order(GRAPH)
    for planned in GRAPH:
        for key in planned.producers:
            assert planned.key in order.get_dependants(key)
    assert list(order.get_dependants(KEYS[-1])) == []


NAMES = count()


class Contender:
    """A run that takes slots for its jobs when it is its turn."""

    def __init__(
        self, turns: Turns, jobs: int, shared: "list[Contender] | None" = None
    ) -> None:
        self.waiting = jobs
        self.running = 0
        self.is_awake = True
        self._turns = turns
        self._shared = [] if shared is None else shared
        self._seat = turns.join(self.wake, name=f"{next(NAMES):03}")

    def wake(self) -> None:
        """Look up."""
        self.is_awake = True

    def take(self, slots: int) -> int:
        """Start as many jobs as it may."""
        self.is_awake = False
        taken = self._turns.take(
            self._seat,
            slots=slots,
            held=self.running,
            wanted=self.waiting,
            others=[replace(one._seat) for one in self._shared],
        )
        self.waiting -= taken
        self.running += taken
        return taken

    def leave(self) -> None:
        """Be over, or fail."""
        self.running = self.waiting = 0
        self._turns.leave(self._seat)


def settle(runs: Sequence[Contender], slots: int) -> None:
    """Let all runs that are awake take what they may."""
    while awake := [run for run in runs if run.is_awake]:
        awake[-1].take(slots)


@given(
    st.integers(1, 4), st.lists(st.integers(0, 6), min_size=1, max_size=4), st.randoms()
)
def test_slots_are_shared_evenly_and_none_stays_free_for_long(
    slots: int, jobs: list[int], chance: Random
) -> None:
    turns = Turns()
    runs = [Contender(turns, number) for number in jobs]
    settle(runs, slots)
    while any(run.running for run in runs):
        assert sum(run.running for run in runs) <= slots
        over = chance.choice([run for run in runs if run.running])
        over.running -= 1
        over.wake()
        settle(runs, slots)
        waiting = [run for run in runs if run.waiting]
        assert not waiting or sum(run.running for run in runs) == slots
    assert not any(run.waiting for run in runs)


def test_runs_take_turns_on_a_single_slot() -> None:
    turns = Turns()
    runs = {name: Contender(turns, 3) for name in "abc"}
    order = []
    for _ in range(9):
        settle([*runs.values()], 1)
        (name,) = (name for name, run in runs.items() if run.running)
        order.append(name)
        runs[name].running = 0
        runs[name].wake()
    assert [set(order[i : i + 3]) for i in (0, 3, 6)] == [set("abc")] * 3


def test_a_run_that_comes_late_gets_the_next_slots_up_to_its_share() -> None:
    turns = Turns()
    first = Contender(turns, 9)
    settle([first], 4)
    late = Contender(turns, 9)
    settle([first, late], 4)
    assert (first.running, late.running) == (4, 0)
    for expected in ((3, 1), (2, 2)):
        first.running -= 1
        first.wake()
        settle([first, late], 4)
        assert (first.running, late.running) == expected


def test_what_a_run_held_goes_to_others_when_it_leaves() -> None:
    turns = Turns()
    first, second = Contender(turns, 2), Contender(turns, 2)
    settle([first], 2)
    settle([second], 2)
    assert (first.running, second.running) == (2, 0)
    first.leave()
    settle([second], 2)
    assert second.running == 2


@given(st.integers(1, 4), st.lists(st.integers(0, 6), min_size=1, max_size=4))
def test_runs_of_several_processes_share_as_those_of_one(
    slots: int, jobs: list[int]
) -> None:
    """Each process has turns of its own, and is told what the others hold."""
    shared: list[Contender] = []
    shared += [Contender(Turns(), number, shared) for number in jobs]
    for run in shared:
        run.take(0)  # all know what all want
    while any(run.waiting or run.running for run in shared):
        for run in shared * 2:  # the first look may be at what has changed since
            run.take(slots)
        held = [run.running for run in shared]
        assert sum(held) == min(slots, sum(held) + sum(run.waiting for run in shared))
        waiting = [run.running for run in shared if run.waiting]
        assert not waiting or max(held) - min(waiting) <= 1
        for run in shared:
            run.running = 0
