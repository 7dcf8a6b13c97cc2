"""Files of a detector that light falls on, and that the archive does not have.

Nothing but the file of the other detector tells of them: what is made of it has a part
of the wavelengths alone, and looks whole.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Final

from .detectors import list_lit
from .rows import PoolRow

__all__ = ["tell_absent"]

_OF_ONE_DETECTOR: Final = frozenset(
    ["sub1024a", "sub1024b", "sub32", "sub512", "sub512s"]
)
"""Subarrays that need not be read of both detectors."""


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


def _tell(row: PoolRow, detector: str) -> str:
    grating, filter_name = (row.grating or "?").upper(), (row.filter or "?").upper()
    return (
        f"{row.name}: light of {grating} with {filter_name} falls on "
        f"{detector.upper()} too, of which the archive has no file"
    )
