"""`rewebb sample`: sample programs."""

from pathlib import Path
from typing import Annotated

import typer

from .options import AsJson
from .output import print_json, say

__all__ = ["make", "sample_app"]

sample_app = typer.Typer(no_args_is_help=True, help="Sample programs, made offline.")


@sample_app.command()
def make(
    directory: Annotated[Path, typer.Argument(help="Folder to make them in.")],
    *,
    mode: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this mode; may be repeated. See the names in the docs."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make sample programs: raw exposures, a CRDS cache, and the injected truth."""
    from workers.sample import Mode, make_sample

    known = [str(name) for name in Mode]
    if unknown := sorted(set(mode or ()) - set(known)):
        raise typer.BadParameter(
            f"unknown mode {', '.join(unknown)}: expected one of {', '.join(known)}"
        )
    sample = make_sample(
        directory,
        modes=tuple(map(Mode, mode)) if mode else Mode.list_usual(),
        on_progress=(lambda _: None) if as_json else say,
    )
    record = {
        "archive": sample.archive,
        "crds_path": sample.crds,
        "contexts": sample.contexts,
        "truth": sample.truth,
        "programs": [each.program for each in sample.modes],
    }
    if as_json:
        print_json(record)
        return
    for name, value in record.items():
        say(f"{name:10} {value}")
