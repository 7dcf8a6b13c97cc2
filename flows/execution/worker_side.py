"""What runs in Dask workers themselves, beside the jobs in their children."""

import asyncio
import threading
from typing import Any

from distributed import Worker, WorkerPlugin, get_worker
from distributed.core import Status

from workers.child import set_leaving
from workers.contract import Job
from workers.run import answer_job

__all__ = ["Leaving", "answer_on_worker", "leave"]

_PATIENCE_S = 5.0
"""How long a worker that leaves waits for its jobs to end."""

_PAUSE_S = 0.1

_at_work: set[int] = set()
"""Threads that run jobs."""


def answer_on_worker(job: Job, **given: Any) -> str:
    """Run a job as `workers.run.answer_job` does, with the name of this worker."""
    thread = threading.get_ident()
    _at_work.add(thread)
    try:
        return answer_job(job, node=str(get_worker().name), **given)
    finally:
        _at_work.discard(thread)


async def leave(worker: Worker) -> None:
    """Let a worker leave: it takes no further job, and those that it has are PREEMPTED.

    They end at once, and the scheduler is told before the worker closes.
    """
    worker.status = Status.closing_gracefully
    await _end_jobs()
    await worker.close(executor_wait=False)  # other calls are cut off, and made again


async def _end_jobs() -> None:
    set_leaving(is_leaving=True)
    for _ in range(round(_PATIENCE_S / _PAUSE_S)):
        await asyncio.sleep(_PAUSE_S)  # also for what is sent in batches
        if not _at_work:
            break


class Leaving(WorkerPlugin):  # type: ignore[misc]  # distributed has no types
    """Ends the jobs of a worker that closes without `leave`.

    Dask closes workers whose lifetime is over, which are retired, or whose nanny gets a
    SIGTERM. It tells nobody of their jobs any more; what they leave on disk does.
    """

    name = "rewebb-leaving"
    idempotent = True
    """Runs that share a scheduler add it once: to replace it would be its end."""

    async def teardown(self, worker: Worker) -> None:
        """End the jobs, unless the plugin alone goes."""
        if worker.status in {Status.closing, Status.closing_gracefully}:
            await _end_jobs()
