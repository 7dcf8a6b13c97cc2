"""The Dask worker of this machine, as a process: `python -m flows.execution.node`.

Where the scheduler is, and the credentials for it, are the first line of its standard
input: neither its command line nor its environment tells them.
"""

import asyncio
import json
import signal
import sys
from typing import Any

import dask
from distributed import Worker
from distributed.security import Security

from ..companions import end_with_parent
from .worker_side import leave

__all__: list[str] = []


async def _work(told: dict[str, Any]) -> None:
    worker = Worker(
        told["scheduler"],
        host="127.0.0.1",
        protocol="tls://",
        security=Security(require_encryption=True, **told["credentials"]),
        nthreads=told["slots"],
        resources=told["resources"],
        memory_limit=0,
        local_directory=told["local_directory"],
        dashboard_address="127.0.0.1:0",
    )
    loop = asyncio.get_running_loop()
    leaving: set[asyncio.Task[None]] = set()  # a task is kept by who waits for it
    loop.add_signal_handler(
        signal.SIGTERM, lambda: leaving.add(loop.create_task(leave(worker)))
    )
    async with worker:
        await worker.finished()


if __name__ == "__main__":
    told = json.loads(sys.stdin.readline())
    end_with_parent()
    dask.config.set(told["config"])
    asyncio.run(_work(told))
