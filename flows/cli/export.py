"""`rewebb export` and `withdraw`: what a scientist hands on, and what no more."""

from typing import Annotated

import typer

from .options import AsJson, DataDir, split
from .output import announce, print_json, print_lines, say
from .records import open_recorded

__all__ = ["export", "withdraw"]

_Run = Annotated[
    str, typer.Argument(help="Id of a run or its beginning.", metavar="RUN")
]
_Target = Annotated[
    str, typer.Argument(help="A folder, or s3://bucket/prefix.", metavar="TARGET")
]


def export(
    run: _Run,
    target: _Target,
    *,
    kinds: Annotated[
        str | None,
        typer.Option(
            help="Suffixes of the products, comma-separated (x1d,s3d,cal); else those "
            "of the last stages."
        ),
    ] = None,
    keep: Annotated[
        bool,
        typer.Option(
            "--keep/--no-keep",
            help="Record that the run is published: `rewebb gc` keeps it, until "
            "`rewebb withdraw RUN TARGET`.",
        ),
    ] = True,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Write the products of a run with all that explains them: for papers, archives.

    Canonical names, a manifest, SHA256SUMS, provenance, associations, the recipe, and a
    README with caveats and how to cite. Doing it again writes what is not there yet.
    """
    from ..reports import export_run

    with open_recorded(data_dir, writes=keep) as (database, folder):
        found = export_run(
            database,
            database.runs.get_run(run),
            target,
            data_dir=folder,
            kinds=frozenset(split(kinds)) or None,
            keeps=keep,
            listener=(lambda _: None) if as_json else announce,
        )
    if as_json:
        print_json(found)
        return
    print_lines("jobs of the run without products", found.left_out)
    say(
        f"{target}: {len(found.written)} files written, {len(found.kept)} there already"
    )


def withdraw(
    run: _Run,
    target: _Target,
    *,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Say that an export does not count any more, so that `rewebb gc` may remove it.

    The files there stay; `rewebb show RUN` lists the exports of a run.
    """
    from ..reports import name_target

    place = name_target(target)
    with open_recorded(data_dir, writes=True) as (database, _):
        found = database.runs.get_run(run)
        database.runs.withdraw_export(found.id, place)
    if as_json:
        print_json({"run": found.id, "target": place})
    else:
        say(f"The run {found.id} is not kept for {place} any more.")
