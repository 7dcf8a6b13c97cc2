"""Curves of products: spectra of sources, light curves, and spectra of spaxels."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..errors import MissingPartError, ProductFileError

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "LIGHT_CURVE",
    "SPECTRA",
    "Curve",
    "Part",
    "draw_sparkline",
    "list_parts",
    "opened",
    "read_curves",
    "read_light_curve",
    "read_spectrum",
    "to_curve",
]

LIGHT_CURVE: Final = "whtlt"
"""Kind of the products that are light curves."""

SPECTRA: Final = frozenset({"x1d", "x1dints", "c1d"})
"""Kinds of the products that hold spectra."""

_TABLES: Final = frozenset({"EXTRACT1D", "COMBINE1D"})
"""Extensions that hold spectra."""

_ERRORS: Final = ("FLUX_ERROR", "ERROR")
"""Columns of the errors of FLUX."""

_BLOCKS: Final = "▁▂▃▄▅▆▇█"
"""Heights of a line of text, the lowest first."""

_LIMITS: Final = (2.0, 98.0)
"""Percentiles of the values that are the lowest and the highest block: spikes are cut.
"""

_MOST_PARTS: Final = 500
"""Spectra of a file that can be chosen."""


@dataclass(frozen=True, slots=True)
class Part:
    """A table of spectra in a file."""

    number: int
    """Its place in the file, from 0."""
    label: str
    """Its source, slit or order."""
    rows: int
    """Spectra in it: integrations of a time series; else 1."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Numbers that one looks at as a curve; what is not finite is None."""

    title: str
    """What it is of."""
    x: tuple[float, ...]
    """Where its points are."""
    y: tuple[float | None, ...]
    """Its values."""
    error: tuple[float | None, ...]
    """Standard deviations of these; empty if there are none."""
    x_label: str
    """What `x` is, with its unit."""
    y_label: str
    """What `y` is, with its unit."""


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a FITS file to read parts of it.

    Raises
    ------
    ProductFileError
        It is none, or holds something else than is expected of its kind.
    """
    from astropy.io import fits  # a second: only when it is wanted

    try:
        with fits.open(path, memmap=True) as file:
            yield file
    except (OSError, KeyError, IndexError, ValueError, TypeError) as error:
        raise _refuse(path) from error


def _refuse(path: Path) -> ProductFileError:
    return ProductFileError(f"{path.name} does not hold what files of its kind do.")


def list_parts(path: Path) -> tuple[Part, ...]:
    """List the spectra of a file.

    Raises
    ------
    ProductFileError
        It cannot be read.
    """
    with opened(path) as file:
        tables = [table for table in file if table.name in _TABLES]
        return tuple(
            Part(number, _name_part(table.header, number), _count_rows(table))
            for number, table in enumerate(tables[:_MOST_PARTS])
        )


def read_curves(path: Path, *, limit: int) -> tuple[Sequence[Curve], int]:
    """Read the first spectra or light curves of a product.

    Parameters
    ----------
    limit
        How many at most; of a time series the first integration counts.

    Returns
    -------
    tuple
        The curves, and how many the product holds; none of other kinds of products.

    Raises
    ------
    ProductFileError
        The file cannot be read.
    """
    kind = path.stem.rpartition("_")[2]
    if kind == LIGHT_CURVE:
        curves = read_light_curve(path)
        return curves[:limit], len(curves)
    if kind not in SPECTRA:
        return (), 0
    parts = list_parts(path)
    return [read_spectrum(path, part.number) for part in parts[:limit]], len(parts)


def _name_part(header: Any, number: int) -> str:
    order = header.get("SPORDER", 0)
    given = {
        "source": header.get("SRCNAME") or header.get("SOURCEID"),
        "slit": header.get("SLTNAME"),
        "order": order if order > 0 else None,  # else it is that of all
    }
    named = [f"{name} {value}" for name, value in given.items() if value]
    return ", ".join(named) or f"spectrum {number + 1}"


def _count_rows(table: Any) -> int:
    """Count the spectra of a table: those of a time series are a row each."""
    return len(table.data) if table.data["WAVELENGTH"].ndim > 1 else 1


def read_spectrum(path: Path, number: int = 0, row: int = 0) -> Curve:
    """Read a spectrum.

    Parameters
    ----------
    number
        Which table of the file, from 0.
    row
        Which spectrum of the table, from 0.

    Raises
    ------
    MissingPartError
        There is no such spectrum.
    ProductFileError
        The file cannot be read.
    """
    with opened(path) as file:
        tables = [table for table in file if table.name in _TABLES]
        if not number < len(tables) or not row < _count_rows(tables[number]):
            raise MissingPartError(f"{path.name} has no such spectrum.")
        table = tables[number]
        columns = table.columns
        error = next((name for name in _ERRORS if name in columns.names), None)
        return to_curve(
            _name_part(table.header, number),
            _take(table, "WAVELENGTH", row),
            _take(table, "FLUX", row),
            _take(table, error, row) if error else None,
            x_label=f"wavelength ({columns['WAVELENGTH'].unit or 'um'})",
            y_label=f"flux ({columns['FLUX'].unit or 'no unit'})",
        )


def _take(table: Any, column: str, row: int) -> "np.ndarray":
    values = table.data[column]
    return values[row] if values.ndim > 1 else values  # type: ignore[no-any-return]  # of FITS


def read_light_curve(path: Path) -> Sequence[Curve]:
    """Read the curves of a table of white light.

    Raises
    ------
    ProductFileError
        The file cannot be read.
    """
    from astropy.table import Table

    try:
        table = Table.read(path, format="ascii.ecsv")
        names = [name for name in table.colnames if "flux" in name.lower()]
        return [_to_light_curve(table, name) for name in names]
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise _refuse(path) from error


def _to_light_curve(table: Any, name: str) -> Curve:
    import numpy as np

    end = name.rpartition("flux")[2]
    times = [one for one in table.colnames if one.startswith("MJD")]
    at = next((one for one in times if one.endswith(end or "UTC")), times[0])
    return to_curve(
        name,
        np.asarray(table[at], float),
        np.asarray(table[name], float),
        x_label="MJD (UTC, d)",
        y_label=f"white light ({table[name].unit or 'no unit'})",
    )


def to_curve(
    title: str,
    x: "np.ndarray",
    y: "np.ndarray",
    error: "np.ndarray | None" = None,
    *,
    x_label: str,
    y_label: str,
) -> Curve:
    """Make a curve of arrays, in the order of `x`, without points that have none."""
    import numpy as np

    order = np.argsort(x, kind="stable")
    order = order[np.isfinite(x[order])]
    return Curve(
        title=title,
        x=tuple(map(float, x[order])),
        y=_to_values(y[order]),
        error=() if error is None else _to_values(error[order]),
        x_label=x_label,
        y_label=y_label,
    )


def _to_values(array: "np.ndarray") -> tuple[float | None, ...]:
    import numpy as np

    finite = np.isfinite(array)
    return tuple(
        float(value) if is_finite else None
        for value, is_finite in zip(array, finite, strict=True)
    )


def draw_sparkline(curve: Curve, width: int = 60) -> str:
    """Draw a curve as one line of text: medians over equal steps of `x`.

    Parameters
    ----------
    width
        Characters of the line.

    Returns
    -------
    str
        Blocks between the 2nd and the 98th percentile of these medians, spaces where
        no value is finite; empty if none is.
    """
    import numpy as np

    x, y = np.array(curve.x), np.array(curve.y, dtype=float)
    x, y = x[np.isfinite(y)], y[np.isfinite(y)]
    if not y.size:
        return ""
    first, last = curve.x[0], curve.x[-1]
    step = (last - first) / width or 1.0
    places = np.minimum(((x - first) / step).astype(int), width - 1)
    medians = {place: float(np.median(y[places == place])) for place in set(places)}
    low, high = np.percentile([*medians.values()], _LIMITS)
    steps = len(_BLOCKS) / ((high - low) or 1.0)
    return "".join(
        _BLOCKS[int(np.clip((medians[place] - low) * steps, 0, len(_BLOCKS) - 1))]
        if place in medians
        else " "
        for place in range(width)
    )
