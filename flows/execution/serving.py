"""A scheduler and workers that people start by commands, with our policy and TLS."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

import dask
from dask.system import cpu_count
from distributed import Scheduler
from distributed.system import memory_limit

from ..errors import PlanError
from .credentials import list_credentials, load_credentials, make_credentials
from .node import MEMORY_SHARE, Node, work
from .policy import POLICY

__all__ = ["serve_scheduler", "serve_worker"]

_PAGES: Final = "127.0.0.1:0"


def serve_scheduler(
    *, host: str, port: int, credentials: Path, on_start: Callable[[str], object]
) -> None:
    """Serve as a scheduler, until a signal ends this process.

    Parameters
    ----------
    host, port
        Where it listens; port 0 for any that is free.
    credentials
        Folder of the credentials, made if it is not there.
    on_start
        Told the address, once the scheduler listens.

    Raises
    ------
    PlanError
        It cannot listen there, or the folder cannot be used.
    """
    security = make_credentials(credentials)

    async def serve() -> None:
        scheduler = Scheduler(
            host=host,
            port=port,
            protocol="tls://",
            security=security,
            dashboard=False,
            dashboard_address=_PAGES,
        )
        async with scheduler:
            on_start(str(scheduler.address))
            await scheduler.finished()

    _quieten()
    try:
        with dask.config.set(POLICY):
            asyncio.run(serve())
    except (OSError, ValueError) as error:
        raise PlanError(
            f"The scheduler cannot listen at {host}:{port}: {error}"
        ) from error


def serve_worker(
    address: str,
    *,
    host: str | None,
    credentials: Path,
    slots: int | None,
    memory_bytes: int | None,
    scratch: Path,
) -> None:
    """Serve as the worker of this node, until its scheduler is gone.

    Parameters
    ----------
    address
        Of the scheduler.
    host
        Where it listens; None for the address that faces the scheduler.
    slots, memory_bytes
        What jobs may take together; None for what the machine gives us.
    scratch
        Folder for Dask's own files.

    Raises
    ------
    PlanError
        The scheduler does not answer, or the folder of credentials cannot be used.
    """
    node = Node(
        scheduler=address,
        credentials=list_credentials(load_credentials(credentials)),
        host=host,
        slots=slots or cpu_count(),
        memory_bytes=memory_bytes or int(MEMORY_SHARE * memory_limit()),
        local_directory=str(scratch),
        ends_with_parent=False,
    )
    _quieten()
    try:
        work(node)
    except (OSError, ValueError) as error:
        raise PlanError(f"The worker cannot join {address}: {error}") from error


def _quieten() -> None:
    """Let Dask tell only what goes wrong."""
    logging.getLogger("distributed").setLevel(logging.WARNING)
