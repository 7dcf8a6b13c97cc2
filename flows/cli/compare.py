"""`rewebb compare`: how spectra and cubes changed, by how much, and why."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from .options import AsJson, DataDir
from .output import announce, fail, print_json, print_lines, print_rows, say
from .records import Found, find_recorded, open_recorded

if TYPE_CHECKING:
    from ..models.runs import Run
    from ..provenance import Database
    from ..reports import Changed, ProductChange, Versions

__all__ = ["compare"]

_MAST = "mast"
"""Stands for the products of MAST."""

_FILES = (".fits", ".ecsv")


def compare(
    first: Annotated[
        str,
        typer.Argument(
            help="What was before: a run, a job or a product, as for `rewebb show`; "
            "the path of a file; or mast for the products of the same names there."
        ),
    ],
    second: Annotated[str, typer.Argument(help="What is now, of the same kind.")],
    *,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Say how spectra, cubes and light curves changed between two runs or products.

    Ratios of fluxes over wavelength, noise, errors, bad samples and places of lines,
    largest change first, with the references, parameters, members or versions that
    caused it. `rewebb diff` compares bit by bit.
    """
    from workers.calls import compare_spectra

    from ..reports import compare_versions

    with (
        open_recorded(data_dir) as (database, folder),
        _list_versions(database, folder, first, second, data_dir) as versions,
    ):
        changed = compare_versions(versions, database, compare_spectra)
    if as_json:
        print_json(changed)
    else:
        _print(changed)


@contextmanager
def _list_versions(
    database: "Database", folder: Path, first: str, second: str, data_dir: Path | None
) -> "Iterator[Sequence[Versions]]":
    """List what is compared; what is fetched of MAST is there until the block ends."""
    from ..reports import pair_with_files

    outside = [name == _MAST or _is_file(name) for name in (first, second)]
    if all(outside):
        fail("One of the two must be recorded: `rewebb runs` lists runs.")
    if not any(outside):
        pair = find_recorded(database, first), find_recorded(database, second)
        yield _pair_recorded(database, folder, pair)
        return
    is_first = outside[0]
    other, recorded = (first, second) if is_first else (second, first)
    known = find_recorded(database, recorded)
    versions = _pair_recorded(database, folder, (known, known))
    if other != _MAST:
        if len(versions) != 1:
            fail("A file is compared with a product: give the name of one.")
        yield pair_with_files(versions, lambda _: Path(other), is_first=is_first)
        return
    with _fetching(data_dir) as fetch:
        yield pair_with_files(versions, fetch, is_first=is_first)


def _is_file(name: str) -> bool:
    return name.endswith(_FILES) and Path(name).is_file()


@contextmanager
def _fetching(data_dir: Path | None) -> Iterator[Callable[[str], Path | None]]:
    """Give what fetches products of MAST to a folder that is removed at the end."""
    from config.settings import load_settings

    from ..factory import make_mast

    with (
        TemporaryDirectory(prefix="rewebb-mast-") as folder,
        closing(make_mast(load_settings(data_dir=data_dir))) as mast,
    ):
        announce("asking MAST")

        def fetch(name: str) -> Path | None:
            return mast.fetch_product(name, Path(folder))

        yield fetch


def _pair_recorded(
    database: "Database", folder: Path, pair: "tuple[Found | Run, Found | Run]"
) -> "Sequence[Versions]":
    from ..reports import pair_jobs, pair_runs

    one, other = pair
    if isinstance(one, Found) and isinstance(other, Found):
        found = pair_jobs(database, folder, one.fingerprint, other.fingerprint)
        return _choose(found, one, other)
    if isinstance(one, Found) or isinstance(other, Found):
        fail("One is a run and one is not: compare two runs, or two products or jobs.")
    return pair_runs(database, folder, one, other)


def _choose(
    versions: "Sequence[Versions]", one: Found, other: Found
) -> "Sequence[Versions]":
    """Keep the products that were named; a pair of them, whatever their names."""
    if not one.product or not other.product:
        return versions
    from ..reports import Versions

    names = one.product.product.name, other.product.product.name
    before, after = (
        next((v for v in versions if v.product == name), None) for name in names
    )
    if before is None or after is None:
        fail(
            "Only spectra, cubes and light curves (x1d, c1d, x1dints, s3d, whtlt) are "
            "compared; `rewebb diff` compares any two products."
        )
    return [Versions(names[1], before.before, after.after)]


def _print(changed: "Changed") -> None:
    from ..reports import say_changes

    rows = [row for product in changed.different for row in _to_rows(product)]
    if rows:
        print_rows(("product", "part", "what changed"), rows)
        say()
    why: dict[tuple[str, ...], list[str]] = {}
    for product in changed.different:
        if product.causes:
            why.setdefault(product.causes, []).append(product.product)
    for causes, names in why.items():
        count = f"{len(names)} products" if len(names) > 1 else names[0]
        print_lines(f"why {count} changed", causes)
    say(say_changes(changed))


def _to_rows(product: "ProductChange") -> list[tuple[str, str, str]]:
    from ..reports import say_change

    rows = [
        (product.product, spectrum.part, say_change(spectrum))
        for spectrum in product.spectra
    ]
    rows += [(product.product, "", said) for said in product.only]
    if product.why_not:
        rows.append((product.product, "", f"not compared: {product.why_not}"))
    return rows or [(product.product, "", str(product.sameness))]
