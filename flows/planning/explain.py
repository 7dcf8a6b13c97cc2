"""Explanations of why a job is due, or can be reused."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from workers.contract import (
    Input,
    Job,
    ParsUse,
    ReferenceUse,
    Stage,
    Status,
    Usage,
)
from workers.parameters import flatten_parameters

from ..models.jobs import Content, StoredJob
from .binding import take_fingerprint
from .edits import describe_edit

__all__ = [
    "History",
    "explain_difference",
    "explain_due",
    "explain_reuse",
]

_CARDS = 5
"""How many cards of a header that have changed are named."""


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
    job: Job, history: History, fresh: Mapping[str, Content] = MappingProxyType({})
) -> str:
    """Explain in one line why a job is due that the store does not hold.

    It is compared with the most similar of all earlier jobs: the newest may have been
    done in another context.

    Parameters
    ----------
    fresh
        What is known of inputs that were just read, by content hash; a plan does not
        record it in the history.
    """
    earlier = history.find_earlier_jobs(job.stage, job.name)
    if not earlier:
        return "never done"
    if any(one.fingerprint == job.fingerprint for one in earlier):
        return "done before, but its products are gone from the store, so made again"
    alike = [one for one in earlier if take_fingerprint(one) == one.fingerprint]
    if not alike:
        return "done before, by a version of rewebb whose hashes of content differ"
    nearest = min(alike, key=lambda one: len([*_list_differences(one, job, {})]))
    changed = [*_list_changed(nearest, job)]
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
    differences = _list_differences(previous, job, contents)
    return "; ".join(differences) or "nothing differs"


def explain_reuse(done: StoredJob, job: Job, history: History) -> str:
    """Explain in one line when, and in which context, what is reused was made.

    Its headers name that context, and references as that context calls them.
    """
    made = f"done {done.finished_at:%Y-%m-%d %H:%M} UTC"
    if done.context == job.context:
        return f"{made}, nothing has changed"
    previous = history.find_job(job.fingerprint)
    renamed = [*_list_renamed(previous, job)] if previous else []
    why = f"{made} in {done.context}, nothing has changed in {job.context}"
    return f"{why} but names: {', '.join(renamed)}" if renamed else why


def _list_renamed(previous: Job, job: Job) -> Iterator[str]:
    """List references that have another name and the same bytes."""
    for uses, now in (
        (previous.references, job.references),
        (previous.pars, job.pars),
    ):
        before = {use.reftype: use.file.name for use in uses if use.file}
        after = {use.reftype: use.file.name for use in now if use.file}
        yield from _compare(before, after)


def _list_differences(
    previous: Job, job: Job, contents: Mapping[str, Content]
) -> Iterator[str]:
    yield from _compare(_files(previous.references), _files(job.references))
    yield from _compare(_files(previous.pars), _files(job.pars))
    yield from _compare(
        flatten_parameters(previous.parameters), flatten_parameters(job.parameters)
    )
    yield from _compare(previous.versions, job.versions)
    yield from _compare_edits(previous, job)
    yield from _compare_inputs(previous, job, contents)


def _compare(
    before: Mapping[str, object], after: Mapping[str, object]
) -> Iterator[str]:
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old != new:
            yield f"{name} {old} -> {new}"


def _compare_edits(previous: Job, job: Job) -> Iterator[str]:
    before, after = (list(map(describe_edit, each.edits)) for each in (previous, job))
    yield from (f"new edit {edit}" for edit in after if edit not in before)
    yield from (f"edit {edit} is gone" for edit in before if edit not in after)
    if before != after and sorted(before) == sorted(after):
        yield "the order of the edits has changed"


def _files(uses: tuple[ReferenceUse, ...] | tuple[ParsUse, ...]) -> dict[str, str]:
    return {
        use.reftype: f"{use.file.name} ({use.file.sha1[:8]})" if use.file else "N/A"
        for use in uses
    }


def _compare_inputs(
    previous: Job, job: Job, contents: Mapping[str, Content]
) -> Iterator[str]:
    before, after = _by_role(previous), _by_role(job)
    for name, exptype in sorted(after.keys() - before.keys()):
        yield f"new {exptype} member {name}"
    for name, exptype in sorted(before.keys() - after.keys()):
        yield f"{exptype} member {name} is gone"
    for old, new in _list_changed(previous, job):
        what = _describe_change(
            contents.get(old.content_sha256), contents.get(new.content_sha256)
        )
        yield f"{new.exptype} input {new.name} has changed{what and f': {what}'}"
    if list(before) != list(after) and before.keys() == after.keys():
        yield "the order of the members has changed"


def _by_role(job: Job) -> dict[tuple[str, str], Input]:
    return {(file.name, file.exptype): file for file in job.inputs}


def _list_changed(previous: Job, job: Job) -> Iterator[tuple[Input, Input]]:
    """List the inputs of one name and role whose content differs."""
    before, after = _by_role(previous), _by_role(job)
    for key in sorted(before.keys() & after.keys()):
        if before[key].content_sha256 != after[key].content_sha256:
            yield before[key], after[key]


def _describe_change(old: Content | None, new: Content | None) -> str:
    """Distinguish pixels from cards of the header; empty if that is unknown."""
    if old is None or new is None:
        return ""
    changed = ["pixels"] if old.pixels_sha256 != new.pixels_sha256 else []
    if old.cards is not None and new.cards is not None:
        cards = [*_compare(old.cards, new.cards)]
        more = [f"{len(cards) - _CARDS} more"] if len(cards) > _CARDS else []
        if cards:
            changed.append(f"header cards {', '.join([*cards[:_CARDS], *more])}")
    return " and ".join(changed) or "metadata, no pixels"
