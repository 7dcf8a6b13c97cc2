"""Where jobs run: a cluster on this machine, or one that is there already.

One Dask worker a node offers its slots as threads and its memory as the resource
``memory`` in bytes. Nothing but paths and small records goes through Dask.
"""

import json
import logging
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

import dask
from dask.system import cpu_count
from distributed import Client, Future, KilledWorker, LocalCluster
from distributed.scheduler import NoValidWorkerError
from distributed.security import Security
from distributed.system import memory_limit

from workers.contract import CHILD_LOST, ErrorInfo

from ..companions import start_companion, stop_companion
from ..errors import PlanError
from .order import Turns
from .worker_side import Leaving

__all__ = [
    "MEMORY",
    "CallError",
    "Cluster",
    "WorkerLostError",
    "get_result",
    "open_cluster",
]

_Item = TypeVar("_Item")
_Answer = TypeVar("_Answer")

MEMORY = "memory"
"""Name of the Dask resource, in bytes."""

_MEMORY_SHARE = 0.9
"""Share of the memory of this machine that jobs may take together; the rest is for
what starts and watches them."""

_CONFIG: dict[str, object] = {
    "distributed.scheduler.allowed-failures": 0,
    "distributed.scheduler.worker-ttl": None,
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.worker.daemon": False,
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.admin.tick.limit": "1h",
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}
"""Workers may have children; memory is watched by `workers.run`; a lost worker is
counted by us, not by Dask; a blocked event loop is normal on a busy node; pages that
need no password show nothing."""

_ENVIRONMENT = {"DASK_LOGGING__DISTRIBUTED": "critical"}
"""Of our workers: each loses its scheduler at the end of a run, and we report the loss
of a worker ourselves. Jobs have an environment of their own."""

_NODE = "flows.execution.node"
"""The worker of this machine."""

_START_S = 120
"""After which a worker that does not start will not."""

_RESTART_S = 0.5
"""Between the end of a worker and the start of the next."""

_PATIENCE_S = 2.0
"""After which who waits for jobs looks up, to keep its lease and see if it is to stop.
"""

_TRIES = 3
"""How often a call of `Cluster.map` is made whose worker, or its child, is lost."""


class WorkerLostError(Exception):
    """The worker went away with the job.

    Parameters
    ----------
    node
        Its name.
    """

    def __init__(self, message: str, *, node: str = "") -> None:
        super().__init__(message)
        self.node = node


class CallError(Exception):
    """The call raised, outside of what it turns into data itself."""


class Cluster:
    """Slots and memory to run functions of `workers.run` on.

    Parameters
    ----------
    client
        Of this run alone: what it has submitted is dropped when it is closed.
    turns
        Deals the slots to the runs that share the cluster.
    stop
        Kills the worker of this machine, if the cluster is here.
    """

    def __init__(
        self,
        client: Client,
        turns: Turns,
        *,
        notes: tuple[str, ...] = (),
        stop: Callable[[], None] = lambda: None,
    ) -> None:
        self.notes = notes
        self.stop = stop
        self._client = client
        self._turns = turns
        self._news = threading.Event()
        self._jobs: set[Future[Any]] = set()
        self._over: deque[Future[Any]] = deque()
        self._check: Callable[[], None] = lambda: None
        self._seat = turns.join(self._news.set)

    def heed(self, check: Callable[[], None]) -> None:
        """Call this now and then while `map` waits; what it raises ends the wait."""
        self._check = check

    @contextmanager
    def share(self) -> Iterator["Cluster"]:
        """Open the same cluster for another run, which takes turns with the others."""
        address, security = self._client.scheduler.address, self._client.security
        with closing(_connect(address, security)) as client:
            cluster = Cluster(client, self._turns, notes=self.notes)
            try:
                yield cluster
            finally:
                self._turns.leave(cluster._seat)

    def get_slots(self) -> int:
        """Count the jobs that can run at a time."""
        return sum(worker["nthreads"] for worker in self._get_workers())

    def get_largest_bytes(self) -> int:
        """Return the memory of the largest node.

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

    def take_slots(self, *, held: int, wanted: int) -> int:
        """Return the number of further jobs that a run may submit now.

        Parameters
        ----------
        held, wanted
            Jobs that the run has submitted and that are not over, and further ones.
        """
        slots = max(self.get_slots(), 1)  # a job may wait for the first worker
        return self._turns.take(self._seat, slots=slots, held=held, wanted=wanted)

    def submit(
        self, work: Callable[..., Any], *args: Any, memory_bytes: int, **kwargs: Any
    ) -> "Future[Any]":
        """Submit a job, for which `wait_any` waits; nothing is retried or cached."""
        future = self._call(work, *args, memory_bytes=memory_bytes, **kwargs)
        self._jobs.add(future)
        future.add_done_callback(self._note_end)
        return future

    def map(
        self,
        work: Callable[[_Item], _Answer],
        items: Sequence[_Item],
        *,
        memory_bytes: int,
        listener: Callable[[int, _Answer], None] = lambda _, __: None,
    ) -> list[_Answer]:
        """Call a function for each item, and gather the answers in order.

        A call that is lost, with its worker or with the child that it was made in, is
        made again; of one that is lost each time the last answer counts.

        Parameters
        ----------
        listener
            Told the index and the answer of each item, when it is gathered.

        Raises
        ------
        WorkerLostError
            Workers went away with a call, each time.
        CallError
            A call raised.
        """
        answers: dict[int, _Answer] = {}
        for number in range(1, _TRIES + 1):
            futures = {
                index: self._call(work, item, memory_bytes=memory_bytes)
                for index, item in enumerate(items)
                if index not in answers
            }
            for index, future in futures.items():
                self._wait_for(future)
                try:
                    answer = get_result(future)
                except WorkerLostError:
                    if number == _TRIES:
                        raise
                    continue
                is_lost = isinstance(answer, ErrorInfo) and answer.type == CHILD_LOST
                if number == _TRIES or not is_lost:
                    answers[index] = answer
                    listener(index, answer)
        return [answers[index] for index in range(len(items))]

    def _wait_for(self, future: "Future[Any]") -> None:
        over = threading.Event()
        future.add_done_callback(lambda _: over.set())
        # A client that lost its scheduler may call nobody.
        while not over.wait(_PATIENCE_S) and not future.done():
            self._check()

    def wait_any(self) -> list["Future[Any]"]:
        """Wait a while for a job to be over, or for a turn; give those over."""
        has_news = self._news.wait(_PATIENCE_S)
        self._news.clear()
        over = [self._over.popleft() for _ in range(len(self._over))]
        if not has_news:
            # A client that lost its scheduler may call nobody.
            over += [future for future in self._jobs if future.done()]
        over = [future for future in dict.fromkeys(over) if future in self._jobs]
        self._jobs.difference_update(over)
        return over

    def _call(
        self, work: Callable[..., Any], *args: Any, memory_bytes: int, **kwargs: Any
    ) -> "Future[Any]":
        return self._client.submit(
            work,
            *args,
            **kwargs,
            resources={MEMORY: memory_bytes},
            pure=False,
            retries=0,
        )

    def _note_end(self, future: "Future[Any]") -> None:
        self._over.append(future)
        self._news.set()

    def _get_workers(self) -> list[Any]:
        # Not `scheduler_info`: a timer of the client replaces what it is about to
        # return by an answer without workers.
        client = self._client
        try:
            if client.scheduler is None:
                raise ConnectionError("the client has closed its connection")
            told = client.sync(client.scheduler.identity, n_workers=-1)
        except OSError as gone:
            raise _gone(gone) from gone
        return list(told["workers"].values())


def get_result(future: "Future[Any]") -> Any:
    """Return the result of a future that is over, and release it.

    Raises
    ------
    WorkerLostError
        Its worker went away.
    PlanError
        The scheduler went away.
    CallError
        The call raised anything else, which is its cause.
    """
    try:
        # As a value, since it can be of any class.
        error = future.exception()
        if error is None:
            return future.result()
    except (CancelledError, OSError) as gone:
        raise _gone(gone) from gone
    finally:
        future.release()
    match error:
        case KilledWorker():
            worker = error.last_worker
            said = f"the Dask worker {worker.address} died"
            raise WorkerLostError(said, node=str(worker.name)) from error
        case CancelledError() | NoValidWorkerError():
            raise _gone(error) from error
        case _:
            raise CallError(f"{type(error).__qualname__}: {error}") from error


def _gone(error: Exception) -> PlanError:
    said = " ".join(str(error).split())
    return PlanError(f"The Dask scheduler is gone ({said}); run again to go on.")


@contextmanager
def open_cluster(
    *, scheduler: str | None, slots: int | None, memory_bytes: int | None, scratch: Path
) -> Iterator[Cluster]:
    """Open the cluster of a run; another thread may close it.

    Parameters
    ----------
    scheduler
        Address of a scheduler, or None to start a cluster on this machine.
    slots, memory_bytes
        What the cluster on this machine offers, or None for what the machine gives
        us: affinity, control groups and limits of the process count.
    scratch
        Folder for Dask's own files.

    Raises
    ------
    PlanError
        The scheduler does not answer.
    """
    logging.getLogger("distributed").setLevel(logging.WARNING)
    # That the scheduler is gone is told by us.
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
    with dask.config.set(_CONFIG):
        if scheduler is not None:
            with closing(_connect(scheduler)) as client:
                yield Cluster(client, Turns(), notes=_list_cautions(scheduler))
            return
        security = Security.temporary()
        slots = slots or cpu_count()
        memory_bytes = memory_bytes or int(_MEMORY_SHARE * memory_limit())
        with (
            LocalCluster(
                n_workers=0,
                host="127.0.0.1",
                security=security,
                scheduler_kwargs={
                    "dashboard": False,
                    "dashboard_address": "127.0.0.1:0",
                },
            ) as local,
            _Node(
                local.scheduler_address, security, slots, memory_bytes, scratch
            ) as node,
            closing(Client(local)) as client,
        ):
            client.register_plugin(Leaving())
            _wait_for_worker(client)
            yield Cluster(client, Turns(), stop=node.stop)


def _connect(scheduler: str, security: Security | None = None) -> Client:
    security = security or Security()
    try:
        credentials = security.get_connection_args("client")["ssl_context"]
        if scheduler.startswith("tls://") and credentials is None:
            raise PlanError(
                f"The Dask scheduler {scheduler} needs TLS credentials: set "
                "DASK_DISTRIBUTED__COMM__TLS__CA_FILE, and ..__CLIENT__CERT and "
                "..__CLIENT__KEY likewise, or `distributed.comm.tls` in Dask's own "
                "configuration."
            )
        client = Client(
            scheduler, timeout="10s", security=security, set_as_default=False
        )
    except (OSError, ValueError) as error:
        raise PlanError(f"No Dask scheduler answers at {scheduler}: {error}") from error
    client.register_plugin(Leaving())
    return client


def _list_cautions(scheduler: str) -> tuple[str, ...]:
    if scheduler.startswith("tls://"):
        return ()
    caution = (
        f"the Dask scheduler {scheduler} is used without TLS: whoever reaches its "
        "port or those of its workers, on the same host too, can run code as the user "
        "of the workers; see the operator's docs for TLS"
    )
    return (caution,)


def _wait_for_worker(client: Client) -> None:
    try:
        client.wait_for_workers(1, timeout=_START_S)
    except TimeoutError as error:
        raise PlanError(
            f"The Dask worker of this machine did not start within {_START_S} s; what "
            "it said is above."
        ) from error


class _Node:
    """Keeps a worker on this machine, and starts another when it was lost."""

    def __init__(
        self,
        scheduler: str,
        security: Security,
        slots: int,
        memory_bytes: int,
        scratch: Path,
    ) -> None:
        keys = ("tls_ca_file", "tls_worker_cert", "tls_worker_key")
        self._message = json.dumps(
            {
                "scheduler": scheduler,
                "credentials": {key: getattr(security, key) for key in keys},
                "slots": slots,
                "resources": {MEMORY: memory_bytes},
                "local_directory": str(scratch),
                "config": _CONFIG,
            }
        )
        self._over = threading.Event()
        self._starting = threading.Lock()
        self._process = self._start()
        self._keeper = threading.Thread(target=self._keep, name="node", daemon=True)

    def __enter__(self) -> Self:
        self._keeper.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._keeper.join()

    def stop(self) -> None:
        """Kill the worker, and start no other."""
        with self._starting:
            self._over.set()
            stop_companion(self._process)

    def _start(self) -> "subprocess.Popen[str]":
        return start_companion(_NODE, variables=_ENVIRONMENT, message=self._message)

    def _keep(self) -> None:
        while not self._over.is_set():
            self._process.wait()
            self._over.wait(_RESTART_S)
            with self._starting:
                if not self._over.is_set():
                    stop_companion(self._process)
                    self._process = self._start()
