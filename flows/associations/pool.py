"""The pool file of DMS (``jwPPPPP_*_pool.csv``) as rows."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from flows.errors import PoolError

from .candidates import parse_candidates
from .modes import SPECTRA
from .rows import COLUMNS, PoolRow, defined, make_row

__all__ = ["REQUIRED", "read_pool"]

REQUIRED: Final = (
    *("filename", "asn_candidate", "program", "targetid", "pntgtype"),
    *("exp_type", "instrume", "detector"),
)
"""Columns without which nothing can be told."""

_FILE: Final = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9_-]*)_uncal\.fits")

_PROGRAM: Final = re.compile(r"[0-9]{1,5}")


def read_pool(text: str, name: str = "pool") -> tuple[PoolRow, ...]:
    """Read the text of a pool.

    Parameters
    ----------
    text
        A header row and a row for every exposure, cells delimited by ``|``; lines
        that start with ``#`` are comments.
    name
        How messages call it.

    Raises
    ------
    PoolError
        It is no pool: columns are missing, a row has not as many cells as there are
        columns, a file name or a program is none, a file is there twice with
        different values or in two programs.
    """
    lines = _lines(text)
    first = next(lines, None)
    if first is None:
        raise PoolError(f"{name} is empty: expected a row of column names")
    columns = _read_columns(first[1], name)
    seen: dict[str, Mapping[str, str]] = {}
    rows: list[PoolRow] = []
    for number, line in lines:
        where = f"{name}, line {number}"
        cells = _read_cells(line, columns, where)
        row = _read_row(cells, where)
        earlier = seen.setdefault(row.name, cells)
        if earlier is cells or _is_other_image(row, earlier, cells):
            rows.append(row)
        elif earlier != cells:
            raise PoolError(_contradiction(row.name, earlier, cells, where))
    return tuple(rows)


def _is_other_image(
    row: PoolRow, earlier: Mapping[str, str], cells: Mapping[str, str]
) -> bool:
    """Tell whether a name that is there twice is that of an image.

    Images may be listed for several observations; of a spectrum it would be science
    in several.
    """
    is_spectrum = {row.exp_type, defined(earlier["exp_type"])} & SPECTRA
    is_same_program = earlier["program"] == cells["program"]
    return earlier != cells and is_same_program and not is_spectrum


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Give the lines that say something, with their numbers."""
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, line


def _read_columns(line: str, name: str) -> Sequence[str]:
    """Read the names of the columns."""
    columns = [cell.strip().lower() for cell in line.split("|")]
    if missing := [column for column in REQUIRED if column not in columns]:
        raise PoolError(
            f"{name} is no pool: expected the columns {', '.join(REQUIRED)}, "
            f"{', '.join(missing)} missing"
        )
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        raise PoolError(f"{name} has the column {', '.join(twice)} twice")
    return columns


def _read_cells(line: str, columns: Sequence[str], where: str) -> Mapping[str, str]:
    """Read a row."""
    cells = [cell.strip().strip('"') for cell in line.split("|")]
    if len(cells) != len(columns):
        raise PoolError(
            f"{where}: expected {len(columns)} cells as there are columns, got "
            f"{len(cells)}"
        )
    return dict(zip(columns, cells, strict=True))


def _read_row(cells: Mapping[str, str], where: str) -> PoolRow:
    """Make a row, if it can be one."""
    file = _FILE.fullmatch(cells["filename"])
    if file is None:
        raise PoolError(
            f"{where}: expected the name of a raw file (..._uncal.fits) in FILENAME, "
            f"got {cells['filename'][:80]!r}"
        )
    candidates = parse_candidates(_blank(cells["asn_candidate"]))
    if candidates is None:
        raise PoolError(
            f"{where}: expected a list like [('o001', 'observation')] in "
            f"ASN_CANDIDATE, got {cells['asn_candidate'][:80]!r}"
        )
    if _PROGRAM.fullmatch(cells["program"]) is None:
        raise PoolError(
            f"{where}: expected up to five digits in PROGRAM, got "
            f"{cells['program'][:80]!r}"
        )
    _refuse_unsafe(cells, where)
    return make_row(file["name"].lower(), candidates, cells)


_VALUE: Final = re.compile(r"[\x20-\x7e]*")


def _refuse_unsafe(cells: Mapping[str, str], where: str) -> None:
    """Refuse values that no header can hold."""
    for column in COLUMNS:
        if _VALUE.fullmatch(cells.get(column, "")) is None:
            raise PoolError(
                f"{where}: expected plain text in {column.upper()}, got "
                f"{cells[column][:80]!r}"
            )


def _blank(text: str) -> str:
    """Take an undefined list for an empty one."""
    return "" if text.strip().lower() in {"null", "--", "n/a"} else text


def _contradiction(
    name: str, earlier: Mapping[str, str], cells: Mapping[str, str], where: str
) -> str:
    """Say in what two rows of one file differ."""
    column = next(c for c, value in cells.items() if earlier[c] != value)
    return (
        f"{where}: {name} is there twice, with {column.upper()} {earlier[column]!r} "
        f"and {cells[column]!r}"
    )
