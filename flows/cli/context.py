"""`rewebb context`: the contexts of CRDS, and what one changes for what is recorded."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cache_contract import (
    ArrayChange,
    ContextsReport,
    ContextsRequest,
    Preview,
    ReferenceChange,
)
from workers.contract import ErrorInfo

from .options import AsJson, DataDir
from .output import fail, print_json, print_lines, print_rows, say, watched
from .refs import Server

if TYPE_CHECKING:
    from config.settings import Settings

    from ..models.findings import ReferenceUsers

__all__ = ["context_app"]

context_app = typer.Typer(no_args_is_help=True, help="Contexts of CRDS.")

_ANY = frozenset({"N/A", "*", "ANY", "UNDEFINED"})
"""What rules have for keywords that select nothing."""


@dataclass(frozen=True, slots=True)
class _Listed:
    context: str
    operational: bool
    cached: bool
    runs: int
    jobs: int
    last_run: datetime | None


@context_app.command("list")
def _list_contexts(
    *, server: Server = None, data_dir: DataDir = None, as_json: AsJson = False
) -> None:
    """List the contexts of recorded runs, those in the cache, and the one in use."""
    from config.settings import load_settings

    from ..factory import find_crds_cache, open_database

    settings = load_settings(data_dir=data_dir, crds_server_url=server)
    with open_database(settings, read_only=True) as database:
        runs = database.runs.list_runs(limit=None)
        jobs = database.audits.count_jobs_by_context()
    cache = find_crds_cache(settings)
    cached = {path.name for path in (cache / "mappings" / "jwst").glob("*.pmap")}
    operational = _name_operational(settings, cache)
    used = {run.context for run in runs if run.context.endswith(".pmap")}
    names = {*used, *cached, *jobs, *([operational] if operational else [])}
    found = [
        _Listed(
            context=name,
            operational=name == operational,
            cached=name in cached,
            runs=sum(run.context == name for run in runs),
            jobs=jobs.get(name, 0),
            last_run=max(
                (run.started_at for run in runs if run.context == name), default=None
            ),
        )
        for name in sorted(names)
    ]
    if as_json:
        print_json({"contexts": [asdict(one) for one in found]})
        return
    rows = [
        (
            f"{one.context}{' (operational)' if one.operational else ''}",
            "yes" if one.cached else "no",
            one.runs,
            one.jobs,
            f"{one.last_run:%Y-%m-%d}" if one.last_run else "",
        )
        for one in found
    ]
    print_rows(("context", "in the cache", "runs", "jobs", "last run"), rows)


@context_app.command("diff")
def _diff_contexts(
    before: Annotated[str, typer.Argument(help="jwst_1584.pmap, build, or a date.")],
    after: Annotated[str, typer.Argument(help="Likewise.")],
    *,
    preview: Annotated[
        bool,
        typer.Option(
            "--preview",
            help="Compare the files that were exchanged, if they are here.",
        ),
    ] = False,
    all_changes: Annotated[
        bool,
        typer.Option("--all", help="Also changes that concern no recorded job."),
    ] = False,
    server: Server = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Tell what rules changed between two contexts, and which recorded jobs use them.

    A job that used a file that was replaced for some exposures may keep it for others:
    `rewebb stale --context AFTER` tells, job by job.
    """
    from config.settings import load_settings

    from ..factory import adapt_to_sample

    settings = adapt_to_sample(load_settings(data_dir=data_dir, crds_server_url=server))
    report, users = _compare(settings, before, after, preview=preview, quiet=as_json)
    changes = [
        change for change in report.changes if all_changes or _get(users, change).jobs
    ]
    if as_json:
        print_json(
            {
                "before": report.before,
                "after": report.after,
                "changes": [
                    {**asdict(change), **asdict(_get(users, change))}
                    for change in changes
                ],
                "left_out": len(report.changes) - len(changes),
            }
        )
        return
    if changes:
        names = ("instrument", "type", "for", "before", "after", "jobs", "programs")
        print_rows(names, [_to_row(c, _get(users, c)) for c in changes])
    if preview:
        print_lines("preview", _list_previews(changes))
    _sum_up(report, changes, users)


def _name_operational(settings: "Settings", cache: Path) -> str | None:
    """Name the operational context, as the server or the cache has it."""
    from workers.errors import WorkerError
    from workers.references.looking import name_context

    try:
        return name_context(cache, None, settings.crds_server_url)
    except WorkerError:
        return None


def _compare(
    settings: "Settings", before: str, after: str, *, preview: bool, quiet: bool
) -> "tuple[ContextsReport, dict[str, ReferenceUsers]]":
    """Compare two contexts in a child, and count the recorded jobs of each change."""
    from workers.calls import compare_contexts

    from ..factory import find_crds_cache, open_database

    crds_path = str(find_crds_cache(settings))
    with (
        open_database(settings, read_only=True) as database,
        watched(quiet=quiet) as listen,
    ):
        request = ContextsRequest(
            before,
            after,
            crds_path,
            settings.crds_server_url,
            database.files.list_references(crds_path=crds_path),
            preview=preview,
        )
        report = compare_contexts(request, listener=listen("").references)
        if isinstance(report, ErrorInfo):
            fail(report.message)
        users = database.products.count_users(map(_find_used, report.changes))
    return report, users


def _find_used(change: ReferenceChange) -> str:
    """Find the file by which jobs are known that a change may concern."""
    return change.before if change.before and change.match else change.rules


def _get(
    users: "Mapping[str, ReferenceUsers]", change: ReferenceChange
) -> "ReferenceUsers":
    return users[_find_used(change)]


def _to_row(change: ReferenceChange, users: "ReferenceUsers") -> tuple[object, ...]:
    chosen = [value for _, value in change.match if value not in _ANY]
    return (
        change.instrument,
        change.reftype,
        " ".join(chosen) or "all",
        change.before or "none",
        change.after or "none",
        users.jobs,
        users.programs,
    )


def _list_previews(changes: Iterable[ReferenceChange]) -> Iterable[str]:
    """Tell how files differ, each pair once."""
    pairs = {(one.before, one.after): one.preview for one in changes if one.preview}
    for (before, after), preview in pairs.items():
        yield f"{before} -> {after}: {_say_preview(preview)}"


def _say_preview(preview: Preview) -> str:
    said = [*map(_say_array, preview.arrays), *preview.other]
    return "; ".join(said) or "the same arrays"


def _say_array(change: ArrayChange) -> str:
    share = f"{change.changed} of {change.values} values differ"
    if change.ratio is None:
        return f"{change.part}: {share}"
    low, middle, high = change.ratio
    where = ""
    if change.largest_at_um is not None and low != high:
        where = f", most at {change.largest_at_um:.3g} um"
    ends = ""
    if change.lost or change.gained:
        ends = f", {change.lost} lost and {change.gained} gained"
    return (
        f"{change.part}: x{middle:.4g} ({low:.4g} to {high:.4g}){where}; {share}{ends}"
    )


def _sum_up(
    report: ContextsReport,
    changes: list[ReferenceChange],
    users: "Mapping[str, ReferenceUsers]",
) -> None:
    if not report.changes:
        say(f"{report.after} selects the same files as {report.before}.")
        return
    left = len(report.changes) - len(changes)
    rest = f"; {left} others concern no recorded job (--all shows them)" if left else ""
    concerned = sum(bool(_get(users, change).jobs) for change in changes)
    say()
    say(
        f"{report.before} -> {report.after}: {concerned} of {len(report.changes)} "
        f"changes are of files that recorded jobs used{rest}."
    )
    if concerned:
        say(f"`rewebb stale --all --context {report.after}` says which jobs are stale.")
