"""`rewebb plan` and `rewebb run`."""

import os
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import typer

from flows.errors import PlanError

from .interrupts import end_at_once
from .options import (
    AllowPartial,
    Archive,
    AsJson,
    Context,
    DataDir,
    Observations,
    Program,
    RecipeName,
    StartAt,
    split,
)
from .output import (
    FAILED,
    print_json,
    print_summary,
    said_in_one_sentence,
    say,
    warn,
    watched,
)

if TYPE_CHECKING:
    from flows.reports import RunSummary

__all__ = ["plan", "run", "run_flow"]

_PREFECT = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLIENT_MAX_RETRIES": "3",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "rewebb",
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_ROOT_LEVEL": "ERROR",
    "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
}
"""Defaults for Prefect when it is started from here; variables that are set win."""


def plan(
    program: Program,
    *,
    archive: Archive = None,
    observations: Observations = None,
    recipe: RecipeName = "official",
    context: Context = None,
    data_dir: DataDir = None,
    allow_partial: AllowPartial = False,
    start_at: StartAt = "detector1",
    as_json: AsJson = False,
) -> None:
    """Show what a run would do, and why, without doing it.

    Exit code 1 when the run would have jobs that cannot run, 2 when nothing can.
    """
    from config.settings import load_settings
    from flows.run import Request, plan_only
    from workers.contract import Stage

    with said_in_one_sentence():
        settings = load_settings(archive=archive, data_dir=data_dir)
        request = Request(
            program,
            split(observations),
            recipe,
            context,
            allow_partial,
            Stage(start_at),
        )
        summary = plan_only(settings, request)
    if as_json:
        print_json(summary)
    else:
        print_summary(summary)
    if summary.state != "SUCCEEDED":
        raise typer.Exit(FAILED)


def run(
    program: Program,
    *,
    archive: Archive = None,
    observations: Observations = None,
    recipe: RecipeName = "official",
    context: Context = None,
    data_dir: DataDir = None,
    allow_partial: AllowPartial = False,
    start_at: StartAt = "detector1",
    dry_run: bool = typer.Option(False, "--dry-run", help="The same as `rewebb plan`."),
    as_json: AsJson = False,
) -> None:
    """Reprocess a program through the Prefect flow `reprocess-program`.

    The server is that of PREFECT_API_URL, else one of Prefect's own for the time of
    the run. Exit code 1 when jobs failed or were blocked, 2 when nothing could be done.
    """
    from config.recipe import load_recipe
    from config.settings import load_settings
    from flows.run import Request

    parameters = {
        "program": program,
        "observations": list(split(observations)),
        "recipe": recipe,
        "context": context,
        "archive": archive,
        "data_dir": data_dir,
        "allow_partial": allow_partial,
        "start_at": start_at,
    }
    if dry_run:
        del parameters["observations"]
        plan(**parameters, observations=observations, as_json=as_json)  # type: ignore[arg-type]  # just parsed
        return
    with said_in_one_sentence():
        folder = load_settings(archive=archive, data_dir=data_dir).data_dir
        load_recipe(recipe)
        Request(program, split(observations))  # ids are refused before Prefect starts
        summary = run_flow(parameters, quiet=as_json)
    if as_json:
        print_json(summary)
    else:
        print_summary(summary)
        say(f"products: {folder / summary.folder}")
    if summary.state != "SUCCEEDED":
        raise typer.Exit(FAILED)


def run_flow(parameters: dict[str, Any], *, quiet: bool) -> "RunSummary":
    """Run the flow here, and give its summary.

    Raises
    ------
    RewebbError, ConfigError
        Nothing could be done.
    """
    for name, value in _PREFECT.items():
        os.environ.setdefault(name, value)
    from flows.prefect_server import ensure_server

    ensure_server()
    from flows.reprocess import FETCH_LISTENER, LISTENER, OUTCOME

    ends: list[RunSummary | Exception] = []
    with watched(quiet=quiet) as listeners:
        context = copy_context()
        context.run(LISTENER.set, listeners.jobs)
        context.run(FETCH_LISTENER.set, listeners.files)
        context.run(OUTCOME.set, ends.append)
        untold = context.run(_call_flow, parameters)
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


def _call_flow(parameters: dict[str, Any]) -> str:
    """Call the flow, and give what went wrong with it on the side of Prefect."""
    import httpx
    from prefect.exceptions import PrefectException

    from flows.reprocess import reprocess_program

    try:
        state = reprocess_program(**parameters, return_state=True)
    except (httpx.HTTPError, PrefectException) as error:
        return f"{type(error).__name__}: {error}"
    result = state.result(raise_on_failure=False)
    if isinstance(result, BaseException):
        raise result
    return ""
