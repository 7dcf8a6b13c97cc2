"""`rewebb cancel` and `rewebb retry`: a run that is there already."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import Archive, AsJson, DataDir
from .output import FAILED, Listeners, fail, print_json, say, warn
from .run import run_flow, start_prefect, to_parameters, work_on_one

if TYPE_CHECKING:
    from ..reports import RunSummary
    from ..run import Retry, Shared

__all__ = ["cancel", "retry"]

_RunId = Annotated[
    str, typer.Argument(help="Id of a run or its beginning.", metavar="RUN")
]


def cancel(run: _RunId, *, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Cancel a run that is under way, in whatever process and on whatever host.

    Its jobs end within ten seconds; what they have finished is kept, and the next run
    of the program goes on. Exit code 1 when the run did not come to be CANCELLED.
    """
    import getpass
    import socket

    from config.settings import load_settings

    from ..factory import open_records
    from ..run import cancel_run

    settings = load_settings(data_dir=data_dir)
    with open_records(settings, writes=True) as database:
        record = database.runs.get_run(run)
        by = f"{getpass.getuser()} on {socket.gethostname()}"
        over = cancel_run(database, record, by=by)
    if as_json:
        print_json({"run": over})
    else:
        said = f": {over.message}" if over.message else ""
        say(f"run {over.id[:8]} of program {over.program}: {over.state}{said}")
        if over.state == "RUNNING":
            warn("its process was told, but has not stopped yet; see `rewebb runs`")
    raise typer.Exit(0 if over.state == "CANCELLED" else FAILED)


def retry(
    run: _RunId,
    *,
    jobs: Annotated[
        list[str] | None,
        typer.Option(
            "--job",
            help="Only this job (stage:name, or its name), and what it blocked; may be "
            "given several times.",
            metavar="JOB",
        ),
    ] = None,
    archive: Archive = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Run again what failed or was blocked in a run, in a run of its own.

    Recipe, context and all else are those of that run. What would fail again is left
    out, or refused if nothing else is left. Exit codes are those of `rewebb run`.
    """
    from config.settings import load_settings

    settings = load_settings(archive=archive, data_dir=data_dir)
    found = _plan_retry(settings, run, jobs or [])
    request = found.request
    for line in found.left_out:
        warn(f"is not tried again: {line}")

    def work(_: str, listeners: Listeners, shared: "Shared | None") -> "RunSummary":
        given = {"archive": archive, "data_dir": data_dir}
        parameters = {**to_parameters(request), **given}
        return run_flow(parameters, listeners, shared=shared)

    start_prefect(quiet=as_json)
    folder: Path = settings.data_dir
    work_on_one(work, request.program, as_json=as_json, folder=folder)


def _plan_retry(settings: Any, run: str, jobs: list[str]) -> "Retry":
    """Decide what is tried again, by what is recorded of the run and the recipe."""
    from config.recipe import load_recipe

    from ..factory import open_records
    from ..run import find_last_ends, plan_retry

    with open_records(settings) as database:
        record = database.runs.get_run(run)
        recorded = database.runs.get_run_jobs(record.id)
        ends = find_last_ends(database, recorded)
    found = plan_retry(record, recorded, ends, wanted=jobs)
    if load_recipe(found.request.recipe).sha256 != record.recipe_sha256:
        fail(
            f"The recipe {found.request.recipe} has changed since the run {record.id}: "
            f"run the program with it, or get the old one with `rewebb show "
            f"{record.id[:8]} --recipe`."
        )
    return found
