"""What differs between two products: extension by extension, array by array.

What a hash of content leaves out (dates, paths, versions) is left out here too.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from .content import Part, file_sha256, iterate_parts

__all__ = ["Difference", "compare_files"]

_LISTED = 5
"""How many keywords are named."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How an extension of a product differs from the same of another."""

    part: str
    """The extension, as in ``SCI,2``; with the column of a table; empty of a file that
    is no FITS file."""
    message: str
    """What differs, in words."""
    values: int = 0
    """How many values of its array differ in any bit."""
    largest_relative: float | None = None
    """Their largest difference, relative to the larger of the two; None where no two
    that differ are finite numbers."""


def compare_files(here: Path, there: Path) -> tuple[Difference, ...]:
    """List what differs between two products; nothing if their content is the same.

    Raises
    ------
    OSError
        One of them cannot be read.
    """
    if here.suffix != ".fits":
        if file_sha256(here) == file_sha256(there):
            return ()
        return (Difference("", "its bytes differ"),)
    return tuple(_compare_fits(here, there))


@dataclass(frozen=True, slots=True)
class _Read:
    name: str
    cards: dict[str, str]
    data_sha256: str
    is_pixels: bool


def _read(part: Part) -> _Read:
    digest = hashlib.sha256()
    for chunk in part.data:
        digest.update(chunk)
    return _Read(part.name, dict(part.cards), digest.hexdigest(), part.is_pixels)


def _compare_fits(here: Path, there: Path) -> Iterator[Difference]:
    ours, theirs = (map(_read, iterate_parts(path)) for path in (here, there))
    seen: dict[str, int] = {}
    for index, (mine, other) in enumerate(zip_longest(ours, theirs)):
        one = mine or other
        assert one is not None
        seen[one.name] = seen.get(one.name, 0) + 1
        label = f"{one.name},{seen[one.name]}"
        if mine is None or other is None or mine.name != other.name:
            found = [part.name if part else "nothing" for part in (mine, other)]
            why = f"{found[0]} here but {found[1]} there; what follows is not compared"
            yield Difference(label, why)
            return
        if mine.cards != other.cards:
            yield Difference(label, _say_cards(mine.cards, other.cards))
        if mine.data_sha256 != other.data_sha256:
            if mine.is_pixels:
                yield from _compare_data(label, here, there, index)
            else:
                yield Difference(label, "the tree of metadata or headers differs")


def _say_cards(ours: dict[str, str], theirs: dict[str, str]) -> str:
    wrong = [
        f"{name} {ours.get(name, 'missing')} here but {theirs.get(name, 'missing')}"
        for name in sorted({*ours, *theirs})
        if ours.get(name) != theirs.get(name)
    ]
    more = f" and {len(wrong) - _LISTED} more" if len(wrong) > _LISTED else ""
    listed = "; ".join(wrong[:_LISTED])
    return f"keywords differ: {listed or 'their order'}{more}"


def _compare_data(
    label: str, here: Path, there: Path, index: int
) -> Iterator[Difference]:
    from astropy.io import fits  # only where something differs

    with fits.open(here) as ours, fits.open(there) as theirs:
        mine, other = ours[index].data, theirs[index].data
        if mine is None or other is None:
            yield Difference(label, "only one of the two has data")
        elif mine.dtype.names is None:
            yield from _compare_arrays(label, mine, other)
        elif mine.dtype.names != other.dtype.names:
            yield Difference(label, "its columns differ")
        else:
            found = [
                difference
                for name in mine.dtype.names
                for difference in _compare_arrays(
                    f"{label} {name}", mine.field(name), other.field(name)
                )
            ]
            yield from found or [Difference(label, "its bytes differ")]


def _compare_arrays(label: str, mine: Any, other: Any) -> Iterator[Difference]:
    import numpy as np  # likewise

    mine, other = np.asarray(mine), np.asarray(other)
    if mine.shape != other.shape or mine.dtype != other.dtype:
        found = [f"{array.dtype} {array.shape}" for array in (mine, other)]
        yield Difference(label, f"{found[0]} here but {found[1]} there")
        return
    if mine.dtype.kind == "O":  # lists of various lengths
        return
    differ = _find_differing(mine, other)
    count = int(np.count_nonzero(differ))
    if not count:
        return
    largest = _find_largest(mine[differ], other[differ])
    by = "" if largest is None else f", by up to {largest:.3g} relatively"
    said = f"{count} of {mine.size} values differ{by}"
    yield Difference(label, said, values=count, largest_relative=largest)


def _find_differing(mine: Any, other: Any) -> Any:
    """Find what differs in any bit: a NaN equals the same NaN, and 0 not -0."""
    import numpy as np

    if mine.dtype.kind in "iufc" and mine.dtype.itemsize in {1, 2, 4, 8}:
        bits = f"u{mine.dtype.itemsize}"
        return np.ascontiguousarray(mine).view(bits) != np.ascontiguousarray(
            other
        ).view(bits)
    return mine != other


def _find_largest(mine: Any, other: Any) -> float | None:
    import numpy as np

    if mine.dtype.kind not in "iuf":
        return None
    ours, theirs = mine.astype(float), other.astype(float)
    both = np.isfinite(ours) & np.isfinite(theirs)
    if not both.any():
        return None
    scale = np.maximum(np.abs(ours[both]), np.abs(theirs[both]))
    gap = np.abs(ours[both] - theirs[both])
    relative = np.divide(gap, scale, out=np.zeros_like(gap), where=scale > 0)
    return float(relative.max())
