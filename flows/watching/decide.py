"""Which programs a night runs again: newest science first, within a budget (pure)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from config.subscriptions import Budget

__all__ = ["Basis", "Candidate", "Cost", "Decision", "Due", "decide", "explain"]

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Basis:
    """All that a run of a program rests on, as a watch sees it before."""

    files: int
    """Files of the archive that can be had."""
    withheld: int
    """Files of exclusive access that cannot."""
    content: str
    """Hash of the names, sizes and versions of those that can."""
    context: str
    """CRDS context, by its final name."""
    jwst: str
    """Version of the calibration code."""
    recipe: str
    """Hash of the recipe."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a run is expected to cost."""

    jobs: int = 0
    """Jobs."""
    cpu_s: float = 0.0
    """CPU time."""
    disk_bytes: int = 0
    """Products."""

    def __add__(self, other: "Cost") -> "Cost":
        """Add what another one costs."""
        return Cost(
            self.jobs + other.jobs,
            self.cpu_s + other.cpu_s,
            self.disk_bytes + other.disk_bytes,
        )


@dataclass(frozen=True, slots=True)
class Candidate:
    """A program that a subscription asks for."""

    subscription: str
    """Name of the subscription."""
    program: str
    """Five digits."""
    observations: tuple[str, ...]
    """Three digits each; none means all."""
    recipe: str
    """Name or path of the recipe."""
    newest: datetime | None
    """Begin of its newest exposure, UTC; None if that is not known."""
    basis: Basis
    """What a run would rest on."""
    done: Basis | None = None
    """What the last run that came to its end rested on; None if there is none."""
    is_under_way: bool = False
    """Whether a run of the program is under way, whoever asked for it."""
    cost: Cost = field(default_factory=Cost)
    """What a run is expected to cost."""
    policy: Mapping[str, str] = field(default_factory=dict)
    """What goes before the policy of the site."""
    stale: tuple[str, ...] | None = None
    """Why jobs of it are out of date, by the policy; None if it was not
    judged job by job."""


@dataclass(frozen=True, slots=True)
class Due:
    """A program that is to be run, and why."""

    candidate: Candidate
    """The program."""
    reasons: tuple[str, ...]
    """Why, in words."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a night does."""

    start: tuple[Due, ...]
    """Runs to start, in this order."""
    later: tuple[Due, ...]
    """What is carried over to another night, in the order in which it is due."""
    idle: tuple[Candidate, ...]
    """Programs of which nothing has changed."""


def decide(
    candidates: Sequence[Candidate], budget: Budget, spent: Cost | None = None
) -> Decision:
    """Decide which runs to start.

    Nothing overtakes what does not fit into the budget any more, so that a large
    program gets its turn; one that is larger than the budget runs when the night has
    spent nothing yet. Of two subscriptions that ask for one program, the first one
    of the file comes first and the other on another night: two runs of a program
    would wait for each other.

    Parameters
    ----------
    candidates
        In the order of the subscriptions.
    spent
        What this night has started already.
    """
    total = spent or Cost()
    due = [Due(one, tuple(explain(one))) for one in candidates]
    wanted = [one for one in due if one.reasons]
    # The sort is stable: subscriptions of one program keep their order.
    wanted.sort(key=_order, reverse=True)
    start: list[Due] = []
    later: list[Due] = []
    taken: set[str] = set()
    is_full = False
    for one in wanted:
        candidate = one.candidate
        if candidate.is_under_way or candidate.program in taken:
            later.append(one)
            continue
        taken.add(candidate.program)
        is_full = is_full or not _has_room(budget, total, candidate.cost)
        if is_full:
            later.append(one)
        else:
            total += candidate.cost
            start.append(one)
    idle = tuple(one.candidate for one in due if not one.reasons)
    return Decision(tuple(start), tuple(later), idle)


def explain(candidate: Candidate) -> Iterator[str]:
    """Say what has changed since the last run; nothing if nothing has."""
    now, done = candidate.basis, candidate.done
    if done is None:
        yield f"no run of {candidate.program} with this recipe has come to its end"
        return
    if now.content != done.content:
        yield _explain_files(now, done)
    if now.recipe != done.recipe:
        yield f"recipe {done.recipe[:8]} -> {now.recipe[:8]}"
    if candidate.stale == ():
        return
    if now.context != done.context:
        yield f"context {done.context} -> {now.context}"
    if now.jwst != done.jwst:
        yield f"jwst {done.jwst} -> {now.jwst}"
    yield from candidate.stale or ()


def _explain_files(now: Basis, done: Basis) -> str:
    freed = done.withheld - now.withheld
    if freed > 0 and now.files >= done.files + freed:
        return f"exclusive access to {freed} files ended"
    if now.files == done.files:
        return f"files were replaced in the archive ({now.files} as before)"
    return f"the archive holds {now.files} files instead of {done.files}"


def _order(due: Due) -> tuple[datetime, str]:
    return due.candidate.newest or _LONG_AGO, due.candidate.program


def _has_room(budget: Budget, spent: Cost, cost: Cost) -> bool:
    """Return whether a run fits; the first one of a night does, however large."""
    if spent == Cost():
        return True
    total = spent + cost
    limits = (
        (total.jobs, budget.jobs),
        (total.cpu_s / 3600, budget.cpu_hours),
        (total.disk_bytes / 1e9, budget.disk_gb),
    )
    return all(most is None or taken <= most for taken, most in limits)
