"""Files that the archive does not have, and of which only headers of others tell.

Of the detectors that light falls on, one may be absent: what is made of the other has
a part of the wavelengths alone, and looks whole. Of a pattern, positions may be.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from flows.models.associations import Lack

from .detectors import list_lit
from .level2 import is_nodded
from .nods import NOD_RULES
from .rows import PoolRow

__all__ = ["tell_absent", "tell_positions"]

_OF_ONE_DETECTOR: Final = frozenset(
    ["sub1024a", "sub1024b", "sub32", "sub512", "sub512s"]
)
"""Subarrays that need not be read of both detectors."""

_UNPATTERNED: Final = frozenset({"imprint", "target_acquisition"})
"""Exposures that are not taken at every position."""

_PATTERN: Final = (
    *("obs_num", "mostilno", "exp_type", "detector", "filter", "grating", "pupil"),
    *("band", "channel", "fxd_slit", "subarray", "msametfl", "expspcin", "numdthpt"),
)
"""What exposures of one pattern have in common."""


def tell_absent(rows: Iterable[PoolRow], known: Collection[str]) -> Iterator[Lack]:
    """Say of which detectors there is no file, although light falls on them.

    Parameters
    ----------
    rows
        Exposures that are there.
    known
        Names of all files that are known of, whether or not they can be used.
    """
    for row in sorted(rows, key=lambda row: row.name):
        stem, _, _ = row.name.rpartition("_")
        if row.kind == "target_acquisition" or row.subarray in _OF_ONE_DETECTOR:
            continue
        for detector in sorted(list_lit(row)):
            if f"{stem}_{detector}" not in known:
                yield _tell(row, detector)


def tell_positions(rows: Iterable[PoolRow]) -> Iterator[Lack]:
    """Say of which patterns of dithers or nods there are not all positions.

    Exposures are of one pattern by their observation, tile, detector and optics. It has
    as many positions as NUMDTHPT says, which counts those below a pixel (SUBPXPTS)
    too, of which nothing is said.
    """
    patterns: dict[tuple[str, ...], list[tuple[int, PoolRow]]] = defaultdict(list)
    for row in rows:
        number = _count(row.patt_num)
        if number and row.kind not in _UNPATTERNED and not row.is_tso:
            key = tuple(str(getattr(row, column)) for column in _PATTERN)
            patterns[key].append((number, row))
    for _, found in sorted(patterns.items()):
        found.sort(key=lambda each: (each[0], each[1].name))
        _, first = found[0]
        wanted = _count(first.numdthpt) // max(_count(first.subpxpts), 1)
        numbers = sorted({number for number, _ in found})
        if len(numbers) < wanted:
            reason = (
                f"its pattern has {wanted} positions (NUMDTHPT), of which the archive "
                f"has {', '.join(map(str, numbers))} alone"
            )
            level = 2 if _subtract_each_other(first) else 3
            yield Lack(tuple(row.name for _, row in found), reason, level)


def _subtract_each_other(row: PoolRow) -> bool:
    """Tell whether the positions of a pattern are each other's background in spec2."""
    rules = (rule for rule in NOD_RULES if rule.exp_type == row.exp_type)
    return is_nodded(row) or any(rule.accepts(row) for rule in rules)


def _count(value: str | None) -> int:
    return int(value) if value and value.isdecimal() else 0


def _tell(row: PoolRow, detector: str) -> Lack:
    grating, filter_name = (row.grating or "?").upper(), (row.filter or "?").upper()
    reason = (
        f"light of {grating} with {filter_name} falls on {detector.upper()} too, of "
        "which the archive has no file"
    )
    return Lack((row.name,), reason, level=3)
