"""`rewebb search` and `rewebb fetch`: what an archive holds, and bringing it here."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.filesize import decimal

from .options import Archive, AsJson, DataDir, Observations, split
from .output import (
    FAILED,
    print_json,
    print_rows,
    say,
    watched,
)

if TYPE_CHECKING:
    from ..archive import FetchedFiles, FoundFiles, RemoteFile

__all__ = ["fetch", "search"]

_Program = Annotated[
    str | None, typer.Argument(help="Program id, five digits.", metavar="PROGRAM")
]
_Target = Annotated[
    str | None, typer.Option(help="Name of the target; * stands for anything.")
]
_Cone = Annotated[
    str | None,
    typer.Option(
        help="Circle on the sky, in degrees, or as 10h0m0s,+2d0m0s,2arcsec.",
        metavar="RA,DEC,RADIUS",
    ),
]
_Instrument = Annotated[str | None, typer.Option(help="NIRSPEC, MIRI, NIRISS, NIRCAM.")]
_ExpType = Annotated[
    str | None, typer.Option(help="Exposure types, comma-separated: NRS_IFU,MIR_MRS.")
]
_Cycle = Annotated[
    str | None, typer.Option(help="Proposal cycles, comma-separated: 1,2.")
]
_Optics = Annotated[
    str | None, typer.Option(help="Optical elements, comma-separated: G395H,F290LP.")
]
_From = Annotated[
    datetime | None, typer.Option("--from", help="Started at this time or later; UTC.")
]
_Until = Annotated[
    datetime | None, typer.Option("--until", help="Started before this time; UTC.")
]
_Access = Annotated[
    Literal["public", "exclusive"] | None, typer.Option(help="Who may have it.")
]
_Kind = Annotated[
    Literal["uncal", "rate"], typer.Option(help="The exposures: raw, or countrates.")
]


def search(
    program: _Program = None,
    *,
    archive: Archive = None,
    observations: Observations = None,
    target: _Target = None,
    cone: _Cone = None,
    instrument: _Instrument = None,
    exp_type: _ExpType = None,
    cycle: _Cycle = None,
    optics: _Optics = None,
    taken_from: _From = None,
    taken_until: _Until = None,
    access: _Access = None,
    kind: _Kind = "uncal",
    files: bool = typer.Option(False, "--files", help="List every file."),
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show what an archive holds: counts, sizes, modes, access, and what is here."""
    from config.settings import load_settings

    from ..archive import Access, FileKind, Query, find_files, parse_cone
    from ..factory import make_source, make_vault

    query = Query(
        program=program,
        observations=split(observations),
        target=target,
        cone=parse_cone(cone) if cone is not None else None,
        instrument=instrument,
        exp_types=split(exp_type),
        cycles=_to_cycles(cycle),
        optics=split(optics),
        taken_from=_to_utc(taken_from),
        taken_until=_to_utc(taken_until),
        access=Access(access) if access else None,
        kind=FileKind(kind),
    )
    settings = load_settings(archive=archive, data_dir=data_dir)
    with watched(quiet=as_json) as listen:
        listen("").steps("search")
        found = find_files(make_source(settings), make_vault(settings), query)
    if as_json:
        print_json(found)
    else:
        _print_found(found, files=files)


def fetch(
    program: Annotated[
        str, typer.Argument(help="Program id, five digits.", metavar="PROGRAM")
    ],
    *,
    archive: Archive = None,
    observations: Observations = None,
    kind: _Kind = "uncal",
    dry_run: bool = typer.Option(
        False, "--dry-run", help="Only list what would be fetched."
    ),
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Fetch the files of a program that are not here, and verify every byte.

    It can be interrupted: the next fetch goes on where it stopped. Exit code 1 when
    files could not be fetched, 2 when nothing could be done.
    """
    from config.settings import load_settings

    from ..archive import FileKind, Query, fetch_files, list_files
    from ..factory import make_source, make_vault, open_database

    query = Query(
        program=program,
        observations=split(observations),
        kind=FileKind(kind),
    )
    settings = load_settings(archive=archive, data_dir=data_dir)
    source = make_source(settings)
    with watched(quiet=as_json) as listen:
        listeners = listen("")
        listeners.steps("search")
        listing = list_files(source, query)
        listeners.steps("")
        with open_database(settings) as database:
            fetched = fetch_files(
                source,
                make_vault(settings, database.files.remember_fetched),
                listing,
                parallel=settings.archive_connections,
                dry_run=dry_run,
                listener=listeners.files,
            )
    if as_json:
        print_json(fetched)
    else:
        _print_fetched(fetched)
    if fetched.failed:
        raise typer.Exit(FAILED)


def _to_cycles(text: str | None) -> tuple[int, ...]:
    parts = split(text)
    if not all(part.isdecimal() for part in parts):
        raise typer.BadParameter(
            f"expected numbers of proposal cycles like 1,2, got {text!r}",
            param_hint="--cycle",
        )
    return tuple(map(int, parts))


def _to_utc(time: datetime | None) -> datetime | None:
    return time and time.replace(tzinfo=UTC)


def _print_found(found: "FoundFiles", *, files: bool) -> None:
    rows = _list_files(found) if files else _list_groups(found)
    columns = ("program", "obs", "instrument", "EXP_TYPE", "optics", "target")
    what = ("file", "size") if files else ("files", "size")
    print_rows((*columns, *what, "access", "here"), list(rows))
    for reason in found.refused:
        say(f"refused  {reason}")
    size = decimal(sum(file.size_bytes for file in found.files))
    say(
        f"{len(found.files)} files, {size}, in {found.source}; {len(found.here)} are "
        "here"
    )


def _list_files(found: "FoundFiles") -> Iterator[tuple[object, ...]]:
    """List every file."""
    held = frozenset(found.here)
    for file in found.files:
        *described, access = _describe(file)
        here = "yes" if file.name in held else "no"
        yield (*described, file.name, decimal(file.size_bytes), access, here)


def _list_groups(found: "FoundFiles") -> Iterator[tuple[object, ...]]:
    """List what the files have in common."""
    held = frozenset(found.here)
    groups: dict[tuple[str, ...], list[RemoteFile]] = defaultdict(list)
    for file in found.files:
        groups[_describe(file)].append(file)
    for (*described, access), files in sorted(groups.items()):
        size = decimal(sum(file.size_bytes for file in files))
        here = sum(file.name in held for file in files)
        yield (*described, len(files), size, access, here)


def _describe(file: "RemoteFile") -> tuple[str, ...]:
    """Say what a file is of, and who may have it."""
    access = str(file.access)
    if access == "exclusive" and file.public_from:
        access += f" until {file.public_from:%Y-%m-%d}"
    kind = file.exp_type or str(file.kind)
    return (
        *(file.program, file.observation, file.instrument, kind),
        *(file.optics, file.target, access),
    )


def _print_fetched(fetched: "FetchedFiles") -> None:
    for reason in fetched.withheld:
        say(f"withheld  {reason}")
    for reason in fetched.refused:
        say(f"refused   {reason}")
    for name, reason in fetched.unchecked.items():
        say(f"unchecked {name}: {reason}")
    for name, reason in fetched.failed.items():
        say(f"FAILED    {name}: {reason}")
    verb = "to fetch" if fetched.dry_run else "fetched"
    say(
        f"{fetched.have} files were here, {len(fetched.files)} {verb} "
        f"({decimal(fetched.size_bytes)}), {len(fetched.failed)} failed, "
        f"{len(fetched.withheld)} withheld: {fetched.folder}"
    )
