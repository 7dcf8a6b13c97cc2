"""Arguments and options that commands share."""

from pathlib import Path
from typing import Annotated

import typer

from flows.stages import StartName

__all__ = [
    "AllowPartial",
    "Archive",
    "AsJson",
    "Context",
    "DataDir",
    "Observations",
    "Program",
    "RecipeName",
    "StartAt",
    "split",
]

Program = Annotated[
    str, typer.Argument(help="Program id, five digits.", metavar="PROGRAM")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DataDir = Annotated[
    Path | None,
    typer.Option(help="Data folder; else REWEBB_DATA_DIR, else ./rewebb-data."),
]
Archive = Annotated[
    str | None,
    typer.Option(
        help="mast, s3://BUCKET/PREFIX, sample, or a folder of JWST files; else "
        "REWEBB_ARCHIVE."
    ),
]
Observations = Annotated[
    str | None,
    typer.Option(help="Only these observations: three digits each, comma-separated."),
]
RecipeName = Annotated[str, typer.Option("--recipe", help="Name or path of a recipe.")]
Context = Annotated[
    str | None,
    typer.Option(help="CRDS context; else CRDS_CONTEXT, else the operational one."),
]
AllowPartial = Annotated[
    bool,
    typer.Option("--allow-partial", help="Go on without members whose jobs failed."),
]
StartAt = Annotated[
    StartName,
    typer.Option(
        help="Start at this stage, from rate (spec2) or cal (spec3, tso3) files of a "
        "folder."
    ),
]


def split(text: str | None) -> tuple[str, ...]:
    """Split what is given with commas."""
    return tuple(part.strip() for part in text.split(",")) if text else ()
