"""The lease of a program: one run of it is under way at a time.

A run that died leaves its lease, rows that say RUNNING and rubbish in scratch; the next
run of the program clears all three.
"""

import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import psutil

from workers.errors import TreeError
from workers.job_layout import SCRATCH
from workers.trees import remove_tree

from ..errors import DatabaseError, RunCancelledError
from ..logs import get_logger
from ..names import check_program
from ..provenance import Database

__all__ = ["HeldLease", "Holder", "hold_lease", "is_alive"]

_LEASE = timedelta(minutes=3)
"""How long a lease outlives an orchestrator that has fallen silent."""

_RENEW_S = 30.0

_LOOK_S = 2.0
"""Between two looks at whether somebody has cancelled the run."""

_FAREWELL_S = 1.0
"""How long a renewal that is under way may take once nobody needs it."""


class Holder(Protocol):
    """What a lease is held with: the services of a run, for instance."""

    @property
    def database(self) -> Database:
        """The database that holds the leases."""
        ...

    @property
    def data_dir(self) -> Path:
        """The data folder, absolute."""
        ...


class HeldLease:
    """The lease of a program, held by this run; see `hold_lease`."""

    def __init__(
        self,
        database: Database,
        program: str,
        *,
        owner: str,
        ttl: timedelta,
        renew_s: float,
    ) -> None:
        self._database = database
        self._program = program
        self._owner = owner
        self._ttl = ttl
        self._renew_s = renew_s
        self._renewed_s = time.monotonic()
        self._cancelled_by: str | None = None

    def check(self) -> None:
        """Do nothing, unless the run is to stop.

        Raises
        ------
        RunCancelledError
            Somebody has cancelled it.
        """
        if self._cancelled_by is not None:
            raise RunCancelledError(
                f"The run of program {self._program} was cancelled by "
                f"{self._cancelled_by}; run again to go on."
            )

    def renew(self) -> None:
        """Renew the lease.

        Raises
        ------
        LeaseHeldError
            Another run of the program has begun.
        """
        lease = self._database.leases.renew_lease(
            self._program, owner=self._owner, ttl=self._ttl, now=datetime.now(UTC)
        )
        self._renewed_s = time.monotonic()
        self._cancelled_by = lease.cancelled_by

    def _look(self) -> None:
        lease = self._database.leases.get_lease(self._program)
        if lease is not None and lease.owner == self._owner:
            self._cancelled_by = lease.cancelled_by

    def renew_if_due(self) -> None:
        """Renew the lease if its last renewal is long ago."""
        if time.monotonic() - self._renewed_s > self._renew_s:
            self.renew()

    @contextmanager
    def renewing(self) -> Iterator[None]:
        """Renew the lease while the block goes on: to find and to fetch may take hours.

        Whether it was lost is asked for where it matters, before anything is executed.
        Whether somebody has cancelled the run is looked at often.
        """
        over = threading.Event()

        def renew() -> None:
            while not over.wait(min(self._renew_s, _LOOK_S)):
                with suppress(DatabaseError):  # busy, or lost
                    self._look()
                    self.renew_if_due()

        thread = threading.Thread(target=renew, name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(_FAREWELL_S)  # it may be waiting for a database that is away


@contextmanager
def hold_lease(
    services: Holder,
    program: str,
    *,
    ttl: timedelta = _LEASE,
    renew_s: float = _RENEW_S,
) -> Iterator[HeldLease]:
    """Hold the lease of a program, and clear what a dead run of it has left.

    Raises
    ------
    LeaseHeldError
        Another run of the program is under way.
    TreeError
        What a dead run has left is not in a folder of its own.
    """
    check_program(program)
    owner = str(uuid.uuid4())
    database = services.database
    database.leases.acquire_lease(
        program,
        owner=owner,
        host=socket.gethostname(),
        pid=os.getpid(),
        ttl=ttl,
        now=datetime.now(UTC),
        is_alive=is_alive,
    )
    with (
        _ending(lambda: database.leases.release_lease(program, owner=owner)),
        _ending(lambda: _clear_scratch(services, program, owner)),
    ):
        database.runs.interrupt_dead_runs(program, now=datetime.now(UTC))
        _clear_scratch(services, program, owner)
        lease = HeldLease(database, program, owner=owner, ttl=ttl, renew_s=renew_s)
        with lease.renewing():
            yield lease


@contextmanager
def _ending(work: Callable[[], object]) -> Iterator[None]:
    """Do something when the block is left, however that is.

    What goes wrong then is an error, unless it would hide the one that ended the
    block: that is what the user must see.
    """
    try:
        yield
    except BaseException:
        try:
            work()
        except (DatabaseError, TreeError) as error:
            get_logger().warning("ending.failed", message=str(error))
        raise
    work()


def _clear_scratch(services: Holder, program: str, owner: str) -> None:
    """Remove what lost workers have left, unless somebody else took the lease."""
    lease = services.database.leases.get_lease(program)
    if lease is not None and lease.owner == owner:
        scratch = services.data_dir / SCRATCH
        remove_tree(scratch / program, below=scratch)


def is_alive(host: str, pid: int) -> bool:
    """Return whether an orchestrator may be alive; other hosts cannot be asked."""
    if host != socket.gethostname():
        return True
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
