"""`rewebb refs`: the CRDS cache, filled from its server and kept whole."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.filesize import decimal

from workers.cache_contract import (
    PrefetchReport,
    PrefetchRequest,
    ReferenceProblem,
    VerifyReport,
    VerifyRequest,
)
from workers.contract import ErrorInfo, ResolveItem

from .options import Archive, AsJson, Context, DataDir, RecipeName
from .output import (
    FAILED,
    announce_steps,
    fail,
    print_json,
    say,
    watched,
)

if TYPE_CHECKING:
    from config.settings import Settings

    from ..planning import PlannedJob

__all__ = ["Programs", "Server", "refs_app", "sync", "verify"]

refs_app = typer.Typer(no_args_is_help=True, help="The CRDS cache.")

_Request = TypeVar("_Request", PrefetchRequest, VerifyRequest)
_Report = TypeVar("_Report", PrefetchReport, VerifyReport)

Programs = Annotated[
    list[str] | None,
    typer.Argument(help="Programs whose references are wanted.", metavar="[PROGRAM]"),
]
Server = Annotated[
    str | None,
    typer.Option(help="URL of the CRDS server; else CRDS_SERVER_URL."),
]


@refs_app.command()
def sync(
    programs: Programs = None,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Fetch all references of the context.")
    ] = False,
    context: Context = None,
    recipe: RecipeName = "official",
    archive: Archive = None,
    server: Server = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only list references that are missing.")
    ] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Fetch the mappings of a context, and the references that programs need.

    Jobs whose raw files are not here are left out and counted.
    """
    from config.settings import load_settings
    from workers.calls import prefetch_references

    from ..factory import adapt_to_sample, find_crds_cache

    settings = adapt_to_sample(
        load_settings(
            data_dir=data_dir,
            archive=archive,
            crds_context=context,
            crds_server_url=server,
        )
    )
    if settings.crds_server_url is None:
        fail(
            "No CRDS server is set: give --server URL or CRDS_SERVER_URL. The "
            "archive sample has a cache of its own, which needs none."
        )
    request = PrefetchRequest(
        items=_list_items(settings, programs or (), recipe, quiet=as_json),
        context=settings.crds_context,
        crds_path=str(find_crds_cache(settings)),
        server_url=settings.crds_server_url,
        everything=everything,
        dry_run=dry_run,
    )
    report = _see_to(request, prefetch_references, settings, quiet=as_json)
    _print_sync(report, as_json=as_json)
    if report.failed:
        raise typer.Exit(FAILED)


@refs_app.command()
def verify(
    *,
    context: Context = None,
    server: Server = None,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Move bad files aside and fetch good ones."),
    ] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Read every file of the cache and compare its sha1 with that of the server.

    Without a server, it is compared with what runs have seen of it.
    """
    from config.settings import load_settings
    from workers.calls import verify_references

    from ..factory import adapt_to_sample, find_crds_cache

    settings = adapt_to_sample(
        load_settings(data_dir=data_dir, crds_context=context, crds_server_url=server)
    )
    request = VerifyRequest(
        crds_path=str(find_crds_cache(settings)),
        context=context or settings.crds_context,
        server_url=settings.crds_server_url,
        repair=repair,
    )
    report = _see_to(request, verify_references, settings, quiet=as_json)
    _print_verify(report, as_json=as_json)
    if len(report.repaired) < len(report.bad) or report.failed or report.missing:
        raise typer.Exit(FAILED)


def _see_to(
    request: _Request,
    work: Callable[..., _Report | ErrorInfo],
    settings: "Settings",
    *,
    quiet: bool,
) -> _Report:
    """Let a child see to the cache, with what is known of it, and remember what is."""
    from ..factory import open_database

    crds_path = request.crds_path
    with open_database(settings) as database, watched(quiet=quiet) as listen:
        known = database.files.list_references(crds_path=crds_path)
        tell = listen("").references
        report = work(replace(request, known=known), listener=tell)
        if isinstance(report, ErrorInfo):
            fail(report.message)
        database.files.remember_references(
            report.files, crds_path=crds_path, now=datetime.now(UTC)
        )
    return report


def _list_items(
    settings: "Settings", programs: Sequence[str], recipe: str, *, quiet: bool = False
) -> tuple[ResolveItem, ...]:
    """List the jobs of programs whose raw files are here, and say what is not."""
    if not programs:
        return ()
    from config.recipe import load_recipe

    from ..factory import open_services
    from ..run import (
        Request,
        ask_specs,
        find_specs,
        list_items,
        prepare,
    )

    items: list[ResolveItem] = []
    with open_services(settings) as services:
        get_specs = partial(find_specs, services.data_dir, ask_specs)
        for program in programs:
            request = Request(program, recipe=recipe)
            with watched(quiet=quiet) as listen:
                step = announce_steps(listen(program))
                loaded = load_recipe(recipe)
                drawn = prepare(
                    request,
                    loaded,
                    services.archive,
                    data_dir=services.data_dir,
                    get_specs=get_specs,
                    step=step,
                )
            here, away = _part(drawn.graph)
            if away:
                _tell_left_out(program, len(away))
            items += list_items(here, drawn.recipe)
    return tuple(items)


def _part(
    graph: Iterable["PlannedJob"],
) -> tuple[list["PlannedJob"], list["PlannedJob"]]:
    """Part jobs without a defect: raw files that are here, and that are not."""
    here: list[PlannedJob] = []
    away: list[PlannedJob] = []
    for planned in graph:
        if planned.defect is None:
            (here if planned.exposure.path.is_file() else away).append(planned)
    return here, away


def _tell_left_out(program: str, jobs: int) -> None:
    """Print it to standard error, since the report may be JSON."""
    noun, verb, whose = ("job", "is", "its") if jobs == 1 else ("jobs", "are", "their")
    typer.echo(
        f"{jobs} {noun} of {program} {verb} left out: {whose} raw files are not here; "
        f"run `rewebb fetch {program}`",
        err=True,
    )


def _print_sync(report: PrefetchReport, *, as_json: bool) -> None:
    if as_json:
        print_json(report)
        return
    for due in report.due:
        say(f"missing {due.name} ({decimal(due.size_bytes)})")
    _print_problems("repaired", report.repaired)
    _print_problems("failed", report.failed)
    for line in (*report.skipped, *report.notes):
        say(line)
    fetched = decimal(sum(file.size_bytes for file in report.fetched))
    left = decimal(sum(due.size_bytes for due in report.due))
    say(
        f"{report.context}: {report.checked} files wanted, {len(report.fetched)} "
        f"fetched ({fetched}), {len(report.due)} to be fetched ({left}), "
        f"{len(report.repaired)} repaired, {len(report.failed)} failed."
    )


def _print_verify(report: VerifyReport, *, as_json: bool) -> None:
    if as_json:
        print_json(report)
        return
    _print_problems("bad", report.bad)
    _print_problems("repaired", report.repaired)
    _print_problems("failed", report.failed)
    for title, names in (("missing", report.missing), ("unknown", report.unknown)):
        for name in names:
            say(f"{title} {name}")
    for note in report.notes:
        say(note)
    say(
        f"{report.context}: {report.checked} files read, {len(report.bad)} bad, "
        f"{len(report.missing)} missing, {len(report.unknown)} unknown, "
        f"{len(report.repaired)} repaired."
    )


def _print_problems(title: str, problems: Iterable[ReferenceProblem]) -> None:
    for problem in problems:
        say(f"{title} {problem.message}")
