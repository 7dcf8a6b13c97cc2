"""`rewebb measure`: numbers that products give of known issues, before and after."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import AsJson, DataDir
from .output import fail, print_json, print_rows, say, warn
from .records import Found, find_recorded, open_recorded

if TYPE_CHECKING:
    from workers.contract import Measurement

__all__ = ["measure"]


def measure(
    products: Annotated[
        list[str] | None,
        typer.Argument(
            help="Products: paths, or names of products that are recorded.",
            metavar="PRODUCT...",
        ),
    ] = None,
    *,
    against: Annotated[
        str | None,
        typer.Option(
            help="The product as it was before, or a folder of products of the same "
            "names as it was before.",
            metavar="PRODUCT|FOLDER",
        ),
    ] = None,
    line: Annotated[
        list[float] | None,
        typer.Option(help="Where a line should be in spectra, in um; repeatable."),
    ] = None,
    definitions: Annotated[
        bool, typer.Option("--list", help="List what can be measured, and of what.")
    ] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Measure known defects in products, and compare them with what was before."""
    if definitions:
        _print_definitions(as_json=as_json)
        return
    if not products:
        raise typer.BadParameter("Give a product, or --list.")
    after = [_find_product(product, data_dir) for product in products]
    found = _measure(after, line or ())
    if against is None:
        _print_numbers(found, as_json=as_json)
        return
    before = _measure(_find_before(against, after, data_dir), line or ())
    _print_comparison(before, found, as_json=as_json)


def _print_definitions(*, as_json: bool) -> None:
    from config.measurements import list_measurements

    kinds = list_measurements()
    if as_json:
        print_json(kinds)
        return
    for name, kind in kinds.items():
        units = ", ".join(f"{v.unit} (ideal: {v.ideal:g})" for v in kind.values)
        say(f"{name}: {', '.join(kind.suffixes)}; {kind.match.describe()}; {units}")
        say(f"    {kind.definition}")
        say(f"    {kind.source}")


def _find_product(product: str, data_dir: Path | None) -> Path:
    """Find the file of a product, which is a path or a recorded name."""
    if Path(product).is_file():
        return Path(product)
    if product != Path(product).name:
        fail(f"There is no file {product}.")
    with open_recorded(data_dir) as (database, folder):
        found = find_recorded(database, product)
    if not isinstance(found, Found) or found.product is None:
        fail(f"{product} is not a product: give the path or the name of a file.")
    return folder / found.product.folder / found.product.product.name


def _find_before(
    against: str, after: Sequence[Path], data_dir: Path | None
) -> list[Path]:
    """Find what products are compared with."""
    if Path(against).is_dir():
        paths = [Path(against) / path.name for path in after]
        missing = [path.name for path in paths if not path.is_file()]
        if missing:
            fail(f"{against} has no {', '.join(missing)} to compare with.")
        return paths
    if len(after) > 1:
        fail(f"{len(after)} products need a folder to be compared with, not {against}.")
    return [_find_product(against, data_dir)]


def _measure(
    paths: Sequence[Path], lines_um: Sequence[float]
) -> "tuple[tuple[Measurement, ...], ...]":
    from workers.contract import ErrorInfo
    from workers.run import measure_products

    found = measure_products(paths, lines_um=lines_um)
    if isinstance(found, ErrorInfo):
        fail(found.message)
    for path, numbers in zip(paths, found, strict=True):
        if not numbers:
            warn(f"no measurement is for {path.name}; see `rewebb measure --list`")
    return found


def _print_numbers(
    found: "tuple[tuple[Measurement, ...], ...]", *, as_json: bool
) -> None:
    numbers = [number for product in found for number in product]
    if as_json:
        print_json(numbers)
        return
    print_rows(
        ("product", "measurement", "part", "value", "unit", "n", "why not"),
        [
            (one.product, one.name, one.part, _say(one.value), one.unit, one.n, one.why)
            for one in numbers
        ],
    )


@dataclass(frozen=True, slots=True)
class _Change:
    """A number of a product, before and after."""

    product: str
    """Name of the file."""
    measurement: str
    """What was measured."""
    part: str
    """Of what in it."""
    unit: str
    """Of both numbers."""
    before: float | None
    """As it was; None if there was none."""
    after: float | None
    """As it is."""
    factor: float | None
    """How many times nearer to the ideal it is, if that can be said."""


def _print_comparison(
    before: "tuple[tuple[Measurement, ...], ...]",
    after: "tuple[tuple[Measurement, ...], ...]",
    *,
    as_json: bool,
) -> None:
    pairs = zip(before, after, strict=True)
    changes = [change for old, new in pairs for change in _compare(old, new)]
    if as_json:
        print_json(changes)
        return
    print_rows(
        ("product", "measurement", "part", "before", "after", "unit", "factor"),
        [
            (
                *(one.product, one.measurement, one.part),
                *(_say(one.before), _say(one.after), one.unit, _say(one.factor)),
            )
            for one in changes
        ],
    )


def _compare(
    before: "Sequence[Measurement]", after: "Sequence[Measurement]"
) -> Iterator[_Change]:
    """Pair the numbers of a product with those that it gave before, and compare."""
    from config.measurements import list_measurements

    kinds = list_measurements()
    old = {(one.name, one.part, one.unit): one for one in before}
    new = {(one.name, one.part, one.unit): one for one in after}
    for key in dict.fromkeys((*new, *old)):
        name, part, unit = key
        was = old[key].value if key in old else None
        is_now = new[key].value if key in new else None
        product = (new.get(key) or old[key]).product
        factor = None
        if was is not None and is_now is not None:
            (kind,) = (value for value in kinds[name].values if value.unit == unit)
            factor = kind.compare(was, is_now)
        yield _Change(product, name, part, unit, was, is_now, factor)


def _say(value: float | None) -> str:
    return "-" if value is None else f"{value:.5g}"
