"""The tables of a metafile of the MSA, and what must be true of them.

The columns are those of JDox (NIRSpec MOS Pipeline Caveats, tables 1 and 2), as
``jwst.assign_wcs.nirspec.get_open_msa_slits`` reads them (jwst 3.0.0). Rows of shutters
are counted along dispersion, columns across it.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from config.edits import MSA_COLUMNS, MSA_ROWS

from ..errors import EditError

__all__ = [
    "MsaTables",
    "Rows",
    "SlitletKey",
    "find_flaws",
    "group_slitlets",
    "is_fixed",
    "read_tables",
    "write_tables",
]

_SHUTTERS, _SOURCES = "SHUTTER_INFO", "SOURCE_INFO"
_NO_SLITS = (b"", b"NONE")
"""What the column FIXED_SLIT holds for shutters."""

Rows = NDArray[np.void]
"""Rows of a table; a structured array, texts as bytes."""


@dataclass(frozen=True, slots=True)
class MsaTables:
    """Which shutters are open, and what is in them. Names of columns in lower case."""

    shutters: Rows
    """SHUTTER_INFO: a row for each open shutter of each nod."""
    sources: Rows
    """SOURCE_INFO: a row for each source of the catalogue."""


class SlitletKey(NamedTuple):
    """What the pipeline takes for one slitlet."""

    config: int
    """MSA_METADATA_ID."""
    nod: int
    """DITHER_POINT_INDEX."""
    slitlet: int
    """SLITLET_ID."""


def read_tables(path: Path) -> MsaTables:
    """Read the tables of a metafile.

    Raises
    ------
    EditError
        The file has no such tables.
    """
    with fits.open(path, memmap=False) as hdus:
        found = [hdus[name].data for name in (_SHUTTERS, _SOURCES) if name in hdus]
    if len(found) < 2:
        raise EditError(
            f"{path.name}: expected the tables {_SHUTTERS} and {_SOURCES} of an MSA "
            "metafile"
        )
    return MsaTables(*(_to_rows(data) for data in found))


def write_tables(tables: MsaTables, source: Path, target: Path) -> None:
    """Write a copy of a metafile with other tables; all else stays as it is."""
    with fits.open(source, memmap=False) as hdus:
        pairs = ((_SHUTTERS, tables.shutters), (_SOURCES, tables.sources))
        for name, rows in pairs:
            hdus[name] = _to_hdu(hdus[name], rows)
        hdus.writeto(target, overwrite=True)


def _to_rows(data: fits.FITS_rec) -> Rows:
    rows = np.array(data.view(np.ndarray))
    native = rows.astype(rows.dtype.newbyteorder("="))
    native.dtype.names = tuple(map(str.lower, data.names))
    return native


def _to_hdu(hdu: fits.BinTableHDU, rows: Rows) -> fits.BinTableHDU:
    made = fits.BinTableHDU.from_columns(
        hdu.columns,
        header=hdu.header,
        nrows=max(len(rows), 1),  # astropy takes 0 for as many as there were
        fill=True,
    )
    made.data = made.data[: len(rows)]
    for name in made.columns.names:
        made.data[name] = rows[name.lower()]
    return made


def is_fixed(shutters: Rows) -> NDArray[np.bool_]:
    """Return which rows are of a fixed slit that is open beside the shutters."""
    if "fixed_slit" not in (shutters.dtype.names or ()):
        return np.zeros(len(shutters), bool)
    return ~np.isin(np.char.strip(shutters["fixed_slit"]), _NO_SLITS)


def group_slitlets(shutters: Rows) -> Mapping[SlitletKey, NDArray[np.intp]]:
    """Return the indices of the rows of each slitlet; fixed slits are left out."""
    groups: dict[SlitletKey, list[int]] = {}
    names = ["msa_metadata_id", "dither_point_index", "slitlet_id"]
    for index in np.flatnonzero(~is_fixed(shutters)):
        key = SlitletKey(*(int(shutters[name][index]) for name in names))
        groups.setdefault(key, []).append(int(index))
    return {key: np.array(found) for key, found in groups.items()}


def find_flaws(tables: MsaTables) -> tuple[str, ...]:
    """List what is wrong with tables, or inconsistent between them.

    What it asks:

    - a slitlet lies in one quadrant and one row, and has no shutter twice;
    - at a nod no shutter is in two slitlets;
    - every shutter exists;
    - a slitlet has one primary source at most; the pipeline centres it on the first
      shutter that is not background, so there must be one, and the primary source is
      in a shutter that is not background;
    - no source is primary twice at a nod;
    - a source is in its shutter: 0 to 1, or unknown;
    - every source of a shutter is in SOURCE_INFO, once (virtual ones, below 0, are
      not), with a stellarity of at most 1.
    """
    shutters = tables.shutters[~is_fixed(tables.shutters)]
    return (
        *_check_slitlets(shutters),
        *_check_shutters(shutters),
        *_check_sources(tables),
    )


def _check_slitlets(shutters: Rows) -> Iterator[str]:
    for key, indices in group_slitlets(shutters).items():
        rows = shutters[indices]
        primary = rows["primary_source"] == b"Y"
        name = f"slitlet {key.slitlet} at nod {key.nod} of configuration {key.config}"
        if len({*zip(rows["shutter_quadrant"], rows["shutter_row"], strict=True)}) > 1:
            yield f"{name}: shutters of several rows or quadrants"
        if np.count_nonzero(primary) > 1:
            yield f"{name}: several primary sources"
        if np.any(rows["background"][primary] != b"N"):
            yield f"{name}: a primary source in a background shutter"


def _check_shutters(shutters: Rows) -> Iterator[str]:
    shutter = ("shutter_quadrant", "shutter_row", "shutter_column")
    where = ("msa_metadata_id", "dither_point_index", *shutter)
    for place, count in Counter(_tuples(shutters, where)).items():
        if count > 1:
            yield f"shutter {place[2:]} is open {count} times at nod {place[1]}"
    for quadrant, row, column in {*_tuples(shutters, shutter)}:
        if not (
            1 <= quadrant <= 4 and 1 <= row <= MSA_ROWS and 1 <= column <= MSA_COLUMNS
        ):
            yield f"there is no shutter {quadrant, row, column}"
    primary = shutters[shutters["primary_source"] == b"Y"]
    named = ("msa_metadata_id", "dither_point_index", "source_id")
    for (_, nod, source), count in Counter(_tuples(primary, named)).items():
        if count > 1:
            yield f"source {source} is primary {count} times at nod {nod}"
    for axis in "xy":
        places = shutters[f"estimated_source_in_shutter_{axis}"]
        if np.any((places < 0) | (places > 1)):
            yield f"a source is outside its shutter in {axis}"


def _check_sources(tables: MsaTables) -> Iterator[str]:
    listed = Counter(tables.sources["source_id"].tolist())
    for source in sorted({*tables.shutters["source_id"].tolist()}):
        if source > 0 and listed[source] != 1:
            yield f"source {source} is in {_SOURCES} {listed[source]} times"
    for row in tables.sources:
        if not row["stellarity"] <= 1:
            yield f"source {row['source_id']} has the stellarity {row['stellarity']}"


def _tuples(rows: Rows, names: tuple[str, ...]) -> list[tuple[Any, ...]]:
    columns = (rows[name].tolist() for name in names)
    return list(zip(*columns, strict=True))
