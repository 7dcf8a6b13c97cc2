"""The pool of DMS (``jwPPPPP_*_pool.csv``): a row for every exposure, and its columns.

The rules look at nothing else. Values are text in lower case, and None for what the
official rules take as undefined (``_EMPTY`` of ``jwst/associations/lib/dms_base.py``,
jwst 3.0.0).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from ..errors import PoolError
from ..models.exposures import ACQUISITIONS
from .exposure_types import ALWAYS_TIME_SERIES, EXPOSURE_TYPES, SPECTRA

__all__ = ["COLUMNS", "Candidate", "PoolRow", "make_row", "read_pool", "to_number"]

_UNDEFINED: Final = frozenset({"", "null", "--", "n", "f", "false", "n/a"})
"""What counts as no value; ``none`` is a value."""


class Candidate(NamedTuple):
    """What the observing proposal says belongs together."""

    id: str
    """``o001``, ``c1000``, ..."""
    type: str
    """observation, background, group, mosaic, direct_image, ..."""


@dataclass(frozen=True, slots=True, eq=False)
class PoolRow:
    """One exposure as the rules see it; two rows are never equal."""

    name: str
    """File stem without suffix."""
    candidates: tuple[Candidate, ...]
    """What it belongs to."""
    kind: str
    """Its exptype: science, psf, background, imprint, target_acquisition, ..."""
    is_tso: bool
    """Whether it is processed by integrations."""
    program: str | None
    """As in the pool, so without zeros at the front."""
    obs_num: str | None
    """Number of its observation."""
    obs_id: str | None
    """Name of its activity."""
    targetid: str | None
    """Number of its target in the proposal."""
    exp_type: str | None
    """EXP_TYPE."""
    instrume: str | None
    """Instrument."""
    detector: str | None
    """Detector."""
    channel: str | None
    """MRS channel, or channel of NIRCam."""
    band: str | None
    """MRS band."""
    filter: str | None
    """Filter."""
    grating: str | None
    """NIRSpec grating."""
    pupil: str | None
    """Pupil wheel."""
    fxd_slit: str | None
    """Fixed slit."""
    subarray: str | None
    """Subarray."""
    patttype: str | None
    """Dither or nod pattern."""
    patt_num: str | None
    """Position in the pattern."""
    numdthpt: str | None
    """Positions of the pattern."""
    subpxpts: str | None
    """Sub-pixel positions at each."""
    subpxpns: str | None
    """The same by its older name."""
    dithptin: str | None
    """Dither point."""
    mostilno: str | None
    """Tile of the mosaic."""
    expspcin: str | None
    """Exposure specification."""
    msametfl: str | None
    """MSA configuration file."""
    bkgdtarg: str | None
    """``t`` in a dedicated background."""
    is_imprt: str | None
    """``t`` in a leakcal."""
    is_psf: str | None
    """``t`` in a PSF reference."""
    tsovisit: str | None
    """``t`` in a time-series visit."""
    pntgtype: str | None
    """science, or what else the pointing is for."""
    visitype: str | None
    """Kind of visit."""
    nints: str | None
    """Integrations."""
    exposerr: str | None
    """Known error of the exposure."""

    @property
    def is_science(self) -> bool:
        """Whether level 2b takes it as science: a PSF reference is, too."""
        return self.kind in {"science", "psf"}


COLUMNS: Final = tuple(PoolRow.__dataclass_fields__)[4:]
"""Columns of a pool that a row takes as they are."""

_REQUIRED: Final = (
    *("filename", "asn_candidate", "program", "targetid", "pntgtype"),
    *("exp_type", "instrume", "detector"),
)
"""Columns without which no rule can be applied."""

_FILE: Final = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9_-]*)_uncal\.fits")

_PROGRAM: Final = re.compile(r"[0-9]{1,5}")

_CANDIDATE: Final = re.compile(r"\(\s*'([a-z0-9]+)'\s*,\s*'([a-z0-9_ -]+)'\s*\)")

_VALUE: Final = re.compile(r"[\x20-\x7e]*")
"""What a header can hold."""

_NO_LIST: Final = frozenset({"null", "--", "n/a"})
"""What ASN_CANDIDATE holds where it is undefined."""


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
        The file is not a DMS pool: columns are missing, a row has not as many cells as
        there are columns, a file name or a program is malformed, a file is there twice
        with different values or in two programs.
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
            column = next(c for c, value in cells.items() if earlier[c] != value)
            raise PoolError(
                f"{where}: {row.name} is there twice, with {column.upper()} "
                f"{earlier[column]!r} and {cells[column]!r}"
            )
    return tuple(rows)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Skip comments and empty lines, and number the others."""
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, line


def _read_columns(line: str, name: str) -> Sequence[str]:
    columns = [cell.strip().lower() for cell in line.split("|")]
    if missing := [column for column in _REQUIRED if column not in columns]:
        raise PoolError(
            f"{name} is not a DMS pool: expected the columns {', '.join(_REQUIRED)}, "
            f"{', '.join(missing)} missing"
        )
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        raise PoolError(f"{name} has the column {', '.join(twice)} twice")
    return columns


def _read_cells(line: str, columns: Sequence[str], where: str) -> Mapping[str, str]:
    cells = [cell.strip().strip('"') for cell in line.split("|")]
    if len(cells) != len(columns):
        raise PoolError(
            f"{where}: expected {len(columns)} cells as there are columns, got "
            f"{len(cells)}"
        )
    return dict(zip(columns, cells, strict=True))


def _read_row(cells: Mapping[str, str], where: str) -> PoolRow:
    file = _FILE.fullmatch(cells["filename"])
    if file is None:
        raise _unexpected(
            "the name of a raw file (..._uncal.fits)", "filename", cells, where
        )
    candidates = _read_candidates(cells["asn_candidate"])
    if candidates is None:
        raise _unexpected(
            "a list like [('o001', 'observation')]", "asn_candidate", cells, where
        )
    if _PROGRAM.fullmatch(cells["program"]) is None:
        raise _unexpected("up to five digits", "program", cells, where)
    for column in COLUMNS:
        if _VALUE.fullmatch(cells.get(column, "")) is None:
            raise _unexpected("plain text", column, cells, where)
    return make_row(file["name"].lower(), candidates, cells)


def _read_candidates(text: str) -> tuple[Candidate, ...] | None:
    """Read ``[('o001', 'observation'), ...]``; None if it is not such a list."""
    lower = text.strip().lower()
    if lower in _NO_LIST:
        return ()
    found = _CANDIDATE.findall(lower)
    if _CANDIDATE.sub("", lower).strip("[]() ,"):
        return None
    return tuple(dict.fromkeys(Candidate(*entry) for entry in found))


def _unexpected(
    expected: str, column: str, cells: Mapping[str, str], where: str
) -> PoolError:
    return PoolError(
        f"{where}: expected {expected} in {column.upper()}, got {cells[column][:80]!r}"
    )


def _is_other_image(
    row: PoolRow, earlier: Mapping[str, str], cells: Mapping[str, str]
) -> bool:
    """Check whether a name that is there twice is that of an image.

    Images may be listed for several observations; of a spectrum it would be science
    in several.
    """
    is_spectrum = {row.exp_type, _defined(earlier["exp_type"])} & SPECTRA
    is_same_program = earlier["program"] == cells["program"]
    return earlier != cells and is_same_program and not is_spectrum


def _defined(value: str | None) -> str | None:
    """Convert a value to lower case; None if it counts as undefined."""
    if value is None:
        return None
    text = value.strip().lower()
    return None if text in _UNDEFINED else text


def to_number(value: str | None) -> int | None:
    """Read a whole number."""
    return int(value) if value is not None and value.isdecimal() else None


def make_row(
    name: str, candidates: tuple[Candidate, ...], values: Mapping[str, str | None]
) -> PoolRow:
    """Make a row from the columns of a pool; a missing column is undefined."""
    kept = [_defined(values.get(column)) for column in COLUMNS]
    by_column = dict(zip(COLUMNS, kept, strict=True))
    return PoolRow(name, candidates, _kind(by_column), _is_tso(by_column), *kept)


def _kind(row: Mapping[str, str | None]) -> str:
    """Classify an exposure (``get_exposure_type``)."""
    pointing = row["pntgtype"]
    if pointing is not None and pointing != "science":
        return pointing
    known = EXPOSURE_TYPES.get(row["exp_type"] or "")
    if known is not None and known.kind != "science":
        return known.kind
    if row["is_psf"]:
        return "psf"
    if row["is_imprt"]:
        return "imprint"
    return "background" if row["bkgdtarg"] else "science"


def _is_tso(row: Mapping[str, str | None]) -> bool:
    """Decide whether an exposure is a time series (``Constraint_TSO``)."""
    if row["pntgtype"] != "science" or (row["exp_type"] or "").upper() in ACQUISITIONS:
        return False
    return row["tsovisit"] == "t" or row["exp_type"] in ALWAYS_TIME_SERIES
