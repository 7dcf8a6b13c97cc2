"""`rewebb diff`: how two products, jobs or runs differ, and why."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import AsJson, DataDir
from .output import fail, print_json, print_lines, print_rows, say
from .records import Found, find_recorded, open_recorded

if TYPE_CHECKING:
    from workers.contract import Product

    from ..models.runs import Run
    from ..provenance import Database
    from ..reports import JobDifference, ProductDifference

__all__ = ["diff", "list_products"]


def diff(
    first: Annotated[
        str,
        typer.Argument(help="A product, a job or a run, as for `rewebb show`."),
    ],
    second: Annotated[
        str, typer.Argument(help="What it is compared with, of the same kind.")
    ],
    *,
    pixels: Annotated[
        bool,
        typer.Option(help="Read products whose hashes differ, and count their pixels."),
    ] = True,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Say how two products, jobs or runs differ, and what has caused it.

    Where an input differs, the jobs that made it are compared, too, up to what was
    changed: a reference, a parameter, a version, a member or an edit.
    """
    with open_recorded(data_dir) as (database, folder):
        one, other = (find_recorded(database, each) for each in (first, second))
        if isinstance(one, Found) and isinstance(other, Found):
            _diff_jobs(database, folder, (one, other), pixels=pixels, as_json=as_json)
        elif not isinstance(one, Found) and not isinstance(other, Found):
            _diff_runs(database, one, other, as_json=as_json)
        else:
            run, job = (second, first) if isinstance(one, Found) else (first, second)
            fail(
                f"{run} is a run and {job} is not: compare two runs, or two products "
                "or jobs."
            )


def _diff_jobs(
    database: "Database",
    folder: Path,
    pair: tuple[Found, Found],
    *,
    pixels: bool,
    as_json: bool,
) -> None:
    from ..reports import compare_jobs, compare_products

    one, other = pair
    if one == other and one.others and one.product:
        fail(
            f"Both names stand for {one.product.product.name} of job "
            f"{one.fingerprint[:12]}; others of this name are of the jobs "
            f"{', '.join(key[:12] for key in one.others)}: give these."
        )
    jobs = compare_jobs(database, one.fingerprint, other.fingerprint)
    both = (
        list_products(
            database,
            folder,
            each.fingerprint,
            each.product.product.name if each.product else None,
        )
        for each in pair
    )
    before, after = both
    if one.product and other.product:
        # Products that were named are a pair, whatever their names.
        before = [(after[0][0], *before[0][1:])]
    products = compare_products(before, after, reads=pixels)
    if as_json:
        print_json({"jobs": jobs, "products": products})
        return
    _print_products(products)
    if one.fingerprint == other.fingerprint:
        say()
        say(f"one job: {one.fingerprint}")
    for job in jobs:
        keys = " -> ".join(fingerprint[:12] for fingerprint in job.fingerprints)
        _print_job(f"{job.key}  {keys}", job)


def list_products(
    database: "Database", folder: Path, fingerprint: str, named: str | None = None
) -> "list[tuple[str, Product, Path]]":
    """List what a job made, or the product of it that was named, by name."""
    done = database.jobs.find_outcomes([fingerprint]).get(fingerprint)
    if done is None:
        return []
    return [
        (product.name, product, folder / done.folder / product.name)
        for product in done.products
        if named in {None, product.name}
    ]


def _print_products(products: "Sequence[ProductDifference]") -> None:
    print_rows(
        ("product", "how alike"),
        [(product.name, product.sameness) for product in products],
    )
    for product in products:
        lines = [f"{each.part}: {each.message}" for each in product.arrays]
        lines += [f"not read: {product.why_not}"] * bool(product.why_not)
        print_lines(product.name, lines)


def _print_job(title: str, job: "JobDifference") -> None:
    lines = [each.text for each in job.differences]
    lines += [f"by name alone: {text}" for text in job.names]
    print_lines(title, lines or ["nothing differs"])


def _diff_runs(
    database: "Database", first: "Run", second: "Run", *, as_json: bool
) -> None:
    from ..reports import compare_runs

    found = compare_runs(database, first, second)
    if as_json:
        print_json(found)
        return
    rows = [(name, *pair) for name, pair in found.settings.items()]
    if rows:
        print_rows(("", first.id[:8], second.id[:8]), rows)
    print_lines("the recipe", found.recipe)
    print_lines(f"only in {first.id[:8]}", found.only[0])
    print_lines(f"only in {second.id[:8]}", found.only[1])
    print_lines("not known in one of them", found.unknown)
    why: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for job in found.jobs:
        why[tuple(each.text for each in job.differences)].append(job.key)
    for differences, keys in why.items():
        print_lines(f"{_count(len(keys))} differ", keys)
        for line in differences:
            say(f"    {line}")
    say()
    say(f"{_count(len(found.same))} of the same fingerprint, {len(found.jobs)} differ")


def _count(number: int) -> str:
    return f"{number} job{'s' * (number != 1)}"
