"""The worker of a node: a process that offers its slots and its memory.

`python -m flows.execution.node NAME` reads what it is told from one line of its
standard input: neither its command line nor its environment has the credentials.
"""

import asyncio
import json
import math
import random
import signal
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final

import dask
from distributed import Worker
from distributed.comm import get_address_host_port
from distributed.security import Security
from distributed.utils import get_ip

from ..policy import POLICY
from ..worker_side import leave

__all__ = ["LEFT", "MEMORY", "MEMORY_SHARE", "NODE", "Node", "find_least_s", "work"]

MEMORY: Final = "memory"
"""Name of the Dask resource, in bytes."""

MEMORY_SHARE: Final = 0.9
"""Share of the memory of a machine that jobs may take together; the rest is for what
starts and watches them."""

NODE: Final = "flows.execution.node"
"""This module."""

LEFT: Final = "rewebb_left_s"
"""What a worker tells the scheduler, in seconds: how long a job may take that starts
now. Nothing where it stays for ever."""

_MARGIN: Final = 0.1
"""Share of its walltime, at most `_MOST_S`, that a worker leaves before the end, and by
which workers that came together leave apart."""

_MOST_S: Final = 60.0

_SCHEDULER_S: Final = "60s"
"""How long a worker looks for its scheduler."""


@dataclass(frozen=True, slots=True)
class Node:
    """What a worker is told."""

    scheduler: str
    """Address of the scheduler."""
    credentials: Mapping[str, str]
    """Arguments of `Security`."""
    host: str | None
    """Address to listen on; None for the one that faces the scheduler."""
    slots: int
    """Jobs at a time."""
    memory_bytes: int
    """Memory for the jobs together."""
    local_directory: str
    """Folder for Dask's own files."""
    ends_with_parent: bool
    """Whether the worker ends when its standard input is closed."""
    walltime_s: float | None = None
    """How long this node stays; None for ever."""
    name: str | None = None
    """Name of the worker, which is on its command line; None for its address."""

    def to_message(self) -> str:
        """Turn it into the line that the process reads."""
        return json.dumps(asdict(self))


def work(node: Node) -> None:
    """Work until the scheduler is gone, the worker is sent away, or its time is up.

    On SIGTERM, and before its walltime ends, the worker leaves: its jobs are ended, and
    tried elsewhere.
    """
    with dask.config.set(POLICY):
        asyncio.run(_work(node))


async def _work(node: Node) -> None:
    loop = asyncio.get_running_loop()
    lifetime_s = _find_lifetime_s(node.walltime_s)
    end_s = loop.time() + lifetime_s
    worker = Worker(
        node.scheduler,
        name=node.name,
        host=node.host or _find_host(node.scheduler),
        protocol="tls://",
        security=Security(require_encryption=True, **node.credentials),
        nthreads=node.slots,
        resources={MEMORY: node.memory_bytes},
        memory_limit=0,
        local_directory=node.local_directory,
        dashboard_address="127.0.0.1:0",
        death_timeout=_SCHEDULER_S,
        metrics={LEFT: lambda _: end_s - loop.time()} if node.walltime_s else {},
    )
    leaving: set[asyncio.Task[None]] = set()  # a task is kept by who waits for it

    def leave_now() -> None:
        leaving.add(loop.create_task(leave(worker)))

    async with worker:
        loop.add_signal_handler(signal.SIGTERM, leave_now)
        if node.walltime_s:
            loop.call_at(end_s, leave_now)
        await worker.finished()


def find_least_s(walltime_s: float) -> float:
    """Find how long a worker stays at least on a node of a walltime.

    It begins some seconds after its node, and its last jobs need some to end.
    """
    return walltime_s - 2 * min(_MARGIN * walltime_s, _MOST_S)


def _find_lifetime_s(walltime_s: float | None) -> float:
    """Find how long a worker stays: not exactly as long as its neighbours."""
    if walltime_s is None:
        return math.inf
    least_s = find_least_s(walltime_s)
    return random.uniform(least_s, (least_s + walltime_s) / 2)  # noqa: S311  # no secret


def _find_host(scheduler: str) -> str:
    """Find the address of this machine that faces the scheduler."""
    host, port = get_address_host_port(scheduler)
    return str(get_ip(host, port))
