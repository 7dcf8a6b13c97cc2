"""Explanations of why a job is due, or can be reused."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from workers.contract import Input, Job, Stage, Status, Usage

from ..models.jobs import Content, StoredJob
from .binding import take_fingerprint
from .differences import list_changed_inputs, list_differences, list_renamed

__all__ = [
    "History",
    "explain_difference",
    "explain_due",
    "explain_reuse",
    "say_done",
]


class History(Protocol):
    """What was done before, as the database has it."""

    def find_job(self, fingerprint: str) -> Job | None:
        """Find a job by its whole fingerprint."""

    def find_earlier_jobs(self, stage: Stage, name: str) -> Sequence[Job]:
        """Find the successes of a stage and product name, newest first."""

    def find_contents(self, files: Iterable[Input]) -> Mapping[str, Content]:
        """Find what is known of the content of files, by content hash."""

    def find_usages(self, stage: Stage, name: str) -> Sequence[tuple[Status, Usage]]:
        """Find what attempts at a product of a stage took, the newest first."""


def explain_due(
    job: Job,
    earlier: Sequence[Job],
    history: History,
    fresh: Mapping[str, Content] = MappingProxyType({}),
) -> str:
    """Explain in one line why a job is due that the store does not hold.

    It is compared with the most similar of all earlier jobs: the newest may have been
    done in another context.

    Parameters
    ----------
    earlier
        Recorded successes of its stage and name, newest first.
    fresh
        What is known of inputs that were just read, by content hash; a plan does not
        record it in the history.
    """
    if not earlier:
        return "never done"
    if any(one.fingerprint == job.fingerprint for one in earlier):
        return "done before, but its products are gone from the store, so made again"
    alike = [one for one in earlier if take_fingerprint(one) == one.fingerprint]
    if not alike:
        return "done before, by a version of rewebb whose hashes of content differ"
    nearest = min(alike, key=lambda one: len([*list_differences(one, job)]))
    changed = [*list_changed_inputs(nearest, job)]
    contents = history.find_contents([file for pair in changed for file in pair])
    return explain_difference(nearest, job, {**contents, **fresh})


def explain_difference(
    previous: Job, job: Job, contents: Mapping[str, Content] = MappingProxyType({})
) -> str:
    """Describe in one line how two jobs of one stage and product name differ.

    Only what a fingerprint takes in can differ, so two jobs without differences have
    the same fingerprint.

    Parameters
    ----------
    contents
        What is known of inputs, by content hash.
    """
    differences = list_differences(previous, job, contents)
    return "; ".join(each.text for each in differences) or "nothing differs"


def explain_reuse(done: StoredJob, job: Job, history: History) -> str:
    """Explain in one line when, and in which context, what is reused was made.

    Its headers name that context, and references as that context calls them.
    """
    made = say_done(done)
    if done.context == job.context:
        return f"{made}, nothing has changed"
    previous = history.find_job(job.fingerprint)
    renamed = [*list_renamed(previous, job)] if previous else []
    why = f"{made} in {done.context}, nothing has changed in {job.context}"
    return f"{why} but names: {', '.join(renamed)}" if renamed else why


def say_done(done: StoredJob) -> str:
    """Say when a job was done."""
    return f"done {done.finished_at:%Y-%m-%d %H:%M} UTC"
