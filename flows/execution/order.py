"""Which of the jobs that could run should run first, and of which run."""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from ..planning import PlannedJob
from ..stages import STAGES

__all__ = ["Order", "Seat", "Turns"]

_LATENESS = {stage: -place for place, stage in enumerate(STAGES)}


class Order:
    """Ranks jobs by how little is left of the nearest end that they lead to.

    An end is a job that nobody else needs; with every job that is over, what is left
    of its ends becomes less. The graph has producers first.
    """

    def __init__(self, graph: Sequence[PlannedJob]) -> None:
        self._stages = {planned.key: planned.stage for planned in graph}
        self._dependants: dict[str, list[str]] = defaultdict(list)
        for planned in graph:
            for producer in planned.producers:
                self._dependants[producer].append(planned.key)
        self._ends = self._find_ends(graph)
        self._left: dict[str, int] = defaultdict(int)
        for ends in self._ends.values():
            for end in ends:
                self._left[end] += 1

    def rank(self, key: str) -> tuple[int, int, str]:
        """Return the sort key of a job: the smallest goes first."""
        left = min(self._left[end] for end in self._ends[key])
        return left, _LATENESS[self._stages[key]], key

    def close(self, key: str) -> None:
        """Note that a job is over."""
        for end in self._ends[key]:
            self._left[end] -= 1

    def get_dependants(self, key: str) -> Iterable[str]:
        """List the jobs that read a product of this one."""
        return self._dependants.get(key, ())

    def _find_ends(self, graph: Sequence[PlannedJob]) -> Mapping[str, frozenset[str]]:
        ends: dict[str, frozenset[str]] = {}
        for planned in reversed(graph):
            below = self._dependants.get(planned.key, ())
            of_below = frozenset[str]().union(*(ends[key] for key in below))
            ends[planned.key] = of_below or frozenset({planned.key})
        return ends


@dataclass(slots=True, eq=False)
class Seat:
    """What one of several runs holds of their cluster, and wants."""

    wake: Callable[[], object]
    """Called, in the thread of another run, when slots become free for this one."""
    held: int = 0
    """Slots that its jobs have."""
    wanted: int = 0
    """Slots that further jobs could use."""
    turn: int = 0
    """When it was last given a slot."""


class Turns:
    """Deals the slots of a cluster to the runs that share it.

    A free slot goes to the run that holds the fewest; of several, to the one whose
    last turn is longest ago. It stays free until that run takes it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seats: list[Seat] = []
        self._clock = count(1)
        self._slots = 1

    def join(self, wake: Callable[[], object]) -> Seat:
        """Take part."""
        seat = Seat(wake)
        with self._lock:
            self._seats.append(seat)
        return seat

    def leave(self, seat: Seat) -> None:
        """Leave to others what the seat holds."""
        with self._lock:
            self._seats.remove(seat)
            self._wake(self._deal())

    def take(self, seat: Seat, *, slots: int, held: int, wanted: int) -> int:
        """Return the number of slots that a run may use now, besides those it holds.

        Parameters
        ----------
        slots
            All slots of the cluster.
        held, wanted
            Slots that its jobs have, and that further jobs could use.
        """
        with self._lock:
            self._slots = slots
            seat.held, seat.wanted = held, wanted
            dealt = self._deal()
            if mine := dealt.count(seat):
                seat.held, seat.wanted = held + mine, wanted - mine
                seat.turn = next(self._clock)
            self._wake(set(dealt) - {seat})
        return mine

    def _deal(self) -> list[Seat]:
        """Return the seat that each free slot goes to."""
        free = self._slots - sum(seat.held for seat in self._seats)
        line = sorted(
            (seat.held + more, seat.turn, number)
            for number, seat in enumerate(self._seats)
            for more in range(min(seat.wanted, free))
        )
        return [self._seats[number] for *_, number in line[:free]] if line else []

    @staticmethod
    def _wake(seats: Iterable[Seat]) -> None:
        for seat in set(seats):
            seat.wake()
