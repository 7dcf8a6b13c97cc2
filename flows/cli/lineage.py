"""`rewebb lineage` and `rewebb prov`: what a product was made of."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..models.lineage import ProvFormat
from .options import AsJson, DataDir
from .output import print_json, print_tree, styled
from .records import Found, find_recorded, open_recorded

if TYPE_CHECKING:
    from rich.tree import Tree

    from workers.contract import Input

    from ..models.lineage import Lineage, Making
    from ..provenance import Database

__all__ = ["lineage", "prov"]

_Target = Annotated[
    str,
    typer.Argument(
        help="A product (its path, or just its name), a job (stage:name), or the "
        "beginning of a fingerprint or of the id of a run.",
        metavar="PRODUCT|JOB|FINGERPRINT|RUN",
    ),
]


def lineage(
    target: _Target,
    *,
    up: Annotated[
        bool, typer.Option("--up", help="Only what it was made of (the default).")
    ] = False,
    down: Annotated[
        bool, typer.Option("--down", help="Only what was made of it, to the last.")
    ] = False,
    references: Annotated[
        bool,
        typer.Option("--references", help="Show the references of each job."),
    ] = False,
    dot: Annotated[
        bool, typer.Option("--dot", help="Print a graph for Graphviz instead.")
    ] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show the jobs and files a product was made of, up to the raw exposures.

    With --up and --down both are shown.
    """
    from ..reports import to_dot

    with open_recorded(data_dir) as (database, _):
        jobs = _find_jobs(database, target)
        found = database.lineages.trace(jobs, up=up or not down, down=down)
    if as_json:
        print_json(_to_record(found))
    elif dot:
        typer.echo(to_dot(found))
    else:
        for tree in _draw(found, up=up or not down, down=down, references=references):
            print_tree(tree)


def prov(
    target: _Target,
    *,
    form: Annotated[
        ProvFormat,
        typer.Option(
            "--format",
            help="PROV-JSON, PROV-N, a graph for Graphviz, or a picture drawn by it.",
        ),
    ] = "json",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write; else to standard output."),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Export the provenance of a product, a job or a run as W3C PROV.

    Names are those of the IVOA Provenance Data Model. All that it was made of is in
    it, up to the raw exposures and references, by the hashes of their content.
    """
    from workers.publishing import replace

    from ..provenance import make_prov_document, write_prov

    with open_recorded(data_dir) as (database, _):
        found = database.lineages.trace(_find_jobs(database, target))
        ids = {making.run_id for making in found.makings.values() if making.run_id}
        runs = [database.runs.get_run(run) for run in sorted(ids)]
    written = write_prov(make_prov_document(found, runs), form)
    if output is None:
        typer.echo(written, nl=not written.endswith(b"\n"))
    else:
        replace(output, lambda path: path.write_bytes(written))


def _find_jobs(database: "Database", target: str) -> tuple[str, ...]:
    """Find the fingerprints of the jobs that a name stands for."""
    found = find_recorded(database, target)
    if isinstance(found, Found):
        return (found.fingerprint,)
    jobs = database.runs.get_run_jobs(found.id)
    return tuple(job.fingerprint for job in jobs if job.fingerprint)


def _to_record(lineage: "Lineage") -> dict[str, Any]:
    """Make the record of a lineage: each job with what it read and made."""
    return {
        "asked": lineage.asked,
        "jobs": [
            {
                "fingerprint": fingerprint,
                "stage": making.job.stage,
                "name": making.job.name,
                "program": making.job.program,
                "context": making.job.context,
                "versions": making.job.versions,
                "run": making.run_id,
                "host": making.host,
                "started_at": making.started_at,
                "finished_at": making.done and making.done.finished_at,
                "inputs": [
                    {
                        "name": file.name,
                        "exptype": file.exptype,
                        "sha256": file.sha256,
                        "reason": file.reason,
                        "made_by": lineage.makers.get(file.sha256),
                        "fetched": lineage.origins.get(file.sha256),
                    }
                    for file in making.job.inputs
                ],
                "references": making.job.references,
                "pars": making.job.pars,
                "products": making.done.products if making.done else (),
            }
            for fingerprint, making in lineage.makings.items()
        ],
    }


def _draw(
    lineage: "Lineage", *, up: bool, down: bool, references: bool
) -> "Iterator[Tree]":
    """Draw a tree of each job that was asked for, unless another tree shows it.

    What a tree shows already is named again, but not taken apart again.
    """
    from rich.tree import Tree

    asked = [lineage.makings[fingerprint] for fingerprint in lineage.asked]
    for grow, is_wanted, order in (
        (_grow_up, up, reversed(asked)),
        (_grow_down, down, asked),
    ):
        shown: set[str] = set()
        for making in order if is_wanted else ():
            if making.job.fingerprint not in shown:
                tree = Tree(styled(_say_job(making)))
                grow(tree, making, lineage, shown, references=references)
                yield tree


def _grow_up(
    tree: "Tree",
    making: "Making",
    lineage: "Lineage",
    shown: set[str],
    *,
    references: bool,
) -> None:
    """Put what a job read below it."""
    shown.add(making.job.fingerprint)
    if references:
        _add_references(tree, making)
    for file in making.job.inputs:
        label = f"{file.exptype} {file.name}"
        maker = lineage.makers.get(file.sha256)
        if maker is None:
            tree.add(styled(f"{label}  {_say_origin(file, lineage)}"))
        elif maker in shown:
            stage = lineage.makings[maker].job.stage
            tree.add(styled(f"{label}  {stage}, see above"))
        else:
            above = lineage.makings[maker]
            branch = tree.add(styled(f"{label}  {_say_job(above)}"))
            _grow_up(branch, above, lineage, shown, references=references)


def _grow_down(
    tree: "Tree",
    making: "Making",
    lineage: "Lineage",
    shown: set[str],
    *,
    references: bool,
) -> None:
    """Put what a job made, and the jobs that read it, below it."""
    shown.add(making.job.fingerprint)
    if references:
        _add_references(tree, making)
    for product in making.done.products if making.done else ():
        tree.add(styled(product.name))
    for reader in lineage.find_readers(making.job.fingerprint):
        below = lineage.makings[reader]
        if reader in shown:
            key = f"{below.job.stage}:{below.job.name}"
            tree.add(styled(f"{key}  see above"))
        else:
            branch = tree.add(styled(_say_job(below)))
            _grow_down(branch, below, lineage, shown, references=references)


def _add_references(tree: "Tree", making: "Making") -> None:
    files = {use.reftype: use.file for use in making.job.references}
    files |= {use.reftype: use.file for use in making.job.pars}
    for reftype, file in files.items():
        if file is not None:
            tree.add(styled(f"{reftype} {file.name}  sha1 {file.sha1[:12]}"))


def _say_job(making: "Making") -> str:
    job, done = making.job, making.done
    when = f"{done.finished_at:%Y-%m-%d %H:%M} UTC" if done else "no success"
    key = f"{job.stage}:{job.name}"
    return f"{key}  {job.fingerprint[:12]}, {job.context}, {when}"


def _say_origin(file: "Input", lineage: "Lineage") -> str:
    """Say where a file came from that no job made."""
    fetched = lineage.origins.get(file.sha256)
    if fetched is None:
        return str(Path(file.path).parent)
    return f"{fetched.uri} (version {fetched.version})"
