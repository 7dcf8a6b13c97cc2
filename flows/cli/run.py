"""`rewebb plan` and `rewebb run`."""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..crashes import is_known, to_bug
from ..errors import PlanError
from .interrupts import end_at_once
from .options import (
    AllowPartial,
    Archive,
    AsJson,
    Cluster,
    Context,
    DataDir,
    Force,
    Observations,
    OnlyStage,
    ProgramFile,
    Programs,
    RecipeName,
    StartAt,
    list_programs,
    split,
)
from .output import (
    FAILED,
    REFUSED,
    Listeners,
    announce,
    announce_steps,
    print_json,
    print_rows,
    print_summary,
    say,
    say_counts,
    say_state,
    warn,
    watched,
)

if TYPE_CHECKING:
    from ..reports import RunSummary
    from ..run import Request, Shared

__all__ = [
    "End",
    "plan",
    "run",
    "run_flow",
    "say_unless",
    "start_prefect",
    "to_parameters",
    "work_in_threads",
    "work_on_one",
]

_Work = Callable[[str, Listeners, "Shared | None"], "RunSummary"]
"""Works on a program, and may share a cluster with others."""

_PREFECT = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLIENT_MAX_RETRIES": "3",
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_ROOT_LEVEL": "ERROR",
    "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
}
"""Defaults for Prefect when it is started from here; variables that are set win."""


@dataclass(frozen=True, slots=True)
class End:
    """What one of several programs came to."""

    program: str
    """Five digits."""
    exit_code: int
    """That of a command for this program alone."""
    elapsed_s: float
    """Wall time."""
    summary: "RunSummary | None"
    """None if nothing could be done."""
    error: str | None
    """Why nothing could be done."""


def plan(
    programs: Programs = None,
    *,
    file: ProgramFile = None,
    archive: Archive = None,
    observations: Observations = None,
    recipe: RecipeName = "official",
    context: Context = None,
    data_dir: DataDir = None,
    allow_partial: AllowPartial = False,
    start_at: StartAt = "detector1",
    only_stage: OnlyStage = None,
    force: Force = False,
    slots: Annotated[
        int | None,
        typer.Option(
            "--slots",
            min=1,
            help="Jobs at a time that the wall time is for; by default those of the "
            "cluster.",
        ),
    ] = None,
    cluster: Cluster = None,
    as_json: AsJson = False,
) -> None:
    """Show what a run would do, why, and what it would cost, without doing it.

    Exit code 1 when some jobs cannot run, 2 when nothing could be planned.
    """
    from config.recipe import load_recipe
    from config.settings import load_settings
    from workers.contract import Stage

    from ..run import Request, Shared, plan_only

    settings = load_settings(archive=archive, data_dir=data_dir, cluster=cluster)
    settings.find_profile()
    load_recipe(recipe)
    requests = {
        program: Request(
            program,
            split(observations),
            recipe,
            context,
            allow_partial,
            Stage(start_at),
            force=force,
            only_stage=Stage(only_stage) if only_stage else None,
        )
        for program in list_programs(programs, file)
    }

    def work(
        program: str, listeners: Listeners, shared: "Shared | None"
    ) -> "RunSummary":
        step = announce_steps(listeners)
        return plan_only(
            settings, requests[program], slots=slots, step=step, shared=shared
        )

    if len(requests) == 1 and file is None:
        work_on_one(work, *requests, as_json=as_json)
    shared = Shared(settings, read_only=True, tell=say_unless(quiet=as_json))
    _work_on_all(work, list(requests), shared, as_json=as_json, at_once=1)


def run(
    programs: Programs = None,
    *,
    file: ProgramFile = None,
    archive: Archive = None,
    observations: Observations = None,
    recipe: RecipeName = "official",
    context: Context = None,
    data_dir: DataDir = None,
    allow_partial: AllowPartial = False,
    start_at: StartAt = "detector1",
    only_stage: OnlyStage = None,
    force: Force = False,
    cluster: Cluster = None,
    dry_run: bool = typer.Option(False, "--dry-run", help="The same as `rewebb plan`."),
    at_once: int = typer.Option(
        8, "--at-once", min=1, help="Programs that are under way at once."
    ),
    as_json: AsJson = False,
) -> None:
    """Reprocess programs, each in a run of the Prefect flow `reprocess-program`.

    Several programs share one cluster and take turns on it, eight at once; one that
    fails does not stop the others. The server is that of PREFECT_API_URL, else one of
    Prefect's own for the time of the command. Exit code 1 when jobs failed or were
    blocked, 2 when nothing could be done.
    """
    from config.recipe import load_recipe
    from config.settings import load_settings

    from ..factory import open_database
    from ..run import Request, Shared

    options = {
        "recipe": recipe,
        "context": context,
        "archive": archive,
        "data_dir": data_dir,
        "allow_partial": allow_partial,
        "start_at": start_at,
        "only_stage": only_stage,
        "force": force,
        "cluster": cluster,
    }
    if dry_run:
        given = {"file": file, "observations": observations, "as_json": as_json}
        plan(programs, **given, **options)  # type: ignore[arg-type]  # just parsed
        return
    settings = load_settings(archive=archive, data_dir=data_dir, cluster=cluster)
    settings.find_profile()  # it is refused before Prefect starts
    load_recipe(recipe)
    asked = split(observations)
    wanted = list_programs(programs, file)
    for program in wanted:
        Request(program, asked)  # ids are refused before Prefect starts

    def work(
        program: str, listeners: Listeners, shared: "Shared | None"
    ) -> "RunSummary":
        parameters = {"program": program, "observations": list(asked), **options}
        return run_flow(parameters, listeners, shared=shared)

    start_prefect(quiet=as_json)
    folder = settings.data_dir
    if len(wanted) == 1 and file is None:
        work_on_one(work, wanted[0], as_json=as_json, folder=folder)
    with open_database(settings):
        pass  # alembic, which may upgrade it, works in one thread only
    shared = Shared(settings, tell=say_unless(quiet=as_json))
    _work_on_all(work, wanted, shared, as_json=as_json, folder=folder, at_once=at_once)


def say_unless(*, quiet: bool) -> Callable[[str], object]:
    """Give what says a line of the cluster, or nothing."""
    return (lambda _: None) if quiet else announce


def work_on_one(
    work: _Work, program: str, *, as_json: bool, folder: Path | None = None
) -> None:
    """Work on a program, print what it came to, and exit."""
    with watched(quiet=as_json) as listen:
        summary = work(program, listen(program), None)
    if as_json:
        print_json(summary)
    else:
        print_summary(summary)
        if folder is not None:
            say(f"products: {folder / summary.folder}")
    raise typer.Exit(_to_exit_code(summary))


def _work_on_all(
    work: _Work,
    programs: Sequence[str],
    shared: "Shared",
    *,
    as_json: bool,
    folder: Path | None = None,
    at_once: int,
) -> None:
    """Work on programs in threads, print one summary, and exit.

    Parameters
    ----------
    folder
        The data folder, if there are products.
    """
    ends = work_in_threads(work, programs, shared, quiet=as_json, at_once=at_once)
    codes = {end.exit_code for end in ends}
    exit_code = codes.pop() if len(codes) == 1 else FAILED
    if as_json:
        print_json({"exit_code": exit_code, "programs": ends})
    else:
        _print_ends(ends, folder)
    raise typer.Exit(exit_code)


def work_in_threads(
    work: _Work,
    programs: Sequence[str],
    shared: "Shared",
    *,
    quiet: bool,
    at_once: int,
) -> list[End]:
    """Work on programs in threads, and say of each that it has come to its end.

    Parameters
    ----------
    shared
        Ends all of them when this thread is interrupted.
    at_once
        Programs that are under way at once.
    """
    elapsed_s: dict[str, float] = {}
    ends: dict[str, End] = {}

    def do(program: str) -> "RunSummary":
        started_s, listeners = time.monotonic(), listen(program)
        try:
            return work(program, listeners, shared)
        finally:
            elapsed_s[program] = round(time.monotonic() - started_s, 1)
            listeners.steps("")

    with watched(quiet=quiet) as listen, shared:
        # Not left by `with`: that would wait for threads, which may wait for anything.
        pool = ThreadPoolExecutor(at_once, "program")
        futures = {pool.submit(do, program): program for program in programs}
        for future in as_completed(futures):
            program = futures[future]
            ends[program] = _to_end(program, future, elapsed_s[program])
            if not quiet:
                announce(_say_end(ends[program]))
    return [ends[program] for program in programs]


def _to_end(program: str, future: "Future[RunSummary]", elapsed_s: float) -> End:
    """Return what a thread came to; an error ends its own program alone."""
    error = future.exception()
    if error is None:
        summary = future.result()
        return End(program, _to_exit_code(summary), elapsed_s, summary, None)
    if not isinstance(error, Exception):
        raise error
    said = str(error if is_known(error) else to_bug(error))
    return End(program, REFUSED, elapsed_s, None, said)


def _to_exit_code(summary: "RunSummary") -> int:
    return 0 if summary.state == "SUCCEEDED" else FAILED


def _say_end(end: End) -> str:
    if end.summary is None:
        return f"{end.program}: error: {end.error}"
    return f"{end.program}: {say_counts(end.summary)} in {end.elapsed_s:.0f} s"


def _print_ends(ends: Sequence[End], folder: Path | None) -> None:
    """Print a line for each program, and why nothing could be done for some."""
    made = [end.summary for end in ends if end.summary]
    states = sorted({state for summary in made for state in summary.counts})
    titles = [say_state(state, is_plan=folder is None) for state in states]
    rows = []
    for end in ends:
        counts = end.summary.counts if end.summary else {}
        row = [end.program, *(counts.get(name, 0) for name in states)]
        row.append(f"{end.elapsed_s:.0f} s")
        if folder is not None:
            row.append(folder / end.summary.folder if end.summary else "error")
        rows.append(row)
    last = [] if folder is None else ["products"]
    print_rows(["program", *titles, "time", *last], rows)
    say()
    for end in ends:
        if end.error:
            say(f"error: program {end.program}: {end.error}")
    sound = sum(end.exit_code == 0 for end in ends)
    say(f"{sound} of {len(ends)} programs have no job that failed or was blocked")


def to_parameters(request: "Request") -> dict[str, Any]:
    """Make the parameters of the flow that ask for the same."""
    return {
        "program": request.program,
        "observations": [*request.observations],
        "recipe": request.recipe,
        "context": request.context,
        "allow_partial": request.allow_partial,
        "start_at": str(request.start_at),
        "jobs": [*request.jobs],
        "retries": request.retries,
        "force": request.force,
        "policy": {**request.policy} or None,
        "only_stage": str(request.only_stage) if request.only_stage else None,
    }


def start_prefect(*, quiet: bool) -> None:
    """Start a Prefect server for the time of the command, unless one is set.

    Raises
    ------
    PlanError
        It does not start.
    """
    for name, value in _PREFECT.items():
        os.environ.setdefault(name, value)
    from ..prefect_server import ensure_server

    with watched(quiet=quiet) as listen:
        listen("").steps("start")
        ensure_server(_load_flow)


def _load_flow() -> None:
    """Load the flow, which takes seconds, and cannot be done in a thread."""
    import flows.reprocess  # noqa: F401


def run_flow(
    parameters: dict[str, Any],
    listeners: Listeners,
    *,
    shared: "Shared | None" = None,
) -> "RunSummary":
    """Run the flow here, and give its summary.

    Raises
    ------
    RewebbError, ConfigError
        Nothing could be done.
    """
    from ..reprocess import CALLER, Caller

    ends: list[RunSummary | Exception] = []
    caller = Caller(
        on_job=listeners.jobs,
        on_file=listeners.files,
        on_cluster=listeners.cluster,
        on_step=listeners.steps,
        on_end=ends.append,
        shared=shared,
    )
    context = copy_context()
    context.run(CALLER.set, caller)
    untold = context.run(_call_flow, parameters, ends)
    if not ends:
        raise PlanError(
            f"Prefect did not run the flow ({untold}); is there a server at "
            f"{os.environ.get('PREFECT_API_URL', 'the API URL of its profile')}?"
        )
    if untold:
        warn(f"Prefect could not be told of the end of the run ({untold})")
        end_at_once()
    if isinstance(ends[0], Exception):
        raise ends[0]
    return ends[0]


def _call_flow(parameters: dict[str, Any], ends: "Sequence[object]") -> str:
    """Call the flow; return an error of Prefect itself as text.

    What it raises that is no end of the run which it has told is raised.
    """
    import httpx
    from prefect.exceptions import PrefectException

    from ..reprocess import reprocess_program

    try:
        state = reprocess_program(**parameters, return_state=True)
    except (httpx.HTTPError, PrefectException) as error:
        return f"{type(error).__name__}: {error}"
    result = state.result(raise_on_failure=False)
    is_told = bool(ends) or state.is_cancelled()
    if isinstance(result, BaseException) and not is_told:
        raise result
    return ""
