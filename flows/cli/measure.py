"""`rewebb measure`: numbers that products give of known issues, before and after."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import AsJson, DataDir
from .output import FAILED, fail, print_json, print_rows, say, warn, watched
from .records import find_recorded, open_recorded

if TYPE_CHECKING:
    from workers.cache_contract import FileProgress
    from workers.contract import Measurement

    from ..run import ProductFile

__all__ = ["measure"]


def measure(
    products: Annotated[
        list[str] | None,
        typer.Argument(
            help="Products: paths, names of products that are recorded, or runs (the "
            "beginning of the id), which are all of their products.",
            metavar="PRODUCT|RUN...",
        ),
    ] = None,
    *,
    against: Annotated[
        str | None,
        typer.Option(
            help="The product or the run as it was before, or a folder of products of "
            "the same names as they were before.",
            metavar="PRODUCT|RUN|FOLDER",
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
    """Measure known defects in products, and compare them with what was before.

    The numbers of recorded products are kept, and are not taken again. Exit code 1 when
    some products could not be measured.
    """
    if definitions:
        _print_definitions(as_json=as_json)
        return
    if not products:
        raise typer.BadParameter("Give a product, or --list.")
    with watched(quiet=as_json) as listen:
        measuring = _Measuring(data_dir, line or (), listen("").references)
        after = measuring.find(products)
        before = measuring.find_before(against, after) if against else None
        found = measuring.take(after)
        was = measuring.take(before) if before is not None else None
    if was is None:
        _print_numbers(found, as_json=as_json)
    else:
        _print_comparison(was, found, as_json=as_json)
    if measuring.failed:
        raise typer.Exit(FAILED)


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


@dataclass(frozen=True, slots=True)
class _Target:
    """A product to be measured."""

    path: Path
    """Where it is."""
    recorded: "ProductFile | None" = None
    """As it is recorded; None of a file that was given by its path."""


class _Measuring:
    """Finds products and measures them; recorded ones are measured once."""

    def __init__(
        self,
        data_dir: Path | None,
        lines_um: Sequence[float],
        listener: "Callable[[FileProgress], None] | None",
    ) -> None:
        from config.settings import load_settings

        self.failed: list[str] = []
        self._settings = load_settings(data_dir=data_dir)
        self._lines_um = lines_um
        self._listener = listener or (lambda _: None)

    def find(self, products: Sequence[str]) -> list[_Target]:
        """Find products by path or recorded name, and those of runs."""
        targets: list[_Target] = []
        for product in products:
            is_file = Path(product).is_file()
            targets += [_Target(Path(product))] if is_file else self._look_up(product)
        return targets

    def find_before(self, against: str, after: Sequence[_Target]) -> list[_Target]:
        """Find what products are compared with."""
        if not Path(against).is_dir():
            before = self.find([against])
            if len(before) == 1 < len(after):
                fail(
                    f"{len(after)} products need a folder or a run to be compared "
                    f"with, not {against}."
                )
            return before
        paths = [Path(against) / target.path.name for target in after]
        missing = [path.name for path in paths if not path.is_file()]
        if missing:
            fail(f"{against} has no {', '.join(missing)} to compare with.")
        return [_Target(path) for path in paths]

    def take(self, targets: Sequence[_Target]) -> "list[tuple[Measurement, ...]]":
        """Measure products: recorded ones each by itself, files beside each other.

        Where lines are is asked anew each time, so that these numbers are not kept.
        """
        kept = [t.recorded for t in targets if t.recorded and not self._lines_um]
        files = [t.path for t in targets if not t.recorded or self._lines_um]
        found = [*self._take_recorded(kept), *self._take_files(files)]
        given = {numbers[0].product for numbers in found if numbers}
        for target in targets:
            if target.path.name not in {*given, *self.failed}:
                warn(
                    f"no measurement is for {target.path.name}; see `rewebb measure "
                    "--list`"
                )
        return found

    def _look_up(self, name: str) -> list[_Target]:
        from ..models.runs import Run
        from ..run import ProductFile, list_products_of

        if name != Path(name).name:
            fail(f"There is no file {name}.")
        with open_recorded(self._settings.data_dir) as (database, folder):
            found = find_recorded(database, name)
            if isinstance(found, Run):
                files = list_products_of(database.runs.get_run_jobs(found.id), database)
            elif (one := found.product) is not None:
                files = (ProductFile(one.fingerprint, one.product, one.folder),)
            else:
                fail(f"{name} is neither a product nor a run: see `rewebb runs`.")
        return [_Target(folder / f.folder / f.product.name, f) for f in files]

    def _take_recorded(
        self, files: "Sequence[ProductFile]"
    ) -> "list[tuple[Measurement, ...]]":
        from ..factory import open_configured_cluster, open_database
        from ..run import measure_recorded

        if not files:
            return []
        with open_database(self._settings) as database:
            measured = measure_recorded(
                files,
                database,
                data_dir=self._settings.data_dir.absolute(),
                open_cluster=lambda: open_configured_cluster(self._settings),
                listener=self._listener,
            )
        for name, why in measured.failed.items():
            self.failed.append(name)
            warn(f"{name} is not measured: {why}")
        return [product.numbers for product in measured.products]

    def _take_files(self, paths: Sequence[Path]) -> "list[tuple[Measurement, ...]]":
        from workers.calls import measure_products
        from workers.contract import ErrorInfo

        if not paths:
            return []
        found = measure_products(paths, lines_um=self._lines_um)
        if isinstance(found, ErrorInfo):
            fail(found.message)
        return list(found)


def _print_numbers(
    found: "Sequence[tuple[Measurement, ...]]", *, as_json: bool
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
    before: "Sequence[tuple[Measurement, ...]]",
    after: "Sequence[tuple[Measurement, ...]]",
    *,
    as_json: bool,
) -> None:
    changes = [
        change for old, new in _pair(before, after) for change in _compare(old, new)
    ]
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


def _pair(
    before: "Sequence[tuple[Measurement, ...]]",
    after: "Sequence[tuple[Measurement, ...]]",
) -> "Iterator[tuple[tuple[Measurement, ...], tuple[Measurement, ...]]]":
    """Pair the numbers of products by name; one with one, whatever their names."""
    if len(before) == len(after) == 1:
        yield before[0], after[0]
        return
    old, new = (
        {numbers[0].product: numbers for numbers in each if numbers}
        for each in (before, after)
    )
    for name in dict.fromkeys((*new, *old)):
        yield old.get(name, ()), new.get(name, ())


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
