"""Workers that Rewebb starts: as many as there is work for, and again when one is lost.

A `Launcher` starts and stops workers, on this machine or through a batch system.
`Nodes` decides how many there should be: it follows the jobs that are ready, since
Dask itself knows only of those that were submitted.
"""

import math
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol, Self

from ..errors import PlanError
from ..logs import get_logger

__all__ = ["Demand", "Growth", "Launcher", "Look", "Nodes", "Pool", "count_nodes"]

_FAILURES: Final = 3
"""Workers in a row that end before they are there, after which no other is started."""

_USELESS_S: Final = 30.0
"""After which a node that does nothing, although there is work, is replaced."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What there is to do now."""

    jobs: int = 0
    """Jobs that are ready, or were submitted and are not over."""
    memory_bytes: int = 0
    """Memory of those that were submitted."""


@dataclass(frozen=True, slots=True)
class Growth:
    """What a cluster can become."""

    minimum: int
    """Nodes that are kept although there is nothing to do."""
    maximum: int
    """Nodes at most."""
    slots: int
    """Jobs at a time of each."""
    memory_bytes: int
    """Memory of each."""
    idle_s: float = 0.0
    """How long a node is kept that has nothing to do."""
    job_s: float = math.inf
    """How long a job may take at most on a node that has just come."""


@dataclass(frozen=True, slots=True)
class Look:
    """What the scheduler knows now."""

    demand: Demand
    """What there is to do."""
    busy: Mapping[str, int]
    """Jobs and unread answers, counted, of the workers that are there by name."""
    seen: frozenset[str]
    """The workers that have ever been there."""


class Pool(Protocol):
    """The scheduler, as seen by whoever keeps its workers."""

    def look(self) -> Look:
        """Look at it.

        Raises
        ------
        PlanError
            It is gone.
        """

    def retire(self, names: Iterable[str]) -> None:
        """Let workers have no more jobs."""


class Launcher(Protocol):
    """Starts and stops workers, each by its name."""

    def start(self, name: str) -> None:
        """Ask for a worker, which may come at once, later or never.

        Raises
        ------
        PlanError
            It can never come.
        """

    def list_alive(self) -> frozenset[str]:
        """List the workers that were asked for, and are not over."""

    def stop(self, names: Iterable[str]) -> None:
        """End workers at once, also those that have not come yet."""


def count_nodes(demand: Demand, growth: Growth) -> int:
    """Return how many nodes there should be for what there is to do."""
    by_slots = math.ceil(demand.jobs / growth.slots)
    by_memory = math.ceil(demand.memory_bytes / growth.memory_bytes)
    wanted = max(by_slots, min(by_memory, demand.jobs))
    return min(max(wanted, growth.minimum), growth.maximum)


class Nodes:
    """Keeps as many workers as there is work for.

    Parameters
    ----------
    prefix
        How names of workers begin.
    poll_s
        How often it looks.
    """

    def __init__(
        self,
        launcher: Launcher,
        growth: Growth,
        pool: Pool,
        *,
        prefix: str,
        poll_s: float,
    ) -> None:
        self.growth = growth
        self._launcher = launcher
        self._prefix = prefix
        self._pool = pool
        self._poll_s = poll_s
        self._number = 0
        self._failure = ""
        self._coming: set[str] = set()
        self._there: set[str] = set()
        self._idle_since: dict[str, float] = {}
        self._lost = 0
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._keeper = threading.Thread(target=self._keep, name="nodes", daemon=True)

    def __enter__(self) -> Self:
        """Begin; an error is that no worker can be started."""
        self._look()
        self.check()
        self._keeper.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._keeper.join()

    def stop(self) -> None:
        """End all workers, and start no other."""
        self._over.set()
        with self._lock:
            self._launcher.stop(self._coming | self._there)
            self._coming, self._there = set(), set()

    def check(self) -> None:
        """Refuse to wait for workers that do not come.

        Raises
        ------
        PlanError
            They cannot be started, or end before they are there.
        """
        if self._failure:
            raise PlanError(self._failure)

    def _keep(self) -> None:
        while not self._over.wait(self._poll_s):
            with suppress(PlanError):  # the scheduler is gone, which others say
                self._look()

    def _look(self) -> None:
        alive = self._launcher.list_alive()
        look = self._pool.look()  # after it: who is over may have been there
        with self._lock:
            if self._over.is_set():
                return
            self._count(alive, look.seen)
            wanted = count_nodes(look.demand, self.growth)
            for _ in range(wanted - len(self._coming | self._there)):
                self._start()
            self._stop_idle(look, wanted)

    def _count(self, alive: frozenset[str], seen: frozenset[str]) -> None:
        """Note which workers have come, and which are over."""
        if came := self._coming & seen:
            self._lost = 0
        self._there |= came
        self._coming -= came
        for name in (self._coming | self._there) - alive:
            get_logger().info("node.over", node=name)
            self._lost += name in self._coming
            self._coming.discard(name)
            self._there.discard(name)
            self._idle_since.pop(name, None)
        if self._lost >= _FAILURES and not self._failure:
            self._failure = (
                f"{self._lost} workers ended one after the other before they were "
                "there; what they said is above, or in the folder of their logs."
            )

    def _start(self) -> None:
        if self._failure:
            return
        self._number += 1
        name = f"{self._prefix}-{self._number}"
        try:
            self._launcher.start(name)
        except PlanError as error:
            self._failure = str(error)
            return
        get_logger().info("node.started", node=name)
        self._coming.add(name)

    def _stop_idle(self, look: Look, wanted: int) -> None:
        """Stop what is not needed: first those that have not come, then idle ones."""
        now_s = time.monotonic()
        idle = {name for name in self._there if not look.busy.get(name, 0)}
        for name in self._idle_since.keys() - idle - self._coming:
            del self._idle_since[name]
        for name in idle | self._coming:
            self._idle_since.setdefault(name, now_s)
        surplus = max(len(self._coming | self._there) - wanted, 0)
        rested = [
            name
            for name in (*sorted(self._coming), *sorted(idle))
            if now_s - self._idle_since[name] >= self.growth.idle_s
        ]
        names = {*rested[:surplus], *self._list_useless(idle, look.demand, now_s)}
        self._pool.retire(names & idle)
        self._launcher.stop(names)
        for name in names:
            get_logger().info("node.stopped", node=name)
            self._coming.discard(name)
            self._there.discard(name)
            del self._idle_since[name]

    def _list_useless(self, idle: set[str], demand: Demand, now_s: float) -> list[str]:
        """List the nodes that do nothing although there is work: it takes too long."""
        if not demand.jobs or math.isinf(self.growth.job_s):
            return []
        return [n for n in idle if now_s - self._idle_since[n] >= _USELESS_S]
