"""`rewebb stale`: what of all that is recorded is out of date, and by what."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from config.errors import ConfigError
from workers.errors import WorkerError

from ..errors import RewebbError
from .options import Archive, AsJson, Cluster, Context, DataDir, Force, Programs
from .output import (
    FAILED,
    REFUSED,
    announce_steps,
    fail,
    print_json,
    print_lines,
    print_rows,
    say,
    say_cost,
    warn,
    watched,
)

if TYPE_CHECKING:
    from config.settings import Settings

    from ..run import RecordedProgram, StaleProgram

__all__ = [
    "AllRecorded",
    "OfRecipe",
    "ask",
    "find_programs",
    "judge_programs",
    "stale",
]

AllRecorded = Annotated[
    bool, typer.Option("--all", help="All programs that are recorded.")
]
OfRecipe = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        help="Name of the recipe whose runs are meant; else that of the last run.",
    ),
]


def stale(
    programs: Programs = None,
    *,
    all_recorded: AllRecorded = False,
    recipe: OfRecipe = None,
    context: Context = None,
    jwst: Annotated[
        str | None,
        typer.Option(
            help="Judge as if the workers had this version of jwst.", metavar="VERSION"
        ),
    ] = None,
    force: Force = False,
    slots: Annotated[
        int | None,
        typer.Option(
            min=1, help="Jobs at a time that the wall time is for; else all slots."
        ),
    ] = None,
    archive: Archive = None,
    data_dir: DataDir = None,
    cluster: Cluster = None,
    as_json: AsJson = False,
) -> None:
    """Say which recorded jobs are out of date, by what, and what it costs to mend it.

    Each program is judged as its last run asked for it, with what is found now; nothing
    is fetched or changed. Exit code 1 when a program could not be judged, or some jobs
    could not run, 2 when nothing could be judged.
    """
    from config.settings import load_settings

    if jwst is not None:
        _check_version(jwst)
    settings = load_settings(archive=archive, data_dir=data_dir, cluster=cluster)
    settings.find_profile()
    wanted = find_programs(settings, programs or [], recipe, is_all=all_recorded)
    judged, errors = judge_programs(
        settings,
        [ask(each, context, force=force) for each in wanted],
        jwst=jwst,
        slots=slots,
        quiet=as_json,
    )
    if as_json:
        print_json(_to_record(judged, errors))
    else:
        _print(judged, errors)
    if not judged:
        raise typer.Exit(REFUSED)
    blocked = any(job.staleness == "BLOCKED" for one in judged for job in one.jobs)
    raise typer.Exit(FAILED if errors or blocked else 0)


def _check_version(version: str) -> None:
    from packaging.version import InvalidVersion, Version

    try:
        Version(version)
    except InvalidVersion:
        fail(f"{version!r} is not a version: expected one such as 3.0.1")


def find_programs(
    settings: "Settings", programs: Sequence[str], recipe: str | None, *, is_all: bool
) -> "list[RecordedProgram]":
    """Find what is recorded of the programs that are asked for."""
    from ..factory import open_records
    from ..names import check_program
    from ..run import find_recorded

    if bool(programs) == is_all:
        raise typer.BadParameter("Give programs, or --all.")
    for program in programs:
        check_program(program)
    with open_records(settings) as database:
        if is_all:
            runs = database.runs.list_runs(limit=None)
            programs = sorted({run.program for run in runs})
        found = {
            program: find_recorded(database, program, recipe=recipe)
            for program in dict.fromkeys(programs)
        }
    with_recipe = f" with recipe {recipe}" if recipe else ""
    for program, each in found.items():
        if each is None and not is_all:
            fail(
                f"No run of program {program}{with_recipe} has come to any job: "
                f"`rewebb plan {program}` says what a run would do."
            )
    known = [each for each in found.values() if each is not None]
    if not known:
        fail(f"No run{with_recipe} in {settings.data_dir} has come to any job.")
    return known


def ask(
    recorded: "RecordedProgram", context: str | None, *, force: bool
) -> "RecordedProgram":
    """Ask for a program as its last run did, in another context."""
    from dataclasses import replace

    asked = replace(recorded.request, context=context, force=force)
    return replace(recorded, request=asked)


def judge_programs(
    settings: "Settings",
    wanted: "Sequence[RecordedProgram]",
    *,
    jwst: str | None,
    slots: int | None,
    quiet: bool,
) -> "tuple[list[StaleProgram], dict[str, str]]":
    """Judge programs one after the other; an error ends its own program alone."""
    from ..run import Shared, judge_only

    judged: list[StaleProgram] = []
    errors: dict[str, str] = {}
    shared = Shared(settings, read_only=True)
    with watched(quiet=quiet) as listen, shared:
        for each in wanted:
            program = each.request.program
            listeners = listen(program if len(wanted) > 1 else "")
            step = announce_steps(listeners)
            try:
                found = judge_only(
                    settings, each, jwst=jwst, slots=slots, step=step, shared=shared
                )
            except (RewebbError, ConfigError, WorkerError) as error:
                errors[program] = str(error)
            else:
                judged.append(found)
            listeners.steps("")
    return judged, errors


def _print(judged: "Sequence[StaleProgram]", errors: dict[str, str]) -> None:
    rows = [
        (job.key, job.staleness, job.why)
        for one in judged
        for job in one.jobs
        if job.staleness != "CURRENT"
    ]
    if rows:
        print_rows(("job", "stands", "why"), rows)
    notes = dict.fromkeys(note for one in judged for note in one.notes)
    print_lines("notes", (*_tell_left(judged), *notes))
    for program, error in errors.items():
        warn(f"program {program} could not be judged: {error}")
    if not judged:
        return
    say()
    counts = _count(judged)
    jobs = f"{counts.total()} job{'s' * (counts.total() != 1)}"
    contexts = ", ".join(dict.fromkeys(one.context for one in judged))
    of = f"{_name([one.program for one in judged])} in {contexts}"
    if counts.keys() == {"CURRENT"}:
        say(f"Nothing is out of date: {jobs} of {of} {_is(counts.total())} current.")
        return
    if any(job.is_due for one in judged for job in one.jobs):
        say(f"cost: {say_cost(_sum(judged))}")
    told = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    say(f"{jobs} of {of}: {told}")


def _is(count: int) -> str:
    return "is" if count == 1 else "are"


def _name(programs: Sequence[str]) -> str:
    """Name a few programs, or count many."""
    count = len(programs)
    return f"{count} programs" if count > 3 else f"program {', '.join(programs)}"


def _tell_left(judged: "Iterable[StaleProgram]") -> list[str]:
    """Say what the policy leaves as it is recorded."""
    left = Counter(
        (reason.text, str(reason.action))
        for one in judged
        for job in one.jobs
        if not job.is_due
        for reason in job.reasons
    )
    return [
        f"{count} job{'s' * (count != 1)} would stay as recorded although: {text} "
        f"(policy: {action})"
        for (text, action), count in sorted(left.items())
    ]


def _count(judged: "Iterable[StaleProgram]") -> Counter[str]:
    return Counter(str(job.staleness) for one in judged for job in one.jobs)


def _sum(judged: "Sequence[StaleProgram]") -> Any:
    """Add up what all programs cost on the same slots."""
    from ..planning import Plan, sum_costs

    entries = tuple(entry for one in judged for entry in one.plan.entries)
    fetched = sum(one.cost.download_bytes for one in judged)
    return sum_costs(Plan(entries), slots=judged[0].cost.slots, download_bytes=fetched)


def _to_record(
    judged: "Sequence[StaleProgram]", errors: dict[str, str]
) -> dict[str, Any]:
    return {
        "counts": dict(sorted(_count(judged).items())),
        "cost": _sum(judged) if judged else None,
        "programs": [_to_plain(one) for one in judged],
        "errors": errors,
    }


def _to_plain(one: "StaleProgram") -> dict[str, Any]:
    """Turn what is judged into what is printed; the plan is not."""
    from dataclasses import replace

    from ..planning import Plan

    record = asdict(replace(one, plan=Plan(())))
    del record["plan"]
    return record
