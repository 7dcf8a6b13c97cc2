"""How two jobs differ, as data: what a fingerprint takes in, item by item."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from workers.contract import Input, Job, ParsUse, ReferenceUse
from workers.parameters import flatten_parameters

from ..models.jobs import Content
from .edits import describe_edit

__all__ = [
    "Difference",
    "DifferenceKind",
    "list_changed_inputs",
    "list_differences",
    "list_renamed",
]

_Use = ReferenceUse | ParsUse

_CARDS = 5
"""How many cards of a header that have changed are named."""


class DifferenceKind(StrEnum):
    """What of a job differs."""

    REFERENCE = "reference"
    """The bytes of the reference of a type, or whether there is one."""
    PARS = "pars"
    """The bytes of a parameter reference."""
    PARAMETER = "parameter"
    """The effective value of a parameter."""
    VERSION = "version"
    """The version of a package of the calibration code."""
    EDIT = "edit"
    """What is changed in copies of the inputs."""
    MEMBER = "member"
    """Which files the job reads, and as what."""
    INPUT = "input"
    """The content of a file that both read."""
    ORDER = "order"
    """The order of members or of edits."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One item in which two jobs of a stage differ."""

    kind: DifferenceKind
    """What it is."""
    name: str
    """Reference type, parameter (``step.parameter``), package, file or edit."""
    before: object
    """What it was; None where it was not there."""
    after: object
    """What it is; None where it is not there any more."""
    text: str
    """All of it, in one line."""


def list_differences(
    previous: Job, job: Job, contents: Mapping[str, Content] = MappingProxyType({})
) -> Iterator[Difference]:
    """List how two jobs of one stage differ.

    Only what a fingerprint takes in is listed, so two jobs of one product name
    without differences have the same fingerprint.

    Parameters
    ----------
    contents
        What is known of inputs, by content hash.
    """
    yield from _compare_files(
        DifferenceKind.REFERENCE, previous.references, job.references
    )
    yield from _compare_files(DifferenceKind.PARS, previous.pars, job.pars)
    before, after = (flatten_parameters(each.parameters) for each in (previous, job))
    yield from _compare(DifferenceKind.PARAMETER, before, after)
    yield from _compare(DifferenceKind.VERSION, previous.versions, job.versions)
    yield from _compare_edits(previous, job)
    yield from _compare_inputs(previous, job, contents)


def list_renamed(previous: Job, job: Job) -> Iterator[str]:
    """List references of the same bytes that have another name."""
    for uses, now in (
        (previous.references, job.references),
        (previous.pars, job.pars),
    ):
        before = {use.reftype: use.file for use in uses if use.file}
        for use in now:
            old, new = before.get(use.reftype), use.file
            if old and new and old.sha1 == new.sha1 and old.name != new.name:
                yield f"{use.reftype} {old.name} -> {new.name}"


def list_changed_inputs(previous: Job, job: Job) -> Iterator[tuple[Input, Input]]:
    """List the inputs of one name and role whose content differs."""
    before, after = _by_role(previous), _by_role(job)
    for key in sorted(before.keys() & after.keys()):
        if before[key].content_sha256 != after[key].content_sha256:
            yield before[key], after[key]


def _compare(
    kind: DifferenceKind, before: Mapping[str, object], after: Mapping[str, object]
) -> Iterator[Difference]:
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old != new:
            yield Difference(kind, name, old, new, f"{name} {old} -> {new}")


def _compare_files(
    kind: DifferenceKind, before: Sequence[_Use], after: Sequence[_Use]
) -> Iterator[Difference]:
    """Compare files of CRDS by their bytes; another name alone is no difference."""
    old, new = ({use.reftype: use for use in uses} for uses in (before, after))
    for reftype in sorted({*old, *new}):
        one, other = old.get(reftype), new.get(reftype)
        if _hash(one) != _hash(other):
            names = _name(one), _name(other)
            text = f"{reftype} {names[0]} -> {names[1]}"
            yield Difference(kind, reftype, *names, text)


def _hash(use: _Use | None) -> str | None:
    """Return the sha1; None where there is no such type, empty where it is N/A."""
    if use is None:
        return None
    return use.file.sha1 if use.file else ""


def _name(use: _Use | None) -> str | None:
    if use is None:
        return None
    return f"{use.file.name} ({use.file.sha1[:8]})" if use.file else "N/A"


def _compare_edits(previous: Job, job: Job) -> Iterator[Difference]:
    before, after = (list(map(describe_edit, each.edits)) for each in (previous, job))
    kind = DifferenceKind.EDIT
    for edit in after:
        if edit not in before:
            yield Difference(kind, edit, None, edit, f"new edit {edit}")
    for edit in before:
        if edit not in after:
            yield Difference(kind, edit, edit, None, f"edit {edit} is gone")
    if before != after and sorted(before) == sorted(after):
        yield _reordered("edits", before, after)


def _compare_inputs(
    previous: Job, job: Job, contents: Mapping[str, Content]
) -> Iterator[Difference]:
    before, after = _by_role(previous), _by_role(job)
    kind = DifferenceKind.MEMBER
    for name, exptype in sorted(after.keys() - before.keys()):
        yield Difference(kind, name, None, exptype, f"new {exptype} member {name}")
    for name, exptype in sorted(before.keys() - after.keys()):
        yield Difference(kind, name, exptype, None, f"{exptype} member {name} is gone")
    for old, new in list_changed_inputs(previous, job):
        hashes = old.content_sha256, new.content_sha256
        what = _describe_change(*map(contents.get, hashes))
        text = f"{new.exptype} input {new.name} has changed{what and f': {what}'}"
        yield Difference(DifferenceKind.INPUT, new.name, *hashes, text)
    if list(before) != list(after) and before.keys() == after.keys():
        names = ([name for name, _ in each] for each in (before, after))
        yield _reordered("members", *names)


def _reordered(what: str, before: Sequence[str], after: Sequence[str]) -> Difference:
    text = f"the order of the {what} has changed"
    return Difference(DifferenceKind.ORDER, what, before, after, text)


def _by_role(job: Job) -> dict[tuple[str, str], Input]:
    return {(file.name, file.exptype): file for file in job.inputs}


def _describe_change(old: Content | None, new: Content | None) -> str:
    """Distinguish pixels from cards of the header; empty if that is unknown."""
    if old is None or new is None:
        return ""
    changed = ["pixels"] if old.pixels_sha256 != new.pixels_sha256 else []
    if old.cards is not None and new.cards is not None:
        differing = _compare(DifferenceKind.INPUT, old.cards, new.cards)
        cards = [each.text for each in differing]
        more = [f"{len(cards) - _CARDS} more"] if len(cards) > _CARDS else []
        if cards:
            changed.append(f"header cards {', '.join([*cards[:_CARDS], *more])}")
    return " and ".join(changed) or "metadata, no pixels"
