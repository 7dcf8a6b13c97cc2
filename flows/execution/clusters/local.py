"""A cluster on this machine, for the time of a command."""

import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from dask.system import cpu_count
from distributed.security import Security
from distributed.system import memory_limit

from config.clusters import LocalProfile

from ...companions import start_companion, stop_companion
from ..cluster import Cluster
from ..credentials import list_credentials
from ..node import MEMORY_SHARE, NODE, Node
from ..nodes import Growth
from .own import open_own

__all__ = ["open_local"]

_ENVIRONMENT: Final = {"DASK_LOGGING__DISTRIBUTED": "critical"}
"""Of our workers: each loses its scheduler at the end of a run, and we report the loss
of a worker ourselves. Jobs have an environment of their own."""

_RESTART_S: Final = 0.5
"""Between the end of a worker and the start of the next, at most."""


@contextmanager
def open_local(
    profile: LocalProfile, *, scratch: Path, security: Security
) -> Iterator[Cluster]:
    """Start a cluster on this machine; it offers what the machine gives us.

    Affinity, control groups and limits of the process count, unless the profile says
    otherwise.

    Raises
    ------
    PlanError
        Its worker does not start.
    """
    growth = Growth(
        minimum=1,
        maximum=1,
        slots=profile.slots or cpu_count(),
        memory_bytes=profile.memory_bytes or int(MEMORY_SHARE * memory_limit()),
    )
    with open_own(
        lambda scheduler: _Companions(scheduler, security, growth, scratch),
        growth,
        security=security,
        prefix="local",
        poll_s=_RESTART_S,
    ) as cluster:
        cluster.wait_for_worker()
        yield cluster


class _Companions:
    """Starts workers as processes beside this one."""

    def __init__(
        self, scheduler: str, security: Security, growth: Growth, scratch: Path
    ) -> None:
        self._message = Node(
            scheduler=scheduler,
            credentials=list_credentials(security),
            host="127.0.0.1",
            slots=growth.slots,
            memory_bytes=growth.memory_bytes,
            local_directory=str(scratch),
            ends_with_parent=True,
        ).to_message()
        self._processes: dict[str, subprocess.Popen[str]] = {}

    def start(self, name: str) -> None:
        """Start a process."""
        self._processes[name] = start_companion(
            NODE, name, variables=_ENVIRONMENT, message=self._message
        )

    def list_alive(self) -> frozenset[str]:
        """List the processes that are not over."""
        for name, process in [*self._processes.items()]:
            if process.poll() is not None:
                stop_companion(process)  # what it has started
                del self._processes[name]
        return frozenset(self._processes)

    def stop(self, names: Iterable[str]) -> None:
        """Kill processes, and what they have started."""
        for name in names:
            if name in self._processes:
                stop_companion(self._processes.pop(name))
