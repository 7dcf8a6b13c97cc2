"""Files that the archive does not have, and of which only headers of others tell.

Of the detectors that light falls on, one may be absent: what is made of the other has
a part of the wavelengths alone, and looks whole. Of a pattern, positions may be.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from .detectors import list_lit
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


def tell_absent(rows: Iterable[PoolRow], known: Collection[str]) -> Iterator[str]:
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


def tell_positions(rows: Iterable[PoolRow]) -> Iterator[str]:
    """Say of which patterns of dithers or nods there are not all positions.

    Exposures are of one pattern by their observation, tile, detector and optics. It has
    as many positions as NUMDTHPT says, which counts those below a pixel (SUBPXPTS)
    too, of which nothing is said.
    """
    patterns: dict[tuple[str, ...], dict[int, PoolRow]] = defaultdict(dict)
    for row in rows:
        number = _count(row.patt_num)
        if number and row.kind not in _UNPATTERNED and not row.is_tso:
            key = tuple(str(getattr(row, column)) for column in _PATTERN)
            patterns[key].setdefault(number, row)
    for _, found in sorted(patterns.items()):
        first = found[min(found)]
        wanted = _count(first.numdthpt) // max(_count(first.subpxpts), 1)
        if len(found) < wanted:
            yield (
                f"{first.name}: its pattern has {wanted} positions (NUMDTHPT), of "
                f"which the archive has {', '.join(map(str, sorted(found)))} alone"
            )


def _count(value: str | None) -> int:
    return int(value) if value and value.isdecimal() else 0


def _tell(row: PoolRow, detector: str) -> str:
    grating, filter_name = (row.grating or "?").upper(), (row.filter or "?").upper()
    return (
        f"{row.name}: light of {grating} with {filter_name} falls on "
        f"{detector.upper()} too, of which the archive has no file"
    )
