"""The summary of a run: jobs, what failed, caveats, products."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from workers.contract import Caveat

from ..advice import Advice, count_states
from ..models.jobs import StoredJob
from ..models.runs import JobState, Run, RunState
from ..planning import Plan, PlanCost, PlanEntry

__all__ = ["JobLine", "RunSummary", "summarize", "tell_caveats", "tell_kept"]


@dataclass(frozen=True, slots=True)
class JobLine:
    """A job in a summary."""

    key: str
    """``stage:name``."""
    state: JobState
    """What it came to."""
    why: str
    """Why."""
    fingerprint: str | None
    """Identity, if its inputs were known."""
    made_in: str | None
    """CRDS context that its products were made in and that their headers name, which
    may be an earlier one than that of the run; None if there are none."""
    caveats: tuple[Caveat, ...]
    """What the plan knew of it, then what the job itself found."""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a run came to."""

    run: str
    """Id of the run; empty for a dry run."""
    program: str
    """Five digits."""
    recipe: str
    """Name of the recipe."""
    context: str
    """CRDS context."""
    state: RunState
    """SUCCEEDED only if every job succeeded or was reused."""
    folder: str
    """Where the products are, by their canonical names."""
    counts: Mapping[str, int]
    """Jobs by state."""
    jobs: tuple[JobLine, ...]
    """Every job, producers first."""
    caveats: tuple[str, ...]
    """What a scientist must know, with the job that it is about."""
    notes: tuple[str, ...]
    """Exposures that are in no association, and files that were refused, with why."""
    products: tuple[str, ...]
    """File names of the products."""
    peak_bytes: int
    """Largest memory that a job is expected to need, of those due."""
    issues: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Ids of the known issues that apply to its exposures, by state, as of its day:
    `rewebb show` evaluates them anew."""
    cost: PlanCost | None = None
    """What a dry run expects its jobs to take; None of a run."""


def summarize(
    plan: Plan,
    *,
    run: Run,
    folder: str,
    notes: Sequence[str] = (),
    advice: Sequence[Advice] = (),
    cost: PlanCost | None = None,
) -> RunSummary:
    """Summarize a plan as it came out."""
    lines = tuple(_to_line(entry) for entry in plan.entries)
    counts = Counter(str(entry.state) for entry in plan.entries)
    return RunSummary(
        run=run.id,
        program=run.program,
        recipe=run.recipe_name,
        context=run.context,
        state=run.state,
        folder=folder,
        counts=dict(sorted(counts.items())),
        jobs=lines,
        caveats=tuple(
            said for line in lines for said in tell_caveats(line.key, line.caveats)
        ),
        notes=tuple(notes),
        products=tuple(sorted({p.name for job in _done(plan) for p in job.products})),
        peak_bytes=max((entry.estimate_bytes for entry in plan.entries), default=0),
        issues=count_states(advice),
        cost=cost,
    )


def _to_line(entry: PlanEntry) -> JobLine:
    fingerprint = entry.job.fingerprint if entry.job else None
    found = entry.done.caveats if entry.done else ()
    return JobLine(
        key=entry.planned.key,
        state=entry.state,
        why=entry.why,
        fingerprint=fingerprint,
        made_in=entry.done.context if entry.done else None,
        caveats=(*entry.caveats, *found),
    )


def tell_caveats(key: str, caveats: Iterable[Caveat]) -> Iterator[str]:
    """Say the caveats of a job in one line each."""
    return (f"{key}: {caveat.kind}: {caveat.message}" for caveat in caveats)


def tell_kept(plan: Plan) -> Iterator[str]:
    """Say which changes leave jobs as they are recorded, and how many, as policy."""
    counts = Counter(
        (reason.text, str(reason.action))
        for entry in plan.entries
        for reason in entry.kept
    )
    for (text, action), jobs in sorted(counts.items()):
        yield (
            f"{jobs} job{'s' * (jobs != 1)} kept as recorded although: {text} (policy: "
            f"{action}; --force does them again)"
        )


def _done(plan: Plan) -> Iterator[StoredJob]:
    for entry in plan.entries:
        if entry.done is not None:
            yield entry.done
