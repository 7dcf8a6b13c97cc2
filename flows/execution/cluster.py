"""The cluster of a run: slots and memory of the workers of a Dask scheduler.

One Dask worker a node offers its slots as threads and its memory as the resource
``memory`` in bytes. Nothing but paths and small records goes through Dask.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar

from distributed import Client, Future, KilledWorker
from distributed.client import ClosedClientError
from distributed.scheduler import NoValidWorkerError
from distributed.security import Security

from workers.contract import CHILD_LOST, ErrorInfo

from ..errors import PlanError
from ..logs import get_logger
from .node import LEFT, MEMORY
from .nodes import Growth, Nodes
from .order import Seat, Turns
from .waiting import Waiting
from .worker_side import Leaving

__all__ = [
    "GROWTH",
    "SEATS",
    "CallError",
    "Cluster",
    "WorkerLostError",
    "WorkerOffer",
    "connect",
    "get_result",
    "reaching",
]

_Item = TypeVar("_Item")
_Answer = TypeVar("_Answer")

SEATS: Final = "rewebb-seats"
"""What each run tells a scheduler of ours: slots held and wanted, and its last turn."""

GROWTH: Final = "rewebb-growth"
"""What a scheduler of ours tells: what its cluster can become."""

_PATIENCE_S = 2.0
"""After which who waits for jobs looks up, to keep its lease and see if it is to stop.
"""

_POLL_S = 0.05
"""How often a worker is looked for that is about to come."""

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


@dataclass(frozen=True, slots=True)
class WorkerOffer:
    """What a worker offers."""

    name: str
    """Its name."""
    slots: int
    """Jobs at a time."""
    memory_bytes: int
    """Memory for the jobs together."""


class Cluster:
    """Slots and memory to run functions of `workers.calls` on.

    Parameters
    ----------
    client
        Of this run alone: what it has submitted is dropped when it is closed.
    turns
        Deals the slots to the runs that share the cluster.
    nodes
        Keeps the workers, if we start them.
    """

    def __init__(
        self,
        client: Client,
        turns: Turns,
        *,
        notes: tuple[str, ...] = (),
        nodes: Nodes | None = None,
    ) -> None:
        self.notes = notes
        self.tell: Callable[[str], object] = lambda _: None
        """Told, in one line, that there are no workers, and when they are there."""
        self._nodes = nodes
        self._client = client
        self._turns = turns
        self._news = threading.Event()
        self._jobs: set[Future[Any]] = set()
        self._over: deque[Future[Any]] = deque()
        self._check: Callable[[], None] = lambda: None
        self._workers: Mapping[str, Any] = {}
        self._seat = turns.join(self._news.set, name=client.id)
        self._shown = replace(self._seat)
        self._growth = nodes.growth if nodes else _read_growth(client)
        self._waiting = Waiting(self._growth.maximum if self._growth else None)

    def heed(self, check: Callable[[], None]) -> None:
        """Call this now and then while `map` waits; what it raises ends the wait."""
        self._check = check

    @contextmanager
    def share(self) -> Iterator["Cluster"]:
        """Open the same cluster for another run, which takes turns with the others."""
        address, security = self._client.scheduler.address, self._client.security
        with closing(connect(address, security)) as client:
            cluster = Cluster(client, self._turns, notes=self.notes, nodes=self._nodes)
            cluster.tell = self.tell
            try:
                yield cluster
            finally:
                self._turns.leave(cluster._seat)

    @property
    def address(self) -> str:
        """Where its scheduler listens."""
        return str(self._client.scheduler.address)

    def stop(self) -> None:
        """Kill the workers that we have started."""
        if self._nodes is not None:
            self._nodes.stop()

    def wait_for_worker(self) -> None:
        """Wait until there is a worker.

        Raises
        ------
        PlanError
            None can be started.
        """
        while not self._get_workers():
            self._check()
            time.sleep(_POLL_S if self._nodes else _PATIENCE_S)

    def get_slots(self) -> int:
        """Count the jobs that can run at a time."""
        return sum(worker["nthreads"] for worker in self._get_workers())

    def get_slots_to_come(self) -> int:
        """Count the jobs that can run at a time once all workers have come."""
        growth = self._growth
        return max(self.get_slots(), growth.slots * growth.maximum if growth else 1)

    def get_largest_bytes(self, *, wait: bool = True) -> int:
        """Return the memory of the largest node, present or to come.

        Parameters
        ----------
        wait
            Whether to ask, and to wait for a first worker where nothing is known; else
            those count that were there last, and without any it is 0.

        Raises
        ------
        PlanError
            The cluster has no worker that offers memory.
        """
        if self._growth is None and wait:
            self.wait_for_worker()
        workers = self._get_workers() if wait else [*self._workers.values()]
        offers = [worker["resources"].get(MEMORY, 0) for worker in workers]
        if self._growth is not None:
            offers.append(self._growth.memory_bytes)
        if not offers:
            return 0
        if not any(offers):
            raise PlanError(
                "The cluster has no worker that offers memory: start workers with "
                "`rewebb cluster worker`."
            )
        return int(max(offers))

    def get_longest_s(self) -> float:
        """Return how long a job may take that starts on a node to come."""
        return self._growth.job_s if self._growth else math.inf

    def find_time_s(self) -> float:
        """Find how long a job may take that starts on a node which was there last."""
        left = [_get_left_s(worker) for worker in self._workers.values()]
        return max(left, default=self.get_longest_s())

    def take_slots(self, *, held: int, wanted: int) -> int:
        """Return the number of further jobs that a run may submit now.

        Parameters
        ----------
        held, wanted
            Jobs that the run has submitted and that are not over, and further ones.
        """
        slots = max(self.get_slots(), 1)  # a job may wait for the first worker
        taken = self._turns.take(
            self._seat, slots=slots, held=held, wanted=wanted, others=self._ask_seats()
        )
        self._show_seat()
        return taken

    def submit(
        self,
        work: Callable[..., Any],
        *args: Any,
        memory_bytes: int,
        expected_s: float = 0.0,
        **kwargs: Any,
    ) -> "Future[Any]":
        """Submit a job, for which `wait_any` waits; nothing is retried or cached.

        Parameters
        ----------
        memory_bytes
            Memory of its node that it takes.
        expected_s
            How long it will take; it goes to a node that stays so long, if one does.
        """
        future = self._call(
            work,
            *args,
            workers=self._list_lasting(expected_s),
            memory_bytes=memory_bytes,
            **kwargs,
        )
        self._jobs.add(future)
        future.add_done_callback(self._note_end)
        return future

    def cancel(self, future: "Future[Any]") -> None:
        """Drop a job that has not begun."""
        self._jobs.discard(future)
        future.cancel()
        future.release()

    def map(
        self,
        work: Callable[[_Item], _Answer],
        items: Sequence[_Item],
        *,
        memory_bytes: int,
        listener: Callable[[int, _Answer], None] = lambda _, __: None,
    ) -> list[_Answer]:
        """Call a function for each item, and give the answers in order.

        Each is gathered as soon as it is there. A call that is lost, with its worker or
        with the child that it was made in, is made again; of one that is lost each time
        the last answer counts.

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
            indices = {
                self._call(work, item, memory_bytes=memory_bytes): index
                for index, item in enumerate(items)
                if index not in answers
            }
            for future in self._as_over(indices):
                index = indices[future]
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

    def _as_over(self, futures: Collection["Future[Any]"]) -> Iterator["Future[Any]"]:
        """Give each future when it is over, as long as there may be workers for it.

        What is not read is lost with its worker.
        """
        left, over = set(futures), SimpleQueue[Future[Any]]()
        for future in futures:
            future.add_done_callback(over.put)
        looked_s = time.monotonic()
        while left:
            ended: Iterable[Future[Any]] = ()
            with suppress(Empty):
                ended = [over.get(timeout=_PATIENCE_S)]
            if time.monotonic() - looked_s >= _PATIENCE_S:
                looked_s = time.monotonic()
                self._check()
                self._get_workers()
                # A client that lost its scheduler may call nobody.
                ended = [future for future in left if future.done()]
            for future in left.intersection(ended):
                left.remove(future)
                yield future

    def ask_each(
        self, work: Callable[[_Item], _Answer], item: _Item, *, nodes: int
    ) -> list[tuple[WorkerOffer, _Answer]]:
        """Call a function on each worker, once as many are there, and gather answers.

        Parameters
        ----------
        nodes
            Workers to wait for.

        Raises
        ------
        WorkerLostError, CallError
            A worker went away, or its call raised.
        """
        if self._growth is not None:
            nodes = min(nodes, self._growth.maximum)
            self._seat.wanted = nodes * self._growth.slots
            self._show_seat()
        while len(self._get_workers()) < nodes:
            time.sleep(_POLL_S)
        workers = self._ask_workers()
        with reaching(self._client):
            futures = [
                (
                    _read_offer(worker),
                    self._client.submit(work, item, workers=[address]),
                )
                for address, worker in workers.items()
            ]
        return [(offer, get_result(future)) for offer, future in futures]

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
        self,
        work: Callable[..., Any],
        *args: Any,
        memory_bytes: int,
        workers: list[str] | None = None,
        **kwargs: Any,
    ) -> "Future[Any]":
        with reaching(self._client):
            return self._client.submit(
                work,
                *args,
                **kwargs,
                workers=workers,
                allow_other_workers=workers is not None,  # these may leave any time
                resources={MEMORY: memory_bytes},
                pure=False,
                retries=0,
            )

    def _note_end(self, future: "Future[Any]") -> None:
        self._over.append(future)
        self._news.set()

    def _list_lasting(self, expected_s: float) -> list[str] | None:
        """List the workers that stay long enough; None if that is true of all."""
        if math.isinf(self.get_longest_s()):
            return None
        workers = self._workers
        lasting = [a for a in workers if _get_left_s(workers[a]) >= expected_s]
        return lasting if 0 < len(lasting) < len(workers) else None

    def _show_seat(self) -> None:
        """Tell the scheduler what this run holds and wants: nodes come for it."""
        if self._growth is not None and self._shown != self._seat:
            self._shown = replace(self._seat)
            told = [self._seat.held, self._seat.wanted, self._seat.turn]
            with reaching(self._client):
                self._client.set_metadata([SEATS, self._seat.name], told)

    def _ask_seats(self) -> list[Seat]:
        """Ask what the runs of all processes hold and want."""
        if self._nodes is not None or self._growth is None:
            return []  # nobody else is there, or nobody says so
        with reaching(self._client):
            told = self._client.get_metadata([SEATS], {})
        return [
            Seat(name, held=held, wanted=wanted, turn=turn)
            for name, (held, wanted, turn) in told.items()
        ]

    def _get_workers(self) -> list[Any]:
        if self._nodes is not None:
            self._nodes.check()
        workers = [*self._ask_workers().values()]
        if said := self._waiting.note(len(workers), now_s=time.monotonic()):
            get_logger().info("cluster.workers", message=said)
            self.tell(said)
        return workers

    def _ask_workers(self) -> dict[str, Any]:
        # Not `scheduler_info`: a timer of the client replaces what it is about to
        # return by an answer without workers.
        client = self._client
        with reaching(client):
            told = client.sync(client.scheduler.identity, n_workers=-1)
        workers: dict[str, Any] = told["workers"]
        self._workers = workers
        return workers


def _read_growth(client: Client) -> Growth | None:
    """Ask a scheduler what its cluster can become; others than ours do not know."""
    with reaching(client):
        told = client.get_metadata([GROWTH], None)
    return Growth(**told) if told else None


def _read_offer(worker: Mapping[str, Any]) -> WorkerOffer:
    memory_bytes = int(worker["resources"].get(MEMORY, 0))
    return WorkerOffer(str(worker["name"]), worker["nthreads"], memory_bytes)


def _get_left_s(worker: Mapping[str, Any]) -> float:
    """Return how long a job may take that starts now on a worker."""
    left_s: float | None = worker["metrics"].get(LEFT)
    return math.inf if left_s is None else left_s


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


@contextmanager
def reaching(client: Client) -> Iterator[None]:
    """Reach the scheduler of a client, which may go away at any moment.

    Raises
    ------
    PlanError
        The scheduler is gone.
    """
    try:
        yield
    except (OSError, CancelledError, ClosedClientError) as gone:
        raise _gone(gone) from gone
    except (AttributeError, RuntimeError) as error:
        # A client that gives up closes in its own thread, piece by piece.
        if client.status not in {"closing", "closed"}:
            raise
        raise _gone(ConnectionError("the connection is closed")) from error


def _gone(error: Exception) -> PlanError:
    said = " ".join(str(error).split())
    return PlanError(f"The Dask scheduler is gone ({said}); run again to go on.")


def connect(scheduler: str, security: Security | None = None) -> Client:
    """Connect to a scheduler.

    Parameters
    ----------
    security
        Credentials; by default those of Dask's own configuration.

    Raises
    ------
    PlanError
        It does not answer, or needs credentials.
    """
    security = security or Security()
    try:
        credentials = security.get_connection_args("client")["ssl_context"]
        if scheduler.startswith("tls://") and credentials is None:
            raise PlanError(
                f"The Dask scheduler {scheduler} needs TLS credentials: set "
                "`credentials` of its profile to the folder that `rewebb cluster "
                "scheduler` was given, or DASK_DISTRIBUTED__COMM__TLS__CA_FILE, and "
                "..__CLIENT__CERT and ..__CLIENT__KEY likewise."
            )
        client = Client(
            scheduler, timeout="10s", security=security, set_as_default=False
        )
    except (OSError, ValueError) as error:
        raise PlanError(f"No Dask scheduler answers at {scheduler}: {error}") from error
    client.register_plugin(Leaving())
    return client
