"""A cluster whose outcomes are scripted as data, and a recorder in memory."""

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from distributed import KilledWorker
from distributed.core import Status as WorkerStatus
from distributed.scheduler import WorkerState
from outcomes import make_outcome
from plans import DoneStore

from config.faults import FaultKind
from flows.models.runs import RunJob
from workers.contract import Job, Outcome, Status, TimeLimits, Usage, to_json

__all__ = ["WORKER_DIED", "FakeCluster", "MemoryRecorder", "Script", "make_killed"]

WORKER_DIED = "WORKER_DIED"
"""In a script: the Dask worker goes away with the job."""

_WORKER = {
    "address": "tls://node2:1",
    "status": WorkerStatus.closed,
    "pid": 1,
    "name": "node2-a",
    "nthreads": 1,
    "memory_limit": 0,
    "local_directory": "",
    "nanny": None,
    "server_id": "",
}
"""What Dask tells of a worker that died."""


def make_killed() -> KilledWorker:
    """Make what Dask tells of a job that was lost with its worker."""
    return KilledWorker("job", WorkerState(**_WORKER), 0)


End = Status | str | Exception
"""How an attempt ends, what text it answers, or what it raises."""

Script = Mapping[str, Sequence[End]]
"""What comes of each attempt at a job; a job that is not named succeeds."""


class FakeFuture:
    """The result of one scripted attempt."""

    def __init__(self, end: End, outcome: Outcome) -> None:
        self._end = end
        self._outcome = outcome

    def exception(self) -> Exception | None:
        """Return what Dask would raise."""
        if self._end == WORKER_DIED:
            return make_killed()
        return self._end if isinstance(self._end, Exception) else None

    def result(self) -> str:
        """Return the answer."""
        return to_json(self._outcome) if isinstance(self._end, Status) else self._end

    def release(self) -> None:
        """Let go."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A job that was handed to the cluster."""

    key: str
    granted_bytes: int
    in_flight: int


class FakeCluster:
    """Runs one job at a time, the one that was submitted first."""

    def __init__(
        self,
        store: DoneStore,
        script: Script | None = None,
        *,
        slots: int = 2,
        largest_bytes: int = 1 << 40,
        contents: Mapping[str, str] | None = None,
        without_data: Collection[str] = (),
        peak_bytes: int | None = None,
        on_submit: Callable[[Job, str], object] = lambda _, __: None,
        longest_s: float = math.inf,
        times_s: Sequence[float] = (),
    ) -> None:
        self.submissions: list[Submission] = []
        self.faults: list[FaultKind] = []
        self.waits = 0
        self._store = store
        self._script = dict(script or {})
        self._slots = slots
        self._largest_bytes = largest_bytes
        self._contents = dict(contents or {})
        self._without_data = without_data
        self._peak_bytes = peak_bytes
        self._on_submit = on_submit
        self._longest_s = longest_s
        self._times_s = [*times_s]
        self._attempts: dict[str, int] = defaultdict(int)
        self._waiting: list[FakeFuture] = []

    def take_slots(self, *, held: int, wanted: int) -> int:
        """Give as many slots as are free."""
        assert held == len(self._waiting)
        return min(self._slots - held, wanted)

    def get_largest_bytes(self, *, wait: bool = True) -> int:  # noqa: ARG002  # one is there
        """Return the memory of the only node."""
        return self._largest_bytes

    def get_longest_s(self) -> float:
        """Return how long a job may take."""
        return self._longest_s

    def find_time_s(self) -> float:
        """Say that the only node has just come, or is about to leave."""
        return self._times_s.pop(0) if self._times_s else self._longest_s

    def submit(
        self,
        _work: object,
        job: Job,
        *,
        attempt: str,
        data_dir: Path,  # noqa: ARG002  # that of `run_job`
        granted_bytes: int,
        memory_bytes: int,
        limits: TimeLimits,
        fault: FaultKind | None,
        combined: object,  # noqa: ARG002  # that of `run_job`
        expected_s: float,  # noqa: ARG002  # it is there until all is done
    ) -> FakeFuture:
        """Take a job; what becomes of it is in the script."""
        assert granted_bytes == memory_bytes
        assert limits.stall_s
        self.faults += [fault] if fault else []
        self._on_submit(job, attempt)
        key = f"{job.stage}:{job.name}"
        end = self._next_end(key)
        if end is Status.SUCCEEDED:
            content, no_data = self._contents.get(key, ""), key in self._without_data
            self._store.add(job, content=content, no_data=no_data)
        outcome = make_outcome(job, attempt=attempt)
        if isinstance(end, Status):
            outcome = make_outcome(job, attempt=attempt, status=end)
        peak_bytes = self._peak_bytes or granted_bytes + 1
        usage = Usage(1.0, 1.0, peak_bytes, granted_bytes)
        outcome = replace(outcome, usage=usage)
        of_product = self._store.usages.setdefault((job.stage, job.name), [])
        of_product.insert(0, (outcome.status, usage))
        future = FakeFuture(end, outcome)
        self._waiting.append(future)
        self.submissions.append(Submission(key, granted_bytes, len(self._waiting)))
        return future

    def wait_any(self) -> list[FakeFuture]:
        """Bring the oldest job to its end."""
        if not self._waiting:
            self.waits += 1
            return []
        return [self._waiting.pop(0)]

    def list_grants(self, key: str) -> list[int]:
        """List the memory that each attempt at a job was granted."""
        return [one.granted_bytes for one in self.submissions if one.key == key]

    def _next_end(self, key: str) -> End:
        ends = self._script.get(key, ())
        number = self._attempts[key]
        self._attempts[key] += 1
        return ends[number] if number < len(ends) else Status.SUCCEEDED


@dataclass
class MemoryRecorder:
    """Keeps what it is told."""

    outcomes: list[Outcome] = field(default_factory=list)
    jobs: list[RunJob] = field(default_factory=list)
    cleared: list[str] = field(default_factory=list)

    def record_outcome(self, outcome: Outcome) -> None:
        """Keep an outcome."""
        self.outcomes.append(replace(outcome))

    def record_jobs(self, jobs: Sequence[RunJob]) -> None:
        """Keep states."""
        self.jobs += jobs

    def make_room(self, job: Job) -> None:
        """Note the job."""
        self.cleared.append(job.fingerprint)

    def keep_alive(self) -> None:
        """Do nothing; there is no lease."""
