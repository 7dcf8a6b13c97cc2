"""`rewebb report`: what a run came to, in pictures, as one HTML file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import AsJson, DataDir
from .output import fail, print_json, say, warn, watched
from .records import open_recorded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from config.settings import Settings
    from workers.cache_contract import FileProgress

    from ..reports import ShownProduct

__all__ = ["report"]


def report(
    run: Annotated[str, typer.Argument(help="Id of a run, or its beginning.")],
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            help="Where the report is written; else report.html in the run's folder.",
            metavar="FILE",
        ),
    ] = None,
    pictures: Annotated[
        bool,
        typer.Option(
            "--pictures/--no-pictures",
            help="Whether products that have no pictures are drawn first, on the "
            "cluster of the settings.",
        ),
    ] = True,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Report a run: what came of it, in one HTML file that needs no network."""
    from config.settings import load_settings

    from ..reports import list_shown, publish_report

    settings = load_settings(data_dir=data_dir)
    with (
        watched(quiet=as_json) as listen,
        open_recorded(data_dir) as (database, folder),
    ):
        found = database.runs.get_run(run)
        if pictures:
            shown = list_shown(database, database.runs.get_run_jobs(found.id))
            _draw(shown, settings, listen("").references)
        try:
            written = publish_report(database, found, data_dir=folder, output=output)
        except OSError as error:
            fail(f"The report cannot be written: {error}")
    if as_json:
        print_json(written)
        return
    for name in written.left_out:
        warn(f"{name} is left out, since the report would be too large")
    say(f"{written.path}  ({written.size_bytes / 1e6:.1f} MB)")


def _draw(
    shown: "Sequence[ShownProduct]",
    settings: "Settings",
    listener: "Callable[[FileProgress], None] | None",
) -> None:
    """Draw what was not drawn yet; what cannot be drawn is no reason for no report."""
    from ..errors import PlanError
    from ..factory import open_configured_cluster
    from ..run import draw_recorded

    try:
        pictured = draw_recorded(
            shown,
            data_dir=settings.data_dir,
            open_cluster=lambda: open_configured_cluster(settings),
            listener=listener or (lambda _: None),
        )
    except PlanError as error:
        warn(f"not all products are drawn: {error}")
        return
    for name, why in pictured.failed.items():
        warn(f"{name} is not drawn: {why}")
