"""Which recorded jobs are out of date, and by what (pure).

Every job of a plan is compared with what is recorded of it. A job that waits is
compared as if what it waits for came out as it is recorded: what differs then are
reasons of its own, and that its input may change is one more.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from config.policy import Action
from workers.contract import Job

from ..models.jobs import Damage, StoredJob
from ..models.runs import JobState
from .explain import History
from .plan import Binder, Plan, PlanEntry
from .reasons import Cause, Reason, say_reasons

__all__ = ["JudgedJob", "Staleness", "judge_plan"]


class Staleness(StrEnum):
    """How a job stands to what is found now."""

    CURRENT = "CURRENT"
    """It would come out the same, or nothing has changed that the policy counts."""
    STALE = "STALE"
    """Something has changed that it was made from, or may when an earlier stage is done
    again."""
    NEW = "NEW"
    """Nothing like it was ever made."""
    ORPHANED = "ORPHANED"
    """It is recorded, and nothing that is found now asks for it."""
    BLOCKED = "BLOCKED"
    """It cannot be made now."""


@dataclass(frozen=True, slots=True)
class JudgedJob:
    """A job, recorded or planned, and how it stands."""

    key: str
    """``stage:name``."""
    staleness: Staleness
    """How it stands."""
    is_due: bool
    """Whether a run would do it, or may once its input is known."""
    reasons: tuple[Reason, ...]
    """Why; of a CURRENT job what the policy ignores."""
    fingerprint: str | None
    """The recorded job that it was compared with."""
    why: str
    """All of it, in one line."""


_FindDone = Callable[[str], StoredJob | Damage | None]
"""Finds the success of a fingerprint, or what is wrong with its products."""


def judge_plan(
    plan: Plan,
    binder: Binder,
    *,
    history: History,
    find_done: _FindDone,
    recorded: Mapping[str, str],
    coming: Mapping[str, Reason],
) -> tuple[JudgedJob, ...]:
    """Judge the jobs of a plan, producers first, and then what nothing asks for.

    Parameters
    ----------
    binder
        What has made the plan.
    recorded
        Fingerprints of the successes that runs have had so far, by key.
    coming
        Why it is not known what jobs would come to, by key, of those that need what is
        not here.
    """
    judge = _Judge(plan, binder, history, find_done, coming)
    judged = {entry.planned.key: judge.judge(entry) for entry in plan.entries}
    orphans = [
        JudgedJob(key, Staleness.ORPHANED, False, (), recorded[key], _ORPHANED)
        for key in sorted(recorded.keys() - judged.keys())
    ]
    return (*judged.values(), *orphans)


_ORPHANED = "nothing that is found now asks for it"


class _Judge:
    def __init__(
        self,
        plan: Plan,
        binder: Binder,
        history: History,
        find_done: _FindDone,
        coming: Mapping[str, Reason],
    ) -> None:
        self._entries = {entry.planned.key: entry for entry in plan.entries}
        self._binder = binder
        self._history = history
        self._find_done = find_done
        self._coming = coming
        self._recorded: dict[str, StoredJob] = {}
        """What is in the store of jobs that are due, by key."""

    def judge(self, entry: PlanEntry) -> JudgedJob:
        key = entry.planned.key
        match entry.state:
            case JobState.REUSED:
                return self._judge_reused(entry)
            case JobState.DUE:
                return self._judge_due(entry)
            case JobState.NO_DATA:
                return JudgedJob(key, Staleness.CURRENT, False, (), None, entry.why)
            case _:
                return JudgedJob(key, Staleness.BLOCKED, False, (), None, entry.why)

    def _judge_reused(self, entry: PlanEntry) -> JudgedJob:
        is_told = any(reason.action is Action.REPORT for reason in entry.kept)
        return JudgedJob(
            entry.planned.key,
            Staleness.STALE if is_told else Staleness.CURRENT,
            False,
            entry.kept,
            entry.done.fingerprint if entry.done else None,
            entry.why,
        )

    def _judge_due(self, entry: PlanEntry) -> JudgedJob:
        planned = entry.planned
        earlier = self._history.find_earlier_jobs(planned.stage, planned.name)
        if not earlier:
            lacked = self._coming.get(planned.key)
            why = f"never done; {lacked.text}" if lacked else "never done"
            return JudgedJob(planned.key, Staleness.NEW, True, (), None, why)
        fingerprint, own = self._compare(entry, earlier)
        fingerprint = fingerprint or earlier[0].fingerprint
        if isinstance(done := self._find_done(fingerprint), StoredJob):
            self._recorded[planned.key] = done
        reasons = (*own, *self._list_upstream(entry))
        return JudgedJob(
            planned.key,
            Staleness.STALE,
            True,
            reasons,
            fingerprint,
            say_reasons(reasons),
        )

    def _compare(
        self, entry: PlanEntry, earlier: Sequence[Job]
    ) -> tuple[str | None, tuple[Reason, ...]]:
        """Compare a job that is due with what is recorded, its input as it is there."""
        planned = entry.planned
        if lacked := self._coming.get(planned.key):
            return None, (lacked,)
        is_waiting = entry.job is None
        job = entry.job or self._binder.assume(planned, self._entries, self._recorded)
        if job is None:
            return None, ()
        nearest = self._binder.find_nearest(planned, job, earlier)
        if nearest is None:
            why = "its hashes of content are those of another version of rewebb"
            return None, (_because(Cause.HASHES, planned.key, why),)
        reasons = nearest.reasons
        if is_waiting:
            made = {file.name for file in planned.inputs if file.producer}
            reasons = tuple(each for each in reasons if not _is_input(each, made))
        elif not reasons:
            reasons = (_because(Cause.GONE, planned.key, entry.why),)
        return nearest.job.fingerprint, reasons

    def _list_upstream(self, entry: PlanEntry) -> tuple[Reason, ...]:
        """List the jobs that it waits for, in one reason, if they were done before."""
        waiting = [
            key
            for key in entry.planned.producers
            if self._entries[key].state is JobState.DUE
        ]
        if entry.job is not None or not waiting:
            return ()
        more = f" and {len(waiting) - 1} more" if len(waiting) > 1 else ""
        why = f"stale if its input changes: {waiting[0]}{more}"
        return (_because(Cause.UPSTREAM, waiting[0], why),)


def _is_input(reason: Reason, made: Collection[str]) -> bool:
    return reason.kind == "input" and reason.name in made


def _because(cause: Cause, name: str, text: str) -> Reason:
    return Reason(cause, name, None, None, text, Action.RERUN)
