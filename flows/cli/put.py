"""`rewebb put`: files that users bring enter the data folder by their content."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.filesize import decimal

from .options import AsJson, DataDir
from .output import print_json, print_rows, say

if TYPE_CHECKING:
    from workers.contract import BroughtReport

    from ..archive import BroughtFiles
    from ..models.brought import PutFile

__all__ = ["put"]


def put(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            help="A background spectrum (x1d or c1d), an extract1d reference (JSON or "
            "ASDF), or a mask of bad pixels (FITS).",
            metavar="FILE...",
        ),
    ] = None,
    *,
    kind: Annotated[
        Literal["background-spectrum", "extract1d", "bad-pixels"] | None,
        typer.Option(help="What it must be; else what its content says."),
    ] = None,
    list_all: Annotated[
        bool, typer.Option("--list", help="List the files that were put.")
    ] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Check files of your own, and keep them for recipes, which name them by sha256."""
    from config.settings import load_settings

    from ..archive import BroughtFiles

    if not files and not list_all:
        raise typer.BadParameter("Give a file, or --list.")
    brought = BroughtFiles(load_settings(data_dir=data_dir).data_dir)
    made = [_put(brought, path, kind) for path in files or ()]
    kept = brought.list_all() if list_all else [one.file for one in made]
    if as_json:
        print_json(kept)
    elif list_all:
        _print_list(kept)
    else:
        for one in made:
            _print_put(one)


@dataclass(frozen=True, slots=True)
class _Put:
    """A file that was put."""

    file: "PutFile"
    """As it is kept."""
    is_new: bool
    """Whether it was not there yet."""


def _put(brought: "BroughtFiles", path: Path, kind: str | None) -> _Put:
    """Put a file, which must be of a kind."""

    def check(copy: Path) -> "BroughtReport":
        from workers.calls import check_brought
        from workers.contract import ErrorInfo
        from workers.errors import BroughtError

        report = check_brought(copy)
        if isinstance(report, ErrorInfo):
            raise BroughtError(f"{path.name} cannot be used: {report.message}")
        if kind not in {None, report.kind}:
            raise BroughtError(
                f"{path.name} cannot be used: expected a file of kind {kind}, got "
                f"{report.kind} ({report.about})"
            )
        return report

    return _Put(*brought.put(path, check, now=datetime.now(UTC)))


def _print_put(one: _Put) -> None:
    """Print what was put, and what a recipe says to use it."""
    file = one.file
    say(f"{file.brought_as}: {file.kind}, {file.about}")
    if not one.is_new:
        say(f"It is here since {file.put_at:%Y-%m-%d %H:%M} UTC already.")
    say(f"sha256 {file.sha256}")
    say("To use it, paste this into a recipe, with a `match` for whose exposures:")
    say()
    say("[[files]]")
    say(f'kind = "{file.kind}"')
    say(f'sha256 = "{file.sha256}"')
    say()


def _print_list(files: "Sequence[PutFile]") -> None:
    print_rows(
        ("kind", "sha256", "brought as", "size", "put (UTC)", "what it holds"),
        [
            (
                *(one.kind, one.sha256, one.brought_as, decimal(one.size_bytes)),
                *(f"{one.put_at:%Y-%m-%d %H:%M}", one.about),
            )
            for one in files
        ],
    )
