"""`rewebb asn`: associations, with their reasons."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import Archive, AsJson, RecipeName
from .output import (
    FAILED,
    fail,
    print_json,
    print_rows,
    said_in_one_sentence,
    say,
)

if TYPE_CHECKING:
    from flows.associations import AssociationOptions, Difference, PoolRow
    from flows.models import Association, AssociationSet, Exposure, Inventory, Lack

__all__ = ["asn"]

_Pool = Annotated[
    Path | None, typer.Option("--pool", help="A pool file of DMS (jw*_pool.csv).")
]
_Headers = Annotated[
    Path | None, typer.Option("--headers", help="A folder of raw or rate files.")
]
_Candidates = Annotated[
    str, typer.Option(help="Ids of candidates, comma-separated, or all.")
]
_Out = Annotated[Path | None, typer.Option(help="Folder to write the documents to.")]
_Diff = Annotated[
    Path | None,
    typer.Option(help="Association file, or folder of them, to compare with."),
]


@dataclass(frozen=True, slots=True)
class _Source:
    """What is associated."""

    rows: tuple["PoolRow", ...]
    exposures: Mapping[str, "Exposure"]
    pool_name: str
    rejected: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    lacking: tuple["Lack", ...] = ()


def asn(
    program: Annotated[
        str | None, typer.Argument(help="Program id, five digits.", metavar="PROGRAM")
    ] = None,
    *,
    pool: _Pool = None,
    headers: _Headers = None,
    archive: Archive = None,
    explain: bool = typer.Option(False, "--explain", help="Show every member, why."),
    official: bool = typer.Option(
        False, "--official", help="What the official rules make, to the letter."
    ),
    recipe: RecipeName = "official",
    candidates: _Candidates = "all",
    out: _Out = None,
    diff: _Diff = None,
    as_json: AsJson = False,
) -> None:
    """Show the associations of a program, of a pool file, or of a folder.

    Exit code 1 when --diff finds differences, 2 when nothing could be done.
    """
    from flows.associations import associate_rows

    if sum(given is not None for given in (program, pool, headers)) != 1:
        fail("Give one of PROGRAM, --pool and --headers.")
    with said_in_one_sentence():
        options = _choose_options(recipe, official=official)
        source = _find_source(program, pool, headers, archive, options)
        made = associate_rows(
            source.rows,
            options,
            candidates=_choose_candidates(candidates, source),
            exposures=source.exposures,
        )
        made = replace(made, lacking=(*source.lacking, *made.lacking))
        differences = _compare(made, diff)
        written = _write(made, source, out)
    if as_json:
        print_json(_to_record(made, source, differences))
    else:
        _print(made, source, differences, explain=explain)
        _say_written(written, out)
    if differences:
        raise typer.Exit(FAILED)


def _choose_options(recipe: str, *, official: bool) -> "AssociationOptions":
    from config.recipe import load_recipe
    from flows.associations import AssociationOptions, options_of

    if official:
        return AssociationOptions(is_official=True)
    return options_of(load_recipe(recipe).associations)


def _find_source(
    program: str | None,
    pool: Path | None,
    headers: Path | None,
    archive: str | None,
    options: "AssociationOptions",
) -> _Source:
    """Read a pool, or the headers of a folder."""
    from flows.archive import read_text
    from flows.associations import read_pool

    if pool is not None:
        return _Source(read_pool(read_text(pool), pool.name), {}, pool.name)
    return _read_headers(_find_inventories(program, headers, archive), options)


def _find_inventories(
    program: str | None, headers: Path | None, archive: str | None
) -> list["Inventory"]:
    """Find the exposures of a program, or of all programs of a folder."""
    from config.settings import load_settings
    from flows.archive import FolderArchive
    from flows.errors import ArchiveError
    from flows.factory import make_archive
    from flows.names import check_program

    if headers is None:
        assert program is not None
        check_program(program)
        return [make_archive(load_settings(archive=archive)).find(program)]
    for suffix in ("uncal", "rate"):
        folder = FolderArchive(headers, suffixes=(suffix,))
        inventories = [folder.find(one) for one in folder.programs()]
        if inventories:
            return inventories
    raise ArchiveError(f"{headers} holds neither ..._uncal.fits nor ..._rate.fits")


def _read_headers(
    inventories: list["Inventory"], options: "AssociationOptions"
) -> _Source:
    """Make rows of the pool of each program, or of its headers."""
    from flows.associations import choose_rows

    rows: list[PoolRow] = []
    notes: list[str] = []
    lacking: list[Lack] = []
    for inventory in inventories:
        chosen = choose_rows(inventory, options)
        rows += chosen.rows
        notes += chosen.notes
        lacking += chosen.lacking
    found = [e for inventory in inventories for e in inventory.exposures]
    rejected = [file.reason for i in inventories for file in i.rejected]
    rejected += [
        said for i in inventories for said in (*i.unchecked, *i.refused, *i.withheld)
    ]
    by_name = {exposure.name: exposure for exposure in found}
    pools = [inventory.pool.name for inventory in inventories if inventory.pool]
    return _Source(
        rows=tuple(rows),
        exposures=by_name,
        pool_name=pools[0] if len(pools) == len(inventories) == 1 else "none",
        rejected=tuple(rejected),
        notes=tuple(notes),
        lacking=tuple(lacking),
    )


def _choose_candidates(text: str, source: _Source) -> tuple[str, ...] | None:
    """Take the ids of candidates apart, and refuse those that are not there."""
    from flows.errors import PoolError

    if text == "all":
        return None
    wanted = tuple(one.strip().lower() for one in text.split(","))
    held = {candidate.id for row in source.rows for candidate in row.candidates}
    if unknown := [one for one in wanted if one not in held]:
        raise PoolError(
            f"unknown candidate {', '.join(unknown)}: there are "
            f"{', '.join(sorted(held)) or 'none'}"
        )
    return wanted


def _compare(made: "AssociationSet", path: Path | None) -> tuple["Difference", ...]:
    """Compare with other associations."""
    from flows.archive import read_texts
    from flows.associations import compare_documents

    if path is None:
        return ()
    return compare_documents(made.associations, read_texts(path, "*_asn.json"))


def _write(
    made: "AssociationSet", source: _Source, out: Path | None
) -> tuple[str, ...]:
    """Write the documents."""
    from flows.archive import write_texts
    from flows.associations import name_documents, to_json_text

    if out is None:
        return ()
    texts = {
        name: to_json_text(one, pool_name=source.pool_name)
        for name, one in name_documents(made.associations).items()
    }
    return write_texts(out, texts)


def _say_written(written: tuple[str, ...], out: Path | None) -> None:
    if out is not None:
        say(f"{len(written)} documents are new or changed in {out}.")


def _to_record(
    made: "AssociationSet", source: _Source, differences: tuple["Difference", ...]
) -> dict[str, object]:
    """Make a record of everything."""
    return {
        "associations": [_to_association(one) for one in made.associations],
        "unused": made.unused,
        "untaken": made.untaken,
        "lacking": made.lacking,
        "rejected": source.rejected,
        "notes": source.notes,
        "differences": differences,
    }


def _to_association(one: "Association") -> dict[str, object]:
    return {
        "asn_type": one.asn_type,
        "asn_rule": one.asn_rule,
        "asn_id": one.asn_id,
        "program": one.program,
        "target": one.target,
        "product": one.product_name,
        "members": tuple(one.members),
    }


def _print(
    made: "AssociationSet",
    source: _Source,
    differences: tuple["Difference", ...],
    *,
    explain: bool,
) -> None:
    """Print everything."""
    if explain:
        _print_members(made)
    else:
        print_rows(
            ("type", "rule", "candidate", "product", "members"),
            [
                (a.asn_type, a.asn_rule, a.asn_id, a.product_name, len(a.members))
                for a in made.associations
            ],
        )
    for note in source.notes:
        say(f"note      {note}")
    for reason in source.rejected:
        say(f"rejected  {reason}")
    for lacking in made.lacking:
        say(f"lacking   {lacking}")
    for unused in (*made.unused, *(made.untaken if explain else ())):
        say(f"not used  {unused.name}: {unused.reason}")
    for one in differences:
        member = f"  {one.member} ({one.exptype})" if one.member else ""
        say(f"{one.what}: {one.asn_type} {one.product}{member}")
    say(f"{len(made.associations)} associations of {len(source.rows)} exposures")


def _print_members(made: "AssociationSet") -> None:
    """Print every member of every association."""
    for one in made.associations:
        say(f"{one.asn_type} {one.product_name}  ({one.asn_rule}, {one.asn_id})")
        for member in one.members:
            say(f"  {member.exptype:12s} {member.expname}: {member.reason}")
