"""`rewebb asn`: associations, with their reasons."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import Archive, AsJson, RecipeName
from .output import (
    FAILED,
    announce_steps,
    fail,
    print_json,
    print_rows,
    say,
    watched,
)

if TYPE_CHECKING:
    from config.recipe import Recipe

    from ..associations import Difference, PoolRow
    from ..models.associations import AssociationSet
    from ..run import Associated, Found

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
class _Shown:
    """What the command shows."""

    made: "AssociationSet"
    """The associations."""
    rows: tuple["PoolRow", ...]
    """What was associated."""
    pool_name: str
    """The pool that they are of; "none" if there is not one."""
    unusable: tuple[str, ...] = ()
    """Files that were not used, with why."""
    notes: tuple[str, ...] = ()
    """What a scientist must know of the choice of rows."""


def asn(
    program: Annotated[
        str | None, typer.Argument(help="Program id, five digits.", metavar="PROGRAM")
    ] = None,
    *,
    pool: _Pool = None,
    headers: _Headers = None,
    archive: Archive = None,
    explain: bool = typer.Option(False, "--explain", help="Show every member and why."),
    official: bool = typer.Option(
        False, "--official", help="Exactly what the official rules make."
    ),
    recipe: RecipeName = "official",
    candidates: _Candidates = "all",
    out: _Out = None,
    diff: _Diff = None,
    as_json: AsJson = False,
) -> None:
    """Show the associations of a program, of a pool file, or of a folder.

    Those of a program are the ones that `rewebb run` processes, unless --official is
    given. Exit code 1 when --diff finds differences, 2 when nothing could be done.
    """
    from config.recipe import load_recipe

    if sum(given is not None for given in (program, pool, headers)) != 1:
        fail("Give one of PROGRAM, --pool and --headers.")
    chosen = load_recipe(recipe)
    wanted = _split_candidates(candidates)
    if pool is not None:
        shown = _associate_pool(pool, None if official else chosen, wanted)
    else:
        from ..run import associate

        with watched(quiet=as_json) as listen:
            step = announce_steps(listen(program or ""))
            found = step("find", lambda: _find(program, headers, archive, chosen))
            make = partial(
                associate,
                official=official,
                has_grisms=headers is not None,  # else what a run processes
                candidates=wanted,
            )
            shown = step("associate", lambda: _join([*map(make, found)]))
    _refuse_unknown(wanted or (), shown.rows)
    differences = _compare(shown.made, diff)
    written = _write(shown, out)
    if as_json:
        print_json(_to_record(shown, differences))
    else:
        _print(shown, differences, explain=explain)
        if out is not None:
            say(f"{len(written)} documents are new or changed in {out}.")
    if differences:
        raise typer.Exit(FAILED)


def _split_candidates(text: str) -> tuple[str, ...] | None:
    if text == "all":
        return None
    return tuple(one.strip().lower() for one in text.split(","))


def _associate_pool(
    path: Path, recipe: "Recipe | None", candidates: tuple[str, ...] | None
) -> _Shown:
    """Associate the rows of a pool file, whether an archive has their files or not."""
    from ..archive import read_text
    from ..associations import associate_rows, read_pool

    rows = read_pool(read_text(path), path.name)
    choice = recipe.associations if recipe else None
    return _Shown(associate_rows(rows, choice, candidates=candidates), rows, path.name)


def _find(
    program: str | None, headers: Path | None, archive: str | None, recipe: "Recipe"
) -> list["Found"]:
    """Find the exposures of a program, or of all programs of a folder."""
    from config.settings import load_settings

    from ..archive import FolderArchive
    from ..errors import ArchiveError
    from ..factory import make_archive
    from ..run import Request, find

    if headers is None:
        assert program is not None
        request = Request(program)
        return [find(request, recipe, make_archive(load_settings(archive=archive)))]
    for suffix in ("uncal", "rate"):
        folder = FolderArchive(headers, suffixes=(suffix,))
        found = [find(Request(one), recipe, folder) for one in folder.programs()]
        if found:
            return found
    raise ArchiveError(f"{headers} holds neither ..._uncal.fits nor ..._rate.fits")


def _join(programs: list["Associated"]) -> _Shown:
    """Join what is shown of several programs."""
    from ..models.associations import AssociationSet

    made = [one.associations for one in programs]
    inventories = [one.found.inventory for one in programs]
    unusable = [file.reason for i in inventories for file in i.unusable]
    unusable += [
        said for i in inventories for said in (*i.unchecked, *i.refused, *i.withheld)
    ]
    pools = [inventory.pool.name for inventory in inventories if inventory.pool]
    return _Shown(
        AssociationSet(
            associations=tuple(a for one in made for a in one.associations),
            unused=tuple(e for one in made for e in one.unused),
            untaken=tuple(e for one in made for e in one.untaken),
            lacking=tuple(e for one in made for e in one.lacking),
        ),
        rows=tuple(row for one in programs for row in one.rows),
        pool_name=pools[0] if len(pools) == len(inventories) == 1 else "none",
        unusable=tuple(unusable),
        notes=tuple(note for one in programs for note in one.notes),
    )


def _refuse_unknown(candidates: tuple[str, ...], rows: tuple["PoolRow", ...]) -> None:
    """Refuse ids of candidates that are not there."""
    from ..errors import PoolError

    held = {candidate.id for row in rows for candidate in row.candidates}
    if unknown := [one for one in candidates if one not in held]:
        raise PoolError(
            f"unknown candidate {', '.join(unknown)}: there are "
            f"{', '.join(sorted(held)) or 'none'}"
        )


def _compare(made: "AssociationSet", path: Path | None) -> tuple["Difference", ...]:
    """Compare with other associations."""
    from ..archive import read_texts
    from ..associations import compare_documents

    if path is None:
        return ()
    return compare_documents(made.associations, read_texts(path, "*_asn.json"))


def _write(shown: _Shown, out: Path | None) -> tuple[str, ...]:
    """Write the documents."""
    from ..archive import write_texts
    from ..associations import name_documents, to_json_text

    if out is None:
        return ()
    texts = {
        name: to_json_text(one, pool_name=shown.pool_name)
        for name, one in name_documents(shown.made.associations).items()
    }
    return write_texts(out, texts)


def _to_record(
    shown: _Shown, differences: tuple["Difference", ...]
) -> dict[str, object]:
    """Make a record of everything."""
    made = shown.made
    return {
        "associations": [
            {
                "asn_type": one.asn_type,
                "asn_rule": one.asn_rule,
                "asn_id": one.asn_id,
                "program": one.program,
                "target": one.target,
                "product": one.product_name,
                "members": tuple(one.members),
            }
            for one in made.associations
        ],
        "unused": made.unused,
        "untaken": made.untaken,
        "lacking": made.lacking,
        "rejected": shown.unusable,
        "notes": shown.notes,
        "differences": differences,
    }


def _print(
    shown: _Shown, differences: tuple["Difference", ...], *, explain: bool
) -> None:
    """Print everything."""
    made = shown.made
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
    for note in shown.notes:
        say(f"note      {note}")
    for reason in shown.unusable:
        say(f"rejected  {reason}")
    for lacking in made.lacking:
        say(f"lacking   {lacking}")
    for unused in (*made.unused, *(made.untaken if explain else ())):
        say(f"not used  {unused.name}: {unused.reason}")
    for one in differences:
        member = f"  {one.member} ({one.exptype})" if one.member else ""
        say(f"{one.what}: {one.asn_type} {one.product}{member}")
    say(f"{len(made.associations)} associations of {len(shown.rows)} exposures")


def _print_members(made: "AssociationSet") -> None:
    """Print every member of every association."""
    for one in made.associations:
        say(f"{one.asn_type} {one.product_name}  ({one.asn_rule}, {one.asn_id})")
        for member in one.members:
            say(f"  {member.exptype:12s} {member.expname}: {member.reason}")
