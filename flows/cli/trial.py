"""`rewebb trial`: a sample of what is out of date made anew, and what came of it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..models.runs import JobState
from .diff import list_products
from .options import Archive, AsJson, Cluster, Context, DataDir, Force, Programs
from .output import FAILED, REFUSED, print_json, print_lines, print_rows, say, warn
from .run import (
    End,
    run_flow,
    say_unless,
    start_prefect,
    to_parameters,
    work_in_threads,
)
from .stale import AllRecorded, OfRecipe, ask, find_programs, judge_programs

if TYPE_CHECKING:
    from config.settings import Settings

    from ..planning import SampledJob
    from ..provenance import Database
    from ..reports import ProductDifference, RunSummary
    from ..run import RecordedProgram, Shared, StaleProgram
    from .output import Listeners

__all__ = ["trial"]

_DONE = frozenset({JobState.SUCCEEDED, JobState.REUSED})


@dataclass(frozen=True, slots=True)
class _Tried:
    """A job of the sample, and what came of it."""

    job: "SampledJob"
    """The job, as it is recorded."""
    state: str
    """What it came to now."""
    fingerprint: str | None
    """What it is now; None if it did not come to be known."""
    products: "tuple[ProductDifference, ...]"
    """How its products are like those that are recorded."""

    @property
    def is_same(self) -> bool:
        """Whether no pixel differs."""
        return self.state in _DONE and all(
            each.has_same_pixels for each in self.products
        )


def trial(
    programs: Programs = None,
    *,
    all_recorded: AllRecorded = False,
    sample: Annotated[
        int, typer.Option(min=1, help="How many jobs are made anew, at most.")
    ] = 20,
    recipe: OfRecipe = None,
    context: Context = None,
    force: Force = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say which jobs, and what they cost.")
    ] = False,
    archive: Archive = None,
    data_dir: DataDir = None,
    cluster: Cluster = None,
    as_json: AsJson = False,
) -> None:
    """Make a sample of what is out of date anew, and compare it with what is recorded.

    The jobs are of all modes and gratings in turn. What they come to is kept, and used
    by the run that follows. With a cluster profile whose workers have another jwst it
    is a trial of that. Exit code 1 when a job failed or a program could not be judged,
    2 when nothing could be tried.
    """
    from config.settings import load_settings

    from ..planning import choose_sample

    settings = load_settings(archive=archive, data_dir=data_dir, cluster=cluster)
    settings.find_profile()
    recorded = find_programs(settings, programs or [], recipe, is_all=all_recorded)
    wanted = [ask(each, context, force=force) for each in recorded]
    judged, errors = judge_programs(
        settings, wanted, jwst=None, slots=None, quiet=as_json
    )
    for program, error in errors.items():
        warn(f"program {program} could not be judged: {error}")
    if not judged:
        raise typer.Exit(REFUSED)
    by_program = {one.program: (one.jobs, one.plan.entries) for one in judged}
    chosen = choose_sample(by_program, sample)
    if dry_run or not chosen:
        _print_chosen(chosen, judged, as_json=as_json)
        raise typer.Exit(FAILED if errors else 0)
    requests = {each.request.program: each for each in wanted}
    given = {"archive": archive, "data_dir": data_dir, "cluster": cluster}
    ends = _run(settings, requests, chosen, given, quiet=as_json)
    tried = _compare(settings, chosen, ends)
    if as_json:
        print_json(_to_record(tried, judged, ends))
    else:
        _print_tried(tried, judged, ends)
    is_whole = not errors and all(one.state in _DONE for one in tried)
    raise typer.Exit(0 if is_whole else FAILED)


def _run(
    settings: "Settings",
    wanted: "Mapping[str, RecordedProgram]",
    chosen: "Sequence[SampledJob]",
    given: Mapping[str, object],
    *,
    quiet: bool,
) -> list[End]:
    """Run the jobs that were chosen, with all that they need."""
    from ..factory import open_database
    from ..run import Shared

    keys: dict[str, list[str]] = defaultdict(list)
    for job in chosen:
        keys[job.program].append(job.key)

    def work(
        program: str, listeners: "Listeners", shared: "Shared | None"
    ) -> "RunSummary":
        request = replace(wanted[program].request, jobs=tuple(keys[program]))
        parameters = {**to_parameters(request), **given}
        return run_flow(parameters, listeners, shared=shared)

    start_prefect(quiet=quiet)
    with open_database(settings):
        pass  # alembic, which may upgrade it, works in one thread only
    shared = Shared(settings, tell=say_unless(quiet=quiet))
    return work_in_threads(work, [*keys], shared, quiet=quiet, at_once=8)


def _compare(
    settings: "Settings", chosen: "Sequence[SampledJob]", ends: Sequence[End]
) -> list[_Tried]:
    from ..factory import open_records

    lines = {
        (end.program, line.key): line
        for end in ends
        if end.summary
        for line in end.summary.jobs
    }
    folder = settings.data_dir.absolute()
    with open_records(settings) as database:
        tried = []
        for job in chosen:
            line = lines.get((job.program, job.key))
            now = line.fingerprint if line and line.state in _DONE else None
            products = _compare_products(database, folder, job.fingerprint, now)
            state = str(line.state) if line else "not run"
            tried.append(_Tried(job, state, now, products))
    return tried


def _compare_products(
    database: "Database", folder: Path, before: str, after: str | None
) -> "tuple[ProductDifference, ...]":
    from ..reports import compare_products

    if after is None:
        return ()
    first, second = (list_products(database, folder, one) for one in (before, after))
    return compare_products(first, second)


def _print_chosen(
    chosen: "Sequence[SampledJob]", judged: "Sequence[StaleProgram]", *, as_json: bool
) -> None:
    cost_s = _find_cost_s(chosen, judged)
    if as_json:
        due_s = sum(one.cost.cpu_s for one in judged)
        print_json({"jobs": chosen, "cpu_s": cost_s, "due_cpu_s": due_s})
        return
    if not chosen:
        say("No recorded job is out of date: there is nothing to try.")
        return
    rows = [(str(job.kind), job.program, job.key, job.why) for job in chosen]
    print_rows(("kind", "program", "job", "why"), rows)
    say()
    say(
        f"{_count(len(chosen))} would be made anew, in {cost_s / 3600:.2f} CPU-hours; "
        f"{_say_due(judged)}"
    )


def _find_cost_s(
    chosen: "Sequence[SampledJob]", judged: "Sequence[StaleProgram]"
) -> float:
    from ..planning import find_sample_cost_s

    return sum(
        find_sample_cost_s(
            one.plan.entries, [job.key for job in chosen if job.program == one.program]
        )
        for one in judged
    )


def _say_due(judged: "Sequence[StaleProgram]") -> str:
    jobs = sum(one.cost.jobs for one in judged)
    hours = sum(one.cost.cpu_s for one in judged) / 3600
    verb = "is" if jobs == 1 else "are"
    return f"{_count(jobs)} {verb} due, of {hours:.2f} CPU-hours"


def _count(number: int) -> str:
    return f"{number} job{'s' * (number != 1)}"


def _print_tried(
    tried: Sequence[_Tried], judged: "Sequence[StaleProgram]", ends: Sequence[End]
) -> None:
    rows = [
        (str(one.job.kind), one.job.key, _say_outcome(one), one.job.why)
        for one in tried
    ]
    print_rows(("kind", "job", "what came of it", "why it was due"), rows)
    say()
    for end in ends:
        if end.error:
            say(f"error: program {end.program}: {end.error}")
    counts = _count_kinds(tried)
    table = [
        (kind, done, same, different, of)
        for kind, (done, same, different, of) in counts.items()
    ]
    print_rows(("kind", "made", "same pixels", "other pixels", "due"), table)
    say()
    pairs = [
        f"rewebb diff {one.job.fingerprint[:12]} {one.fingerprint[:12]}"
        for one in tried
        if one.fingerprint and not one.is_same
    ]
    print_lines("in full", pairs)
    say(_say_due(judged))


def _say_outcome(one: _Tried) -> str:
    """Say how the products of a job differ: the first array of each that does.

    Science data come before their errors.
    """
    if one.state not in _DONE:
        return one.state
    if one.is_same:
        return "the same pixels"
    said = []
    for product in one.products:
        if product.has_same_pixels:
            continue
        if product.sameness != "DIFFERENT":
            said.append(f"{product.name} {product.sameness}")
            continue
        first = next((each for each in product.arrays if each.values), None)
        suffix = product.name.rpartition("_")[2].removesuffix(".fits")
        told = f"{first.part}: {first.message}" if first else product.why_not
        said.append(f"{suffix} {told or 'differs'}")
    return "; ".join(said)


def _count_kinds(tried: Sequence[_Tried]) -> dict[str, tuple[int, int, int, int]]:
    """Count, by kind, what was made, came out the same and did not, and is due."""
    counts: dict[str, tuple[int, int, int, int]] = {}
    for one in tried:
        kind = str(one.job.kind)
        made, same, different, _ = counts.get(kind, (0, 0, 0, 0))
        is_made = one.state in _DONE
        counts[kind] = (
            made + is_made,
            same + one.is_same,
            different + (is_made and not one.is_same),
            one.job.of,
        )
    return counts


def _to_record(
    tried: Sequence[_Tried], judged: "Sequence[StaleProgram]", ends: Sequence[End]
) -> dict[str, Any]:
    return {
        "jobs": [
            {
                "program": one.job.program,
                "key": one.job.key,
                "kind": str(one.job.kind),
                "why": one.job.why,
                "state": one.state,
                "before": one.job.fingerprint,
                "after": one.fingerprint,
                "same_pixels": one.is_same,
                "products": one.products,
            }
            for one in tried
        ],
        "due": {
            "jobs": sum(one.cost.jobs for one in judged),
            "cpu_s": sum(one.cost.cpu_s for one in judged),
        },
        "errors": {end.program: end.error for end in ends if end.error},
    }
