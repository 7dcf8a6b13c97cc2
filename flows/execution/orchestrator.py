"""Runs a plan: a bounded list of jobs at the cluster, nearest to an end first.

The state of each job is a `PlanEntry`; when a job is over, those that wait for it are
decided anew by the `Binder`, which may find them done already (early cut-off).
"""

import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from config.faults import Fault, find_fault
from workers.beginnings import find_beginning, find_told, get_scratch
from workers.contract import ErrorInfo, Job, Outcome, Status, Usage

from ..errors import OutcomeError
from ..logs import get_logger
from ..models.runs import JobState, RunJob
from ..planning import Plan, PlanEntry, PlannedJob
from ..provenance import parse_outcome
from .cluster import CallError, Cluster, WorkerLostError, get_result
from .ladder import climb, limit_time
from .order import Order
from .worker_side import answer_on_worker

__all__ = ["Decider", "Listener", "Orchestrator", "Progress", "Recorder", "to_run_job"]


_TOO_LARGE_S = 60.0
"""How long a job waits for a node as large as those that were there, before."""

_PASSED_OVER = 100
"""Jobs that are looked at though no node stays long enough for them."""

_OPEN = (JobState.DUE, JobState.BLOCKED)
"""Of jobs that wait for others: what becomes of them may still change."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is, after something changed."""

    counts: Mapping[JobState, int]
    """Jobs by state."""
    key: str
    """The job that changed."""
    state: JobState
    """What it came to."""
    message: str
    """Why, in one line."""


Listener = Callable[[Progress], None]
"""Called in the orchestrator's thread, where it may neither wait nor raise; in a run
that is a `Notifier`, which calls others."""


class Decider(Protocol):
    """Decides on one job at a time, from the state of its producers."""

    def decide(
        self, planned: PlannedJob, producers: Mapping[str, PlanEntry]
    ) -> PlanEntry:
        """Decide on a job, from the entries of all jobs that it needs, by key."""

    def confirm(self, entry: PlanEntry) -> PlanEntry:
        """Turn a job that an attempt has just done into a success, or a failure."""


class Recorder(Protocol):
    """Where outcomes and states go."""

    def record_outcome(self, outcome: Outcome) -> None:
        """Record an attempt; recording it again changes nothing."""

    def record_jobs(self, jobs: Sequence[RunJob]) -> None:
        """Record what jobs of this run have come to."""

    def make_room(self, job: Job) -> None:
        """Clear the place of a job's products of what is damaged.

        Raises
        ------
        OSError
            It cannot be cleared.
        """

    def keep_alive(self) -> None:
        """Renew the lease of the program when it is time.

        Raises
        ------
        RunCancelledError
            Somebody has cancelled the run.
        """


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A job at the cluster."""

    entry: PlanEntry
    job: Job
    id: str
    number: int
    granted_bytes: int
    ended: Mapping[Status, int]
    """How the tries before it ended, counted."""


class Orchestrator:
    """Brings every job of a plan to an end."""

    def __init__(
        self,
        plan: Plan,
        *,
        binder: Decider,
        cluster: Cluster,
        recorder: Recorder,
        data_dir: Path,
        max_attempts: int,
        stall_s: float,
        listener: Listener,
        faults: Sequence[Fault] = (),
    ) -> None:
        self._entries = {entry.planned.key: entry for entry in plan.entries}
        self._order = Order([entry.planned for entry in plan.entries])
        self._binder = binder
        self._cluster = cluster
        self._recorder = recorder
        self._data_dir = data_dir
        self._max_attempts = max_attempts
        self._stall_s = stall_s
        self._faults = faults
        self._listener = listener
        self._log = get_logger()
        self._running: dict[Any, _Attempt] = {}
        self._too_large: dict[str, float] = {}
        self._counts = Counter(entry.state for entry in plan.entries)
        self._changed: list[RunJob] = []
        for entry in plan.entries:
            if entry.state is not JobState.DUE:
                self._order.close(entry.planned.key)
            elif entry.job is not None:
                self._order.add(entry.planned.key)

    def run(self) -> Plan:
        """Run until every job is over, and give the plan with what became of it.

        Raises
        ------
        PlanError
            The cluster went away.
        DatabaseError
            Outcomes cannot be recorded.
        RunCancelledError
            Somebody has cancelled it.
        """
        largest_bytes = self._cluster.get_largest_bytes()
        while self._order or self._running:
            self._fill(largest_bytes)
            # Nodes come and go; while there is none, what was there last counts.
            largest_bytes = self._cluster.get_largest_bytes(wait=False) or largest_bytes
            self._take_back(largest_bytes)
            self._record_changes()
            for future in self._cluster.wait_any():
                self._finish(self._running.pop(future), future, largest_bytes)
            self._recorder.keep_alive()
        self._record_changes()
        self._cluster.take_slots(held=0, wanted=0)
        return Plan(tuple(self._entries.values()))

    def _fill(self, largest_bytes: int) -> None:
        """Submit as many jobs as may run now, those nearest to an end first.

        A job that no node stays long enough for waits for the next node.
        """
        held, wanted = len(self._running), len(self._order)
        slots = self._cluster.take_slots(held=held, wanted=wanted)
        time_s, longest_s = self._cluster.find_time_s(), self._cluster.get_longest_s()
        too_long: list[str] = []
        while slots and self._order and len(too_long) < _PASSED_OVER:
            entry = self._entries[self._order.pop()]
            assert entry.job is not None
            if entry.expected_s > longest_s:
                self._fail(entry, _say_too_long(entry.expected_s, longest_s))
            elif entry.expected_s > time_s:
                too_long.append(entry.planned.key)
            else:
                granted_bytes = min(entry.estimate_bytes, largest_bytes)
                self._start(_Attempt(entry, entry.job, "", 0, granted_bytes, {}))
                slots -= 1
        for key in too_long:
            self._order.add(key)

    def _take_back(self, largest_bytes: int) -> None:
        """Take back what no node has been large enough for in a while.

        It was granted what the largest node had then, and gets what the largest has.
        """
        now_s = time.monotonic()
        for future, attempt in [*self._running.items()]:
            if attempt.granted_bytes <= largest_bytes:
                self._too_large.pop(attempt.id, None)
                continue
            since_s = self._too_large.setdefault(attempt.id, now_s)
            if now_s - since_s < _TOO_LARGE_S:
                continue
            self._log.warning(
                "job.too.large",
                job=attempt.entry.planned.key,
                granted_bytes=attempt.granted_bytes,
                largest_bytes=largest_bytes,
            )
            self._cluster.cancel(future)
            del self._running[future], self._too_large[attempt.id]
            again = replace(attempt, number=attempt.number - 1)
            self._start(replace(again, granted_bytes=largest_bytes))

    def _start(self, last: _Attempt) -> None:
        attempt = replace(last, id=str(uuid.uuid4()), number=last.number + 1)
        try:
            self._recorder.make_room(attempt.job)
        except OSError as error:
            self._fail(attempt.entry, f"what is damaged cannot be set aside: {error}")
            return
        future = self._cluster.submit(
            answer_on_worker,
            attempt.job,
            attempt=attempt.id,
            data_dir=self._data_dir,
            granted_bytes=attempt.granted_bytes,
            limits=limit_time(
                stall_s=self._stall_s, expected_s=attempt.entry.expected_s
            ),
            combined=attempt.entry.combined,
            fault=find_fault(self._faults, attempt.entry.planned.key, attempt.number),
            memory_bytes=attempt.granted_bytes,
            expected_s=attempt.entry.expected_s,
        )
        self._running[future] = attempt
        self._log.info(
            "job.started",
            job=attempt.entry.planned.key,
            attempt=attempt.id,
            number=attempt.number,
            granted_bytes=attempt.granted_bytes,
        )
        self._change(replace(attempt.entry, state=JobState.RUNNING))

    def _finish(self, attempt: _Attempt, future: Any, largest_bytes: int) -> None:
        outcome = _get_outcome(attempt, future, self._data_dir)
        self._recorder.record_outcome(outcome)
        self._log.info(
            "job.finished",
            job=attempt.entry.planned.key,
            attempt=attempt.id,
            status=str(outcome.status),
            node=outcome.node,
            elapsed_s=round(outcome.usage.elapsed_s, 1),
            peak_bytes=outcome.usage.peak_bytes,
        )
        match outcome.status:
            case Status.SUCCEEDED:
                self._settle(self._binder.confirm(attempt.entry))
            case _:
                self._try_again(attempt, outcome, largest_bytes)

    def _try_again(
        self, attempt: _Attempt, outcome: Outcome, largest_bytes: int
    ) -> None:
        """Try a job again if that may help, or leave it as failed."""
        tries = attempt.ended.get(outcome.status, 0) + 1
        granted_bytes = climb(
            outcome,
            tries=tries,
            max_attempts=self._max_attempts,
            largest_bytes=largest_bytes,
        )
        if granted_bytes is None:
            assert outcome.error is not None
            self._fail(attempt.entry, _say_end(outcome, tries))
            return
        ended = {**attempt.ended, outcome.status: tries}
        self._start(replace(attempt, granted_bytes=granted_bytes, ended=ended))

    def _fail(self, entry: PlanEntry, why: str) -> None:
        self._settle(replace(entry, state=JobState.FAILED, why=why))

    def _settle(self, entry: PlanEntry) -> None:
        """Note that a job is over, and decide anew on those that wait for it."""
        self._close(entry)
        over = [entry.planned.key]
        while over:
            for key in self._order.get_dependants(over.pop(0)):
                waiting = self._entries[key]
                if waiting.job is not None or waiting.state not in _OPEN:
                    continue
                decided = self._binder.decide(waiting.planned, self._entries)
                if waiting.state is JobState.BLOCKED:
                    if decided.blocked_by != waiting.blocked_by:
                        self._change(decided)
                elif decided.state is not JobState.DUE:
                    self._close(decided)
                    over.append(key)
                elif decided.job is not None:
                    self._change(decided)
                    self._order.add(key)

    def _record_changes(self) -> None:
        """Record what jobs have come to since the last time, at once."""
        changed, self._changed = self._changed, []
        if changed:
            self._recorder.record_jobs(changed)

    def _close(self, entry: PlanEntry) -> None:
        self._change(entry)
        self._order.close(entry.planned.key)

    def _change(self, entry: PlanEntry) -> None:
        key = entry.planned.key
        self._counts[self._entries[key].state] -= 1
        self._counts[entry.state] += 1
        self._entries[key] = entry
        self._changed.append(to_run_job(entry))
        self._listener(Progress(dict(self._counts), key, entry.state, entry.why))


def _say_too_long(expected_s: float, longest_s: float) -> str:
    return (
        f"it is expected to take {expected_s / 3600:.1f} h, and no node of this "
        f"cluster stays for more than {longest_s / 3600:.1f} h: raise its `walltime`"
    )


def to_run_job(entry: PlanEntry) -> RunJob:
    """Turn an entry of a plan into what is recorded of a job of a run."""
    return RunJob(
        stage=entry.planned.stage,
        name=entry.planned.name,
        state=entry.state,
        updated_at=datetime.now(UTC),
        why=entry.why,
        fingerprint=entry.job.fingerprint if entry.job else None,
        blocked_by=entry.blocked_by,
        caveats=entry.caveats,
        expected_s=entry.expected_s,
        expected_bytes=entry.estimate_bytes,
    )


def _say_end(outcome: Outcome, tries: int) -> str:
    """Say why a job is not tried again."""
    assert outcome.error is not None
    if outcome.status is Status.FAILED:
        return outcome.error.message
    times = "once" if tries == 1 else f"{tries} times"
    return f"{outcome.status} {times}: {outcome.error.message}"


def _get_outcome(attempt: _Attempt, future: Any, data_dir: Path) -> Outcome:
    """Return the outcome of an attempt; an odd answer fails this attempt alone."""
    try:
        try:
            return _read_answer(get_result(future), attempt)
        except WorkerLostError as error:
            return _find_left(attempt, error, data_dir)
    except CallError as error:
        out = isinstance(error.__cause__, MemoryError)
        status = Status.OUT_OF_MEMORY if out else Status.FAILED
        return _make_outcome(attempt, status, error)
    except OutcomeError as error:
        return _make_outcome(attempt, Status.FAILED, error)


def _read_answer(answer: object, attempt: _Attempt) -> Outcome:
    """Read the outcome that a worker has sent.

    Raises
    ------
    OutcomeError
        It is not the outcome of this attempt.
    """
    source = f"answer of the worker to {attempt.entry.planned.key}"
    outcome = parse_outcome(str(answer), source=source)
    if (outcome.attempt, outcome.job.fingerprint) != (
        attempt.id,
        attempt.job.fingerprint,
    ):
        raise OutcomeError(f"The {source} is about another attempt, {outcome.attempt}.")
    if outcome.status is not Status.SUCCEEDED and outcome.error is None:
        raise OutcomeError(f"The {source} is {outcome.status} without a reason.")
    # What it was granted is for us to say.
    return replace(
        outcome, usage=replace(outcome.usage, granted_bytes=attempt.granted_bytes)
    )


def _find_left(attempt: _Attempt, lost: WorkerLostError, data_dir: Path) -> Outcome:
    """Find what an attempt has left whose worker went away.

    Raises
    ------
    OutcomeError
        It is not the outcome of this attempt.
    """
    told = find_told(attempt.job, attempt.id, data_dir)
    if told is not None:
        return _read_answer(told, attempt)
    outcome = _make_outcome(attempt, Status.LOST, lost)
    scratch = get_scratch(data_dir, attempt.job.program, attempt.id)
    begun = find_beginning(scratch)
    if begun is None:
        return replace(outcome, node=lost.node)
    elapsed_s = (outcome.finished_at - begun.started_at).total_seconds()
    return replace(
        outcome,
        host=begun.host,
        node=begun.node,
        started_at=min(begun.started_at, outcome.finished_at),
        usage=replace(outcome.usage, elapsed_s=max(elapsed_s, 0.0)),
    )


def _make_outcome(attempt: _Attempt, status: Status, error: Exception) -> Outcome:
    """Make the outcome of an attempt whose worker could not leave one."""
    now = datetime.now(UTC)
    return Outcome(
        job=attempt.job,
        attempt=attempt.id,
        status=status,
        started_at=now,
        finished_at=now,
        host="",
        usage=Usage(0.0, 0.0, 0, attempt.granted_bytes),
        folder="",
        error=ErrorInfo(type(error).__qualname__, str(error), ""),
    )
