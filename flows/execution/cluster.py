"""Where jobs run: a cluster on this machine, or one that is there already.

One Dask worker a node offers its slots as threads and its memory as the resource
``memory`` in bytes. Nothing but paths and small records goes through Dask.
"""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import dask
from distributed import Client, Future, KilledWorker, LocalCluster, wait
from distributed.scheduler import NoValidWorkerError

from flows.errors import PlanError

__all__ = ["MEMORY", "Cluster", "WorkerLostError", "open_cluster"]

_Item = TypeVar("_Item")
_Answer = TypeVar("_Answer")

MEMORY = "memory"
"""Name of the Dask resource, in bytes."""

_CONFIG = {
    "distributed.scheduler.allowed-failures": 0,
    "distributed.scheduler.worker-ttl": None,
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.worker.daemon": False,
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.admin.tick.limit": "1h",
}
"""Workers may have children; memory is watched by `workers.run`; a lost worker is
counted by us, not by Dask; a blocked event loop is no news on a busy node."""

_ENVIRONMENT = {"DASK_LOGGING__DISTRIBUTED": "critical"}
"""Of our workers: that one loses its scheduler at the end of a run is no news, and the
loss of a worker is told by us. Jobs have an environment of their own."""

_PATIENCE_S = 5.0
"""After which the orchestrator looks up from waiting, to keep its lease."""


class WorkerLostError(Exception):
    """The worker went away with the job."""


class Cluster:
    """Slots and memory to run functions of `workers.run` on."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def get_slots(self) -> int:
        """Count the jobs that can run at a time."""
        return sum(worker["nthreads"] for worker in self._get_workers())

    def get_largest_bytes(self) -> int:
        """Give the memory of the largest node.

        Raises
        ------
        PlanError
            The cluster has no worker that offers memory.
        """
        offers = [worker["resources"].get(MEMORY, 0) for worker in self._get_workers()]
        if not any(offers):
            raise PlanError(
                "The cluster has no worker that offers memory: start workers with "
                '`--resources "memory=BYTES"`.'
            )
        return int(max(offers))

    def submit(
        self, work: Callable[..., Any], *args: Any, memory_bytes: int, **kwargs: Any
    ) -> "Future[Any]":
        """Submit one call; nothing is retried and nothing is cached."""
        return self._client.submit(
            work,
            *args,
            **kwargs,
            resources={MEMORY: memory_bytes},
            pure=False,
            retries=0,
        )

    def map(
        self,
        work: Callable[[_Item], _Answer],
        items: Sequence[_Item],
        *,
        memory_bytes: int,
    ) -> list[_Answer]:
        """Call a function once an item, and gather the answers in order.

        Raises
        ------
        WorkerLostError
            A worker went away.
        """
        futures = [self.submit(work, i, memory_bytes=memory_bytes) for i in items]
        return [get_result(future) for future in futures]

    def wait_any(self, futures: list["Future[Any]"]) -> list["Future[Any]"]:
        """Wait a while for futures to be over, and give those that are."""
        with suppress(TimeoutError):
            wait(futures, timeout=_PATIENCE_S, return_when="FIRST_COMPLETED")
        return [future for future in futures if future.done()]

    def _get_workers(self) -> list[Any]:
        return list(self._client.scheduler_info(n_workers=-1)["workers"].values())


def get_result(future: "Future[Any]") -> Any:
    """Give the result of a future that is over, and let go of it.

    Raises
    ------
    WorkerLostError
        Its worker went away.
    PlanError
        The scheduler went away.
    """
    try:
        return future.result()
    except KilledWorker as error:
        raise WorkerLostError(f"the Dask worker {error.last_worker} died") from error
    except (CancelledError, NoValidWorkerError) as error:
        raise PlanError(
            f"The Dask scheduler is gone ({error}); run again to go on."
        ) from error
    finally:
        future.release()


@contextmanager
def open_cluster(
    *, scheduler: str | None, slots: int, memory_bytes: int, scratch: Path
) -> Iterator[Cluster]:
    """Open the cluster of a run.

    Parameters
    ----------
    scheduler
        Address of a scheduler, or None to start a cluster on this machine.
    slots, memory_bytes
        What the cluster on this machine offers.
    scratch
        Folder for Dask's own files.

    Raises
    ------
    PlanError
        The scheduler does not answer.
    """
    os.environ.update(_ENVIRONMENT)
    logging.getLogger("distributed").setLevel(logging.WARNING)
    with dask.config.set(_CONFIG):
        if scheduler is not None:
            try:
                client = Client(scheduler, timeout="10s")
            except (OSError, ValueError) as error:
                raise PlanError(
                    f"No Dask scheduler answers at {scheduler}: {error}"
                ) from error
            with client:
                yield Cluster(client)
            return
        with (
            LocalCluster(
                n_workers=1,
                threads_per_worker=slots,
                resources={MEMORY: memory_bytes},
                memory_limit=0,
                dashboard_address="127.0.0.1:0",
                local_directory=str(scratch),
            ) as local,
            Client(local) as client,
        ):
            yield Cluster(client)
