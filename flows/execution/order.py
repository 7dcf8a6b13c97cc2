"""Which of the jobs that could run should run first."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from ..planning import PlannedJob
from ..stages import STAGES

__all__ = ["Order"]

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
