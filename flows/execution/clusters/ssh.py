"""Workers on hosts that are reached by `ssh`, one on each."""

import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from distributed.security import Security

from config.clusters import SshProfile

from ...companions import stop_companion
from ...errors import PlanError
from ..cluster import Cluster
from ..credentials import list_credentials
from ..node import MEMORY_SHARE, NODE, Node
from ..nodes import Growth
from .batch import find_host
from .own import open_own

__all__ = ["open_ssh"]

_POLL_S: Final = 2.0
"""How often it is looked after the workers."""


@contextmanager
def open_ssh(
    profile: SshProfile, *, scratch: Path, security: Security
) -> Iterator[Cluster]:
    """Open a cluster whose workers are on the hosts of a profile.

    Raises
    ------
    PlanError
        The address for the scheduler is not found.
    """
    growth = Growth(
        minimum=0,
        maximum=len(profile.hosts),
        slots=profile.slots,
        memory_bytes=int(MEMORY_SHARE * profile.memory_bytes),
        idle_s=profile.idle.total_seconds(),
    )

    def make_launcher(scheduler: str) -> _Hosts:
        node = Node(
            scheduler=scheduler,
            credentials=list_credentials(security),
            host=None,
            slots=growth.slots,
            memory_bytes=growth.memory_bytes,
            local_directory=str(scratch),
            ends_with_parent=True,
        )
        return _Hosts(profile, node.to_message())

    with open_own(
        make_launcher,
        growth,
        security=security,
        host=find_host(profile.interface),
        prefix="ssh",
        poll_s=_POLL_S,
    ) as cluster:
        yield cluster


class _Hosts:
    """Starts a worker on each host; it ends with its connection."""

    def __init__(self, profile: SshProfile, message: str) -> None:
        self._profile = profile
        self._message = message
        self._free = [*profile.hosts]
        self._processes: dict[str, tuple[str, subprocess.Popen[str]]] = {}

    def start(self, name: str) -> None:
        """Start a worker on a host that has none.

        Raises
        ------
        PlanError
            There is no `ssh`.
        """
        host = self._free.pop(0)
        python = shlex.quote(self._profile.python or sys.executable)
        command = f"exec {python} -P -m {NODE} {name}"
        try:
            process = subprocess.Popen(
                ["ssh", "-T", "-oBatchMode=yes", *self._profile.options, host, command],
                stdin=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for the command alone
                text=True,
            )
        except OSError as error:
            raise PlanError(f"`ssh` cannot be started: {error}") from error
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # it is over already
            process.stdin.write(f"{self._message}\n")
            process.stdin.flush()
        self._processes[name] = host, process

    def list_alive(self) -> frozenset[str]:
        """List the workers whose connection stands."""
        self.stop(n for n, (_, p) in [*self._processes.items()] if p.poll() is not None)
        return frozenset(self._processes)

    def stop(self, names: Iterable[str]) -> None:
        """Close connections; the hosts are tried again, after all others."""
        for name in names:
            if name in self._processes:
                host, process = self._processes.pop(name)
                stop_companion(process)
                self._free.append(host)
