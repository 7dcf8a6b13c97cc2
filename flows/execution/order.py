"""Which of the jobs that could run should run first, and of which run."""

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from ..planning import PlannedJob
from ..stages import STAGES

__all__ = ["Order", "Seat", "Turns"]

_LATENESS = {stage: -place for place, stage in enumerate(STAGES)}


class Order:
    """Keeps the jobs that may run, and hands out the one that is nearest to an end.

    An end is a job that nobody else needs; the fewer jobs are left of the nearest one
    that a job leads to, the sooner it goes, then by stage, the later first, then by
    key. What is left of ends becomes less while jobs wait, so each end has a queue of
    its own, and stands in line again with every change; where it stood before is
    passed over. The graph has producers first.
    """

    def __init__(self, graph: Sequence[PlannedJob]) -> None:
        self._stages = {planned.key: planned.stage for planned in graph}
        self._dependants: dict[str, list[str]] = defaultdict(list)
        for planned in graph:
            for producer in planned.producers:
                self._dependants[producer].append(planned.key)
        self._ends = self._find_ends(graph)
        self._left = Counter(end for ends in self._ends.values() for end in ends)
        self._ready: set[str] = set()
        self._queues: dict[str, list[tuple[int, str]]] = defaultdict(list)
        self._line: list[tuple[int, int, str, str]] = []

    def __len__(self) -> int:
        """Count the jobs that may run."""
        return len(self._ready)

    def add(self, key: str) -> None:
        """Take a job that may run."""
        self._ready.add(key)
        for end in self._ends[key]:
            heappush(self._queues[end], (_LATENESS[self._stages[key]], key))
            self._line_up(end)

    def pop(self) -> str:
        """Hand out the job that goes first.

        Raises
        ------
        IndexError
            No job may run.
        """
        while True:
            left, lateness, key, end = heappop(self._line)
            if (left, lateness, key) == self._find_place(end):
                break
        self._ready.remove(key)
        for end in self._ends[key]:
            self._line_up(end)
        return key

    def close(self, key: str) -> None:
        """Note that a job is over."""
        for end in self._ends[key]:
            self._left[end] -= 1
            self._line_up(end)

    def get_dependants(self, key: str) -> Iterable[str]:
        """List the jobs that read a product of this one."""
        return self._dependants.get(key, ())

    def _line_up(self, end: str) -> None:
        if place := self._find_place(end):
            heappush(self._line, (*place, end))

    def _find_place(self, end: str) -> tuple[int, int, str] | None:
        """Find where an end stands, by the first job in its queue."""
        queue = self._queues[end]
        while queue and queue[0][1] not in self._ready:
            heappop(queue)
        return (self._left[end], *queue[0]) if queue else None

    def _find_ends(self, graph: Sequence[PlannedJob]) -> Mapping[str, frozenset[str]]:
        ends: dict[str, frozenset[str]] = {}
        for planned in reversed(graph):
            below = {ends[key] for key in self._dependants.get(planned.key, ())}
            ends[planned.key] = (
                # Most jobs lead to one end, and share its set.
                below.pop() if len(below) == 1 else frozenset[str]().union(*below)
            ) or frozenset({planned.key})
        return ends


@dataclass(slots=True, eq=False)
class Seat:
    """What one of several runs holds of their cluster, and wants."""

    name: str
    """Its name, another for each run."""
    wake: Callable[[], object] = lambda: None
    """Called, in the thread of another run, when slots become free for this one."""
    held: int = 0
    """Slots that its jobs have."""
    wanted: int = 0
    """Slots that further jobs could use."""
    turn: float = 0.0
    """When it was last given a slot, in seconds since 1970."""


class Turns:
    """Deals the slots of a cluster to the runs that share it.

    A free slot goes to the run that holds the fewest; of several, to the one whose
    last turn is longest ago. It stays free until that run takes it. Every process deals
    for its own runs, and all come to the same, since they know of all.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seats: list[Seat] = []
        self._others: list[Seat] = []
        self._slots = 1

    def join(self, wake: Callable[[], object], *, name: str) -> Seat:
        """Take part."""
        seat = Seat(name, wake)
        with self._lock:
            self._seats.append(seat)
        return seat

    def leave(self, seat: Seat) -> None:
        """Leave to others what the seat holds."""
        with self._lock:
            self._seats.remove(seat)
            self._wake(self._deal())

    def take(
        self,
        seat: Seat,
        *,
        slots: int,
        held: int,
        wanted: int,
        others: Iterable[Seat] = (),
    ) -> int:
        """Return the number of slots that a run may use now, besides those it holds.

        Parameters
        ----------
        slots
            All slots of the cluster.
        held, wanted
            Slots that its jobs have, and that further jobs could use.
        others
            Runs of all processes that share the cluster, as they were last told.
        """
        with self._lock:
            self._slots = slots
            ours = {one.name for one in self._seats}
            self._others = [one for one in others if one.name not in ours]
            seat.held, seat.wanted = held, wanted
            dealt = self._deal()
            if mine := dealt.count(seat):
                seat.held, seat.wanted = held + mine, wanted - mine
                seat.turn = time.time()
            self._wake(set(dealt) - {seat})
        return mine

    def _deal(self) -> list[Seat]:
        """Return the seat that each free slot goes to."""
        seats = {seat.name: seat for seat in (*self._seats, *self._others)}
        free = self._slots - sum(seat.held for seat in seats.values())
        line = sorted(
            (seat.held + more, seat.turn, name)
            for name, seat in seats.items()
            for more in range(min(seat.wanted, free))
        )
        return [seats[name] for *_, name in line[:free]] if line else []

    @staticmethod
    def _wake(seats: Iterable[Seat]) -> None:
        for seat in set(seats):
            seat.wake()
