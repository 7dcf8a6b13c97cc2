"""What the archive does not have, as the headers of other exposures show.

A segment of a time series, a detector that light falls on, a position of a pattern, or
an exposure that the rules look for may be missing. What is made without them has a
part of the wavelengths or times alone, and looks whole.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from ..models.associations import Lack
from ..models.exposures import Exposure, Inventory, UnusableFile
from ..names import (
    ExposureName,
    format_exposure_name,
    member_file,
    parse_exposure_name,
    stem_of,
)
from ..stages import RAW_SUFFIX
from .exposure_types import EXP_TYPES_OF
from .level2 import is_nodded
from .nirspec import NOD_RULES, list_lit_detectors, name_light
from .parts import Draft
from .pool import PoolRow, to_number

__all__ = [
    "find_missing_companions",
    "find_missing_detectors",
    "find_missing_positions",
    "find_missing_segments",
    "list_mismatches",
    "name_missing",
]

_LAST_SEGMENT: Final = 999
"""Names have three digits for the segment."""

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

_NO_ACQUISITION: Final = (
    "no target acquisition (MIR_TACONFIRM) shows where its target is, so targ_centroid "
    "cannot run and the place of the header is taken"
)

_NO_NOD: Final = (
    "no exposure at another position of its nods (ALONG-SLIT-NOD) is there to be its "
    "background, so spec2 subtracts none"
)


def find_missing_segments(inventory: Inventory) -> tuple[UnusableFile, ...]:
    """Find the segments of time series that are neither there nor known as unusable.

    How many an exposure has is in the header of each of its segments (EXSEGTOT).
    """
    unusable = (*inventory.unusable, *inventory.withheld_files)
    there = {exposure.name for exposure in inventory.exposures}
    there |= {stem_of(file.path.name) for file in unusable}
    segments = (
        (replace(first, segment=f"{number:03d}"), total)
        for first, total in _count_segments(inventory.exposures).items()
        for number in range(1, total + 1)
    )
    return tuple(
        name_missing(
            exposure,
            name.program,
            name.observation,
            f"expected segment {int(name.segment or 0)} of {total} of the time series",
        )
        for name, total in segments
        if (exposure := format_exposure_name(name)) not in there
    )


def name_missing(
    exposure: str, program: str, observation: str, why: str
) -> UnusableFile:
    """Name a raw file that the archive does not have, and why it should."""
    file = member_file(exposure, RAW_SUFFIX)
    reason = f"{file}: {why}, the archive does not have it"
    return UnusableFile(Path(file), program, observation, reason)


def _count_segments(exposures: Iterable[Exposure]) -> dict[ExposureName, int]:
    """Count the segments of every exposure that has some, by its first."""
    counts: dict[ExposureName, int] = {}
    for exposure in exposures:
        name = parse_exposure_name(exposure.name)
        if name.segment is not None:
            first = replace(name, segment="001")
            stated = exposure.header.get("EXSEGTOT")
            total = min(stated, _LAST_SEGMENT) if isinstance(stated, int) else 0
            counts[first] = max(counts.get(first, 0), total, int(name.segment))
    return counts


def list_mismatches(exposures: Iterable[Exposure]) -> Iterator[str]:
    """List which exposures have segments or detectors of several subarrays.

    The rules join those of one subarray, so such a time series falls apart.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for exposure in exposures:
        whole, separator, _ = exposure.name.partition("-seg")
        if separator:
            found[whole].add(str(exposure.header.get("SUBARRAY")))
    for whole, subarrays in found.items():
        if len(subarrays) > 1:
            yield (
                f"{whole}: its segments and detectors are of different subarrays"
                f" ({', '.join(sorted(subarrays))}); each is a time series of its own"
            )


def find_missing_detectors(
    rows: Iterable[PoolRow], known: Collection[str]
) -> Iterator[Lack]:
    """Find the detectors of which no file is known, although light falls on them."""
    for row in sorted(rows, key=lambda row: row.name):
        stem, _, _ = row.name.rpartition("_")
        if row.kind == "target_acquisition" or row.subarray in _OF_ONE_DETECTOR:
            continue
        for detector in sorted(list_lit_detectors(row)):
            if f"{stem}_{detector}" not in known:
                reason = (
                    f"light of {name_light(row)} falls on {detector.upper()} too, of "
                    "which the archive has no file"
                )
                yield Lack((row.name,), reason, level=3)


def find_missing_positions(rows: Iterable[PoolRow]) -> Iterator[Lack]:
    """Find the patterns of dithers or nods of which not all positions are there.

    Exposures are of one pattern by their observation, tile, detector and optics. It has
    as many positions as NUMDTHPT says, which counts those below a pixel (SUBPXPTS)
    too; these are not looked for.
    """
    patterns: dict[tuple[str, ...], list[tuple[int, PoolRow]]] = defaultdict(list)
    for row in rows:
        number = to_number(row.patt_num)
        if number and row.kind not in _UNPATTERNED and not row.is_tso:
            key = tuple(str(getattr(row, column)) for column in _PATTERN)
            patterns[key].append((number, row))
    for _, found in sorted(patterns.items()):
        found.sort(key=lambda each: (each[0], each[1].name))
        _, first = found[0]
        subpixels = max(to_number(first.subpxpts) or 0, 1)
        wanted = (to_number(first.numdthpt) or 0) // subpixels
        numbers = sorted({number for number, _ in found})
        if len(numbers) < wanted:
            reason = (
                f"its pattern has {wanted} positions (NUMDTHPT), of which the archive "
                f"has {', '.join(map(str, numbers))} alone"
            )
            level = 2 if _subtract_each_other(first) else 3
            yield Lack(tuple(row.name for _, row in found), reason, level)


def _subtract_each_other(row: PoolRow) -> bool:
    """Check whether positions of a pattern are each other's background in spec2."""
    return is_nodded(row) or any(
        row.exp_type in EXP_TYPES_OF[rule.name] and rule.accepts(row)
        for rule in NOD_RULES
    )


def find_missing_companions(drafts: Iterable[Draft]) -> Iterator[Lack]:
    """Find which members that the rules look for exposures of the LRS do not have.

    The drafts are those of the rules, before a recipe chooses.
    """
    lrs = EXP_TYPES_OF["Asn_MIRLRSTAConfirm"]
    members: dict[PoolRow, set[str]] = defaultdict(set)
    for draft in drafts:
        if draft.is_level2 and draft.first.exp_type in lrs:
            members[draft.first].update(part.exptype for part in draft.parts)
    for row in sorted(members, key=lambda row: row.name):
        is_nod = row.patttype == "along-slit-nod" and row.kind != "background"
        if is_nod and "background" not in members[row]:
            yield Lack((row.name,), _NO_NOD, level=2)
        if "target_acquisition" not in members[row]:
            yield Lack((row.name,), _NO_ACQUISITION, level=None)
