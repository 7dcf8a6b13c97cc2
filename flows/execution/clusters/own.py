"""A scheduler of our own, here or elsewhere, and workers that are started for it."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from typing import Final, TypeVar

from distributed import Client, LocalCluster, Scheduler
from distributed.comm import CommClosedError
from distributed.diagnostics.plugin import SchedulerPlugin
from distributed.security import Security

from ...errors import PlanError
from ..cluster import GROWTH, SEATS, Cluster, connect, reaching
from ..node import MEMORY
from ..nodes import Demand, Growth, Launcher, Look, Nodes
from ..order import Turns

__all__ = ["open_own", "tend"]

_Answer = TypeVar("_Answer")

_LOOPBACK: Final = "127.0.0.1"

_OPEN: Final = frozenset({"waiting", "queued", "no-worker", "processing"})
"""States of the tasks of Dask that are not over."""

_ASK_S: Final = 30.0
"""After which the scheduler of this process does not answer."""


@contextmanager
def open_own(
    make_launcher: Callable[[str], Launcher],
    growth: Growth,
    *,
    security: Security,
    host: str = _LOOPBACK,
    prefix: str,
    poll_s: float,
) -> Iterator[Cluster]:
    """Open a cluster of our own: a scheduler here, with TLS, and workers.

    Parameters
    ----------
    make_launcher
        Gives what starts workers, for the address of the scheduler.
    security
        Credentials of the cluster.
    host
        Address that the scheduler listens on.
    prefix
        How names of workers begin.
    poll_s
        How often it is looked after the workers.

    Raises
    ------
    PlanError
        Workers cannot be started.
    """
    pages = {"dashboard": False, "dashboard_address": f"{_LOOPBACK}:0"}
    with LocalCluster(
        n_workers=0, host=host, security=security, scheduler_kwargs=pages
    ) as local:
        launcher = make_launcher(local.scheduler_address)
        pool = _OwnScheduler(local, growth)
        with (
            Nodes(launcher, growth, pool, prefix=prefix, poll_s=poll_s) as nodes,
            closing(connect(local.scheduler_address, security)) as client,
        ):
            yield Cluster(client, Turns(), nodes=nodes)


@contextmanager
def tend(
    client: Client, launcher: Launcher, growth: Growth, *, prefix: str, poll_s: float
) -> Iterator[Cluster]:
    """Open a cluster whose scheduler is elsewhere, but for us alone.

    Parameters
    ----------
    prefix
        How names of workers begin.
    poll_s
        How often it is looked after the workers.

    Raises
    ------
    PlanError
        Workers cannot be started.
    """
    pool = _OwnClient(client, growth)
    with Nodes(launcher, growth, pool, prefix=prefix, poll_s=poll_s) as nodes:
        yield Cluster(client, Turns(), nodes=nodes)


class _Members(SchedulerPlugin):  # type: ignore[misc]  # Dask has no types
    """Keeps the names of all workers that have been there, and the seats of clients."""

    name = "rewebb-members"

    def __init__(self) -> None:
        self.workers: set[str] = set()

    def add_worker(self, scheduler: Scheduler, worker: str) -> None:
        """Note that a worker has come."""
        self.workers.add(str(scheduler.workers[worker].name))

    def remove_client(self, scheduler: Scheduler, client: str) -> None:
        """Leave to others what a client held."""
        scheduler.task_metadata.get(SEATS, {}).pop(client, None)


class _OwnScheduler:
    """Asks the scheduler of this process, from other threads than its own."""

    def __init__(self, local: LocalCluster, growth: Growth) -> None:
        self._scheduler = local.scheduler
        self._loop = local.loop.asyncio_loop
        self._scheduler.add_plugin(_Members())
        self._scheduler.task_metadata[GROWTH] = asdict(growth)

    def look(self) -> Look:
        """Look at what there is to do, and who does it."""

        async def look() -> Look:
            return _look_at(self._scheduler)

        return self._ask(look())

    def retire(self, names: Iterable[str]) -> None:
        """Let workers have no more jobs."""
        gone = frozenset(names)

        async def retire() -> None:
            workers = self._scheduler.workers.values()
            addresses = [one.address for one in workers if one.name in gone]
            await self._scheduler.retire_workers(addresses, stimulus_id="idle")

        if gone:
            self._ask(retire())

    def _ask(self, work: Coroutine[None, None, _Answer]) -> _Answer:
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop).result(_ASK_S)
        except (TimeoutError, RuntimeError, CommClosedError) as error:
            raise PlanError(f"The Dask scheduler is gone ({error}).") from error


class _OwnClient:
    """Asks a scheduler elsewhere, which has the same code as we."""

    def __init__(self, client: Client, growth: Growth) -> None:
        self._client = client
        client.register_plugin(_Members())
        client.set_metadata([GROWTH], asdict(growth))

    def look(self) -> Look:
        """Look at what there is to do, and who does it."""
        with reaching(self._client):
            look: Look = self._client.run_on_scheduler(_look_for)
        return look

    def retire(self, names: Iterable[str]) -> None:
        """Let workers have no more jobs."""
        if gone := sorted(names):
            with reaching(self._client):
                self._client.retire_workers(names=gone)


def _look_for(dask_scheduler: Scheduler) -> Look:
    """Look at a scheduler from inside; Dask knows its argument by its name."""
    return _look_at(dask_scheduler)


def _look_at(scheduler: Scheduler) -> Look:
    """Look at what there is to do at a scheduler, and who does it."""
    tasks = [one for one in scheduler.tasks.values() if one.state in _OPEN]
    seats = scheduler.task_metadata.get(SEATS, {})
    demand = Demand(
        # What was submitted, and what clients have told that they want.
        jobs=len(tasks) + sum(wanted for _, wanted, _ in seats.values()),
        memory_bytes=sum(
            int((task.resource_restrictions or {}).get(MEMORY, 0)) for task in tasks
        ),
    )
    return Look(
        demand=demand,
        # What it has done is in its memory until the client has it.
        busy={
            str(one.name): len(one.processing) + len(one.has_what)
            for one in scheduler.workers.values()
        },
        seen=frozenset(scheduler.plugins[_Members.name].workers),
    )
