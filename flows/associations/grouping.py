"""Rows that belong together, though some of their values are undefined.

A value that must be defined is part of a key. A value that may be undefined (a *loose*
one) must only not contradict: an undefined value goes with any, until a row has
defined it.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from .pool import PoolRow

__all__ = [
    "Loose",
    "bucket_by",
    "gather_cliques",
    "gather_companions",
    "key_of",
    "loose_mode",
    "mode_of",
]

Loose = tuple[Hashable, ...]
"""Loose values of a row; None where undefined."""

_Mode = tuple[str | None, ...]
"""Program, EXP_TYPE, instrument, detector, and filter or band; all defined."""

_Key = TypeVar("_Key", bound=Hashable)


def mode_of(row: PoolRow) -> _Mode | None:
    """Determine the mode, within which exposures can correct each other at level 2b.

    None for what ``Constraint_Base`` and ``Constraint_Mode`` leave out: undefined
    values, wavefront sensing, the detector that no grism illuminates.
    """
    element = row.filter or row.band
    which = "filter" if row.filter else "band"
    mode = (row.program, row.exp_type, row.instrume, row.detector, element)
    if None in mode or "wfsc" in (row.visitype or "")[1:-1]:
        return None
    if row.detector == "nrcblong" and row.exp_type == "nrc_tsgrism":
        return None
    return (*mode, which)


def loose_mode(row: PoolRow) -> Loose:
    """List what else is the same in a mode, where it is defined."""
    return (row.pupil or row.grating, row.fxd_slit, row.subarray, row.channel)


def bucket_by(
    rows: Iterable[PoolRow], key: Callable[[PoolRow], _Key | None]
) -> dict[_Key, list[PoolRow]]:
    """Sort rows by a key, in their order; those without a key are left out."""
    buckets: dict[_Key, list[PoolRow]] = defaultdict(list)
    for row in rows:
        found = key(row)
        if found is not None:
            buckets[found].append(row)
    return buckets


def key_of(*values: str | None) -> tuple[str, ...] | None:
    """Make a key of values; None if one of them is undefined."""
    found = tuple(value for value in values if value is not None)
    return found if len(found) == len(values) else None


@dataclass(slots=True)
class _Clique:
    """Rows that do not contradict each other, while they are being gathered."""

    loose: Loose
    rows: list[PoolRow]

    def join(self, row: PoolRow, loose: Loose) -> bool:
        """Let a row join if it does not contradict."""
        pairs = list(zip(self.loose, loose, strict=True))
        if any(a is not None and b is not None and a != b for a, b in pairs):
            return False
        self.loose = tuple(b if a is None else a for a, b in pairs)
        self.rows.append(row)
        return True


def gather_cliques(
    rows: Sequence[PoolRow], loose: Callable[[PoolRow], Loose]
) -> list[list[PoolRow]]:
    """Gather rows that do not contradict each other.

    Where undefined values leave a choice a row joins every clique that it does not
    contradict, in the order of the rows, as the official rules do.
    """
    by_loose = bucket_by(rows, loose)
    if _is_clear(by_loose):
        return list(by_loose.values())
    cliques: list[_Clique] = []
    for row in rows:
        values = loose(row)
        joined = [clique.join(row, values) for clique in cliques]
        if not any(joined):
            cliques.append(_Clique(values, [row]))
    return [clique.rows for clique in cliques]


def gather_companions(
    rows: Sequence[PoolRow],
    loose: Callable[[PoolRow], Loose],
    is_companion: Callable[[PoolRow], bool],
) -> list[tuple[list[PoolRow], list[PoolRow]]]:
    """Gather rows of the same loose values, each with the companions it may have."""
    by_loose = bucket_by(rows, loose)
    if _is_clear(by_loose):
        return [
            (found, [row for row in found if is_companion(row)])
            for found in by_loose.values()
        ]
    companions = [row for row in rows if is_companion(row)]
    gathered = []
    for values, found in by_loose.items():
        clique = _Clique(values, [])
        for row in companions:
            clique.join(row, loose(row))
        gathered.append((found, clique.rows))
    return gathered


def _is_clear(found: Iterable[Loose]) -> bool:
    """Check that every value is either defined in all or in none."""
    columns = zip(*found, strict=True)
    return all(len({value is None for value in column}) == 1 for column in columns)
