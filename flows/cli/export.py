"""`rewebb export`: what a scientist hands on."""

from typing import Annotated

import typer

from .options import AsJson, DataDir, split
from .output import announce, print_json, print_lines, say
from .records import open_recorded

__all__ = ["export"]


def export(
    run: Annotated[
        str, typer.Argument(help="Id of a run or its beginning.", metavar="RUN")
    ],
    target: Annotated[
        str,
        typer.Argument(help="A folder, or s3://bucket/prefix.", metavar="TARGET"),
    ],
    *,
    kinds: Annotated[
        str | None,
        typer.Option(
            help="Suffixes of the products, comma-separated (x1d,s3d,cal); else those "
            "of the last stages."
        ),
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Write the products of a run with all that explains them: for papers, archives.

    Canonical names, a manifest, SHA256SUMS, provenance, associations, the recipe, and a
    README with caveats and how to cite. Doing it again writes what is not there yet.
    """
    from ..reports import export_run

    with open_recorded(data_dir) as (database, folder):
        found = export_run(
            database,
            database.runs.get_run(run),
            target,
            data_dir=folder,
            kinds=frozenset(split(kinds)) or None,
            listener=(lambda _: None) if as_json else announce,
        )
    if as_json:
        print_json(found)
        return
    print_lines("jobs of the run without products", found.left_out)
    say(
        f"{target}: {len(found.written)} files written, {len(found.kept)} there already"
    )
