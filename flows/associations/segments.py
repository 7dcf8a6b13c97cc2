"""Segments of a time series: those that are not there, and those that do not fit."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from flows.models.exposures import Exposure, Inventory, RejectedFile
from flows.names import (
    ExposureName,
    format_exposure_name,
    member_file,
    parse_exposure_name,
    stem_of,
)
from flows.stages import RAW_SUFFIX

__all__ = ["find_missing_segments", "list_mismatches"]

_LAST: Final = 999
"""Names have three digits for the segment."""


def find_missing_segments(inventory: Inventory) -> tuple[RejectedFile, ...]:
    """Find the segments that are neither exposures nor rejected nor barred.

    How many an exposure has is in the header of each of its segments (EXSEGTOT).
    """
    unusable = (*inventory.rejected, *inventory.barred)
    there = {exposure.name for exposure in inventory.exposures}
    there |= {stem_of(file.path.name) for file in unusable}
    return tuple(
        _reject(name, total)
        for first, total in _count_segments(inventory.exposures).items()
        for name in _name_segments(first, total)
        if format_exposure_name(name) not in there
    )


def list_mismatches(exposures: Iterable[Exposure]) -> Iterator[str]:
    """Say which exposures have segments or detectors of several subarrays.

    The rules join those of one subarray, so such a time series falls apart.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for exposure in exposures:
        name = parse_exposure_name(exposure.name)
        if name.segment is not None:
            whole, _, _ = exposure.name.partition("-seg")
            found[whole].add(str(exposure.header.get("SUBARRAY")))
    for whole, subarrays in found.items():
        if len(subarrays) > 1:
            yield (
                f"{whole}: its segments and detectors are of different subarrays"
                f" ({', '.join(sorted(subarrays))}); each is a time series of its own"
            )


def _count_segments(exposures: Iterable[Exposure]) -> dict[ExposureName, int]:
    """Count the segments of every exposure that has some, by its first."""
    counts: dict[ExposureName, int] = {}
    for exposure in exposures:
        name = parse_exposure_name(exposure.name)
        if name.segment is not None:
            first, told = replace(name, segment="001"), exposure.header.get("EXSEGTOT")
            total = min(told, _LAST) if isinstance(told, int) else 0
            counts[first] = max(counts.get(first, 0), total, int(name.segment))
    return counts


def _name_segments(first: ExposureName, total: int) -> Iterator[ExposureName]:
    for number in range(1, total + 1):
        yield replace(first, segment=f"{number:03d}")


def _reject(name: ExposureName, total: int) -> RejectedFile:
    file = member_file(format_exposure_name(name), RAW_SUFFIX)
    return RejectedFile(
        path=Path(file),
        program=name.program,
        observation=name.observation,
        reason=(
            f"{file}: expected segment {int(name.segment or 0)} of {total} of the "
            "time series, the archive does not have it"
        ),
    )
