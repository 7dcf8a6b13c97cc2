"""`rewebb find`: products by what they were made from, and by what they are of."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from workers.contract import Stage

from .options import AsJson, DataDir
from .output import print_json, print_rows, say
from .records import open_recorded

if TYPE_CHECKING:
    from ..models.products import FoundProduct, ProductQuery
    from ..reports import QueryResult

__all__ = ["find_app"]

find_app = typer.Typer(no_args_is_help=True, help="Find what is recorded.")

_Texts = list[str] | None


@find_app.callback()
def _begin() -> None:
    """Find what is recorded."""


@find_app.command("products")
def _find_products(
    *,
    reference: Annotated[
        _Texts,
        typer.Option(
            help="Made with this reference, parameter reference or mapping.",
            metavar="NAME|SHA1",
        ),
    ] = None,
    downstream: Annotated[
        bool,
        typer.Option(
            "--downstream", help="Also what was made of products of the reference."
        ),
    ] = False,
    context: Annotated[
        _Texts, typer.Option(help="Made in this CRDS context.", metavar="CONTEXT")
    ] = None,
    jwst: Annotated[
        _Texts, typer.Option(help="Made by this version of jwst.", metavar="VERSION")
    ] = None,
    recipe: Annotated[
        _Texts, typer.Option(help="Of runs with this recipe.", metavar="NAME")
    ] = None,
    exposure: Annotated[
        _Texts,
        typer.Option(help="Made of a file of this exposure.", metavar="EXPOSURE"),
    ] = None,
    caveat: Annotated[
        _Texts, typer.Option(help="With this caveat: ALL_NAN, ...", metavar="CAVEAT")
    ] = None,
    issue: Annotated[
        _Texts,
        typer.Option(help="A known issue that applies: NS-IFU05.", metavar="ISSUE"),
    ] = None,
    target: Annotated[
        _Texts,
        typer.Option(help="Name of the target; * stands for anything.", metavar="NAME"),
    ] = None,
    near: Annotated[
        _Texts,
        typer.Option(
            help="Circle on the sky, in degrees or as 10h0m0s,+2d0m0s,2arcsec: a "
            "source is in it, or it touches a footprint.",
            metavar="RA,DEC,RADIUS",
        ),
    ] = None,
    wave: Annotated[
        _Texts, typer.Option(help="Wavelengths in um, some of them.", metavar="A,B")
    ] = None,
    program: Annotated[
        _Texts, typer.Option(help="Program id, five digits.", metavar="PROGRAM")
    ] = None,
    stage: Annotated[
        list[Stage] | None,
        typer.Option(help="Stage that made it."),
    ] = None,
    kind: Annotated[
        _Texts, typer.Option(help="Suffix: x1d, s3d, ...", metavar="KIND")
    ] = None,
    newest: Annotated[
        bool, typer.Option("--newest", help="Of each name only the newest.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option(help="At most this many, the newest first.")
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print CSV, with the columns of ObsCore.")
    ] = False,
    as_votable: Annotated[
        bool, typer.Option("--votable", help="Print a VOTable (ObsCore 1.1).")
    ] = False,
) -> None:
    """Find products by what they were made from, and by what they are of.

    Of an option that is given several times any may hold; all options must.
    """
    from config.known_issues import load_known_issues

    from ..archive import parse_cone
    from ..models.products import ProductQuery, parse_caveat, parse_span
    from ..names import check_program
    from ..reports import find_products

    if as_json + as_csv + as_votable > 1:
        raise typer.BadParameter("Give one of --json, --csv and --votable.")
    for one in program or ():
        check_program(one)
    query = ProductQuery(
        references=tuple(reference or ()),
        contexts=tuple(context or ()),
        jwst=tuple(jwst or ()),
        recipes=tuple(recipe or ()),
        exposures=tuple(exposure or ()),
        caveats=tuple(map(parse_caveat, caveat or ())),
        issues=tuple(issue or ()),
        targets=tuple(target or ()),
        near=tuple(map(parse_cone, near or ())),
        waves=tuple(map(parse_span, wave or ())),
        programs=tuple(program or ()),
        stages=tuple(stage or ()),
        kinds=tuple(kind or ()),
        is_downstream=downstream,
        is_newest=newest,
        limit=limit,
    )
    with open_recorded(data_dir) as (database, folder):
        issues = load_known_issues()
        found = find_products(database, query, data_dir=folder, issues=issues)
    if as_json:
        print_json(found.products)
    elif as_csv or as_votable:
        _print_table(found, as_csv=as_csv)
    else:
        _print_found(found)


def _print_table(found: "QueryResult", *, as_csv: bool) -> None:
    from ..reports import write_votable

    table = found.to_table()
    if as_csv:
        table.write(sys.stdout, format="ascii.csv")
    else:
        write_votable(table, sys.stdout.buffer)


def _print_found(found: "QueryResult") -> None:
    query = found.query
    more = {
        "arcsec away": bool(query.near),
        "known issues": bool(query.issues),
    }
    columns = [
        *("product", "program", "target", "RA, DEC (deg)", "um", "jwst", "context"),
        *("made (UTC)", *(name for name, is_asked in more.items() if is_asked)),
    ]
    print_rows(columns, [_to_cells(one, query) for one in found])
    say()
    say(f"{len(found)} product{'s' * (len(found) != 1)} in {found.data_dir}")


def _to_cells(one: "FoundProduct", query: "ProductQuery") -> Sequence[object]:
    facts = one.facts
    place, waves = "-", "-"
    if facts and facts.ra_deg is not None and facts.dec_deg is not None:
        place = f"{facts.ra_deg:.5f}, {facts.dec_deg:+.5f}"
    if facts and facts.wave_min_m is not None and facts.wave_max_m is not None:
        waves = f"{facts.wave_min_m * 1e6:.3f}-{facts.wave_max_m * 1e6:.3f}"
    cells = [
        *(one.product.name, one.program, (facts and facts.target) or "-", place),
        *(waves, one.jwst, one.context, f"{one.finished_at:%Y-%m-%d %H:%M:%S}"),
    ]
    if query.near:
        apart = one.separation_deg
        cells.append("-" if apart is None else f"{apart * 3600:.3f}")
    if query.issues:
        cells.append(", ".join(f"{name} {state}" for name, state in one.issues.items()))
    return cells
