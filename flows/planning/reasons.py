"""Why a recorded job is not what would be made now, and what the policy says to it.

The references of a job are those that its steps use with its parameters, so a step that
is skipped is no reason.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from packaging.version import InvalidVersion, Version

from config.policy import Action, Policy
from workers.contract import Caveat, CaveatKind, Job

from .binding import take_fingerprint
from .differences import Difference, DifferenceKind, list_differences
from .graph import PlannedJob

__all__ = [
    "Cause",
    "Nearest",
    "Reason",
    "find_nearest",
    "list_kept_caveats",
    "list_reasons",
    "say_reasons",
]

_OF_JWST = frozenset({"jwst", "stcal", "stdatamodels", "stpipe"})
"""Packages that are released with jwst."""


class Cause(StrEnum):
    """Why a job is stale besides differences between two jobs."""

    UPSTREAM = "upstream"
    """A job whose products it reads is done again, and may come out otherwise."""
    GONE = "gone"
    """Its products are not in the store, or damaged."""
    HASHES = "hashes"
    """Its hashes of content are those of another version of Rewebb."""
    TO_FETCH = "to_fetch"
    """What it needs is not here, so what it would come to is not known."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a job is not what would be made now."""

    kind: DifferenceKind | Cause
    """What it is."""
    name: str
    """Reference type, parameter (``step.parameter``), package, file or job."""
    before: object
    """What it was; None where it was not there."""
    after: object
    """What it is; None where it is not there any more."""
    text: str
    """All of it, in one line."""
    action: Action
    """What follows from it, as the policy says."""


@dataclass(frozen=True, slots=True)
class Nearest:
    """The recorded job that is the most like one that would be made now."""

    job: Job
    """The recorded job."""
    reasons: tuple[Reason, ...]
    """How they differ."""

    @property
    def is_kept(self) -> bool:
        """Whether the policy lets it stay."""
        return all(reason.action is not Action.RERUN for reason in self.reasons)


def find_nearest(
    planned: PlannedJob, job: Job, earlier: Sequence[Job], policy: Policy
) -> Nearest | None:
    """Find the recorded job that a run would have the least reason to do again.

    None if there is none whose hashes can be compared. Of several the newest is taken.

    Parameters
    ----------
    job
        What would be made now.
    earlier
        Recorded successes of its name, newest first.
    """
    alike = (one for one in earlier if take_fingerprint(one) == one.fingerprint)
    found = [Nearest(e, (*list_reasons(planned, e, job, policy),)) for e in alike]
    return min(found, key=_weigh, default=None)


def _weigh(nearest: Nearest) -> tuple[int, int]:
    actions = [reason.action for reason in nearest.reasons]
    return actions.count(Action.RERUN), len(actions)


def list_reasons(
    planned: PlannedJob, earlier: Job, job: Job, policy: Policy
) -> Iterator[Reason]:
    """List how a recorded job differs from the one that would be made now."""
    made = {file.name for file in planned.inputs if file.producer is not None}
    for each in list_differences(earlier, job):
        yield Reason(
            each.kind,
            each.name,
            each.before,
            each.after,
            _describe(each, earlier, job, made),
            _choose(each, policy, made),
        )


def say_reasons(reasons: Sequence[Reason]) -> str:
    """Say reasons in one line."""
    return "; ".join(reason.text for reason in reasons)


def list_kept_caveats(kept: Sequence[Reason]) -> Iterator[Caveat]:
    """List what a scientist must know of a job that stays as it is recorded.

    The same is said of all that is made from it.
    """
    reported = [reason for reason in kept if reason.action is Action.REPORT]
    if reported:
        changes = say_reasons(reported)
        message = f"what was made before is kept, as the policy says: {changes}"
        yield Caveat(CaveatKind.MIXED_PROVENANCE, message)


def _choose(difference: Difference, policy: Policy, made: Collection[str]) -> Action:
    """Choose what follows from a difference; what jobs have made always counts."""
    match difference.kind:
        case DifferenceKind.REFERENCE:
            return policy.references
        case DifferenceKind.PARS | DifferenceKind.PARAMETER:
            return policy.parameters
        case DifferenceKind.MEMBER | DifferenceKind.ORDER:
            return policy.members
        case DifferenceKind.EDIT:
            return policy.edits
        case DifferenceKind.INPUT:
            return Action.RERUN if difference.name in made else policy.inputs
        case DifferenceKind.VERSION:
            return _choose_version(difference, policy)
        case _:
            assert_never(difference.kind)


def _choose_version(difference: Difference, policy: Policy) -> Action:
    level = _find_level(str(difference.before), str(difference.after))
    actions: Mapping[tuple[bool, int], Action] = {
        (True, 0): policy.jwst_major,
        (True, 1): policy.jwst_minor,
        (True, 2): policy.jwst_patch,
        (False, 0): policy.packages_major,
        (False, 1): policy.packages_minor,
        (False, 2): policy.packages_patch,
    }
    return actions[difference.name in _OF_JWST, level]


def _find_level(before: str, after: str) -> int:
    """Find which number of two versions differs first: 0, 1, or 2 for all that follow.

    A package that comes or goes, and what is no version, counts as 0; of what was not
    released as such, a development version or a build of one's own, any change does as
    1.
    """
    try:
        old, new = Version(before), Version(after)
    except InvalidVersion:
        return 0
    if (old.epoch, old.major) != (new.epoch, new.major):
        return 0
    if old.minor != new.minor or _is_unreleased(old) or _is_unreleased(new):
        return 1
    return 2


def _is_unreleased(version: Version) -> bool:
    return version.is_prerelease or version.local is not None


def _describe(
    difference: Difference, earlier: Job, job: Job, made: Collection[str]
) -> str:
    """Say a difference in one line, with what has set a parameter."""
    name, before, after = difference.name, difference.before, difference.after
    match difference.kind:
        case DifferenceKind.REFERENCE | DifferenceKind.PARS:
            return f"reference {name} {_say_files(before, after)}"
        case DifferenceKind.PARAMETER:
            origin = _say_origin(name, earlier, job)
            return f"parameter {job.stage}.{name} {before!r} -> {after!r} ({origin})"
        case DifferenceKind.MEMBER:
            change, role = ("removed", before) if after is None else ("added", after)
            shown = "" if role == "science" else f" ({role})"
            return f"member {change} {name}{shown}"
        case DifferenceKind.INPUT if name in made:
            return f"input {name} was made anew and differs"
        case DifferenceKind.INPUT:
            return f"input replaced in the archive: {name}"
        case _:
            return difference.text


def _say_files(before: object, after: object) -> str:
    """Name two files of CRDS; of the second only what is not in the first.

    Differences name files with the begin of their sha1, which only matters where one
    name stands for two contents.
    """
    if before is None or after is None:
        return f"{_say_file(before)} -> {_say_file(after)}"
    old, _, old_sha1 = str(before).partition(" ")
    new, _, new_sha1 = str(after).partition(" ")
    if old == new:
        return f"{old} {old_sha1} -> {new_sha1}"
    stem, mark, number = new.rpartition("_")
    is_series = old.rpartition("_")[0] == stem
    return f"{old} -> {mark}{number}" if mark and is_series else f"{old} -> {new}"


def _say_file(name: object) -> str:
    return "not used" if name is None else str(name).partition(" ")[0]


def _say_origin(name: str, earlier: Job, job: Job) -> str:
    """Say what sets a parameter now, or what has set it before."""
    if now := _find_origin(name, job):
        return now
    before = _find_origin(name, earlier)
    return f"default of jwst, no longer {before}" if before else "default of jwst"


def _find_origin(name: str, job: Job) -> str:
    """Find the type of the ``pars-*`` file, or the recipe; empty for a default."""
    origin = (job.origins or {}).get(name, "")
    kind, _, source = origin.partition(" ")
    types = (use.reftype for use in job.pars if use.file.name == source)
    return next(types, origin) if kind == "pars" else origin
