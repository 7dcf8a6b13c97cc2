"""Arguments and options that commands share."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from ..stages import StartName
from .output import fail, warn

__all__ = [
    "AllowPartial",
    "Archive",
    "AsJson",
    "Cluster",
    "Context",
    "DataDir",
    "Force",
    "Observations",
    "OnlyStage",
    "ProgramFile",
    "Programs",
    "RecipeName",
    "StartAt",
    "list_programs",
    "split",
]

Programs = Annotated[
    list[str] | None,
    typer.Argument(help="Program ids, five digits each.", metavar="PROGRAM..."),
]
ProgramFile = Annotated[
    Path | None,
    typer.Option(
        "--from",
        help="File with further programs, one a line, # begins a comment; - for "
        "standard input.",
        metavar="FILE",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Cluster = Annotated[
    str | None,
    typer.Option(
        help="Cluster profile to run on; else REWEBB_CLUSTER, else this machine."
    ),
]
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
    typer.Option("--allow-partial", help="Leave out members whose jobs failed."),
]
Force = Annotated[
    bool,
    typer.Option(
        "--force", help="Every change counts: what the policy keeps is done again, too."
    ),
]
OnlyStage = Annotated[
    StartName | None,
    typer.Option(help="Only the jobs of this stage, and what they need."),
]
StartAt = Annotated[
    StartName,
    typer.Option(
        help="Start at this stage, from rate (spec2) or cal (spec3, tso3) files of a "
        "folder."
    ),
]


def list_programs(given: Sequence[str] | None, file: Path | None) -> tuple[str, ...]:
    """List the programs that a command is given, each once, and warn of repetitions.

    Raises
    ------
    IdError
        One is not five digits.
    typer.BadParameter
        None is given.
    """
    from ..errors import IdError
    from ..names import check_program

    places: dict[str, str] = {}
    for place, program in (*(("", one) for one in given or ()), *_read_programs(file)):
        try:
            check_program(program)
        except IdError as error:
            raise IdError(f"{place}{error}") from error
        if program in places:
            warn(f"{place}program {program} is named more than once; it runs once")
        places.setdefault(program, place)
    if not places and file is not None:
        fail(f"{file} names no program: expected one a line, five digits such as 02736")
    if not places:
        raise typer.BadParameter("Give a program, or a file of them with --from.")
    return tuple(places)


def _read_programs(file: Path | None) -> Iterator[tuple[str, str]]:
    """Give each program of a file, after its place."""
    if file is None:
        return
    is_input = str(file) == "-"
    try:
        text = sys.stdin.read() if is_input else file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"The programs cannot be read from {file}: {error}")
    name = "standard input" if is_input else file
    for number, line in enumerate(text.splitlines(), 1):
        if program := line.partition("#")[0].strip():
            yield f"{name}, line {number}: ", program


def split(text: str | None) -> tuple[str, ...]:
    """Split at commas."""
    return tuple(part.strip() for part in text.split(",")) if text else ()
