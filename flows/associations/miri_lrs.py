"""Level-2b rules of the MIRI low-resolution spectrometer, with target acquisition."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from .exposure_types import EXP_TYPES_OF
from .grouping import bucket_by, gather_companions, loose_mode, mode_of
from .nirspec import NOD_REASON
from .parts import Draft, Part, draft_exposure
from .pool import Candidate, PoolRow

__all__ = ["make_lrs"]

_CONFIRMED: Final = "Asn_MIRLRSTAConfirm"
_NODDED: Final = "Asn_Lv2MIRLRSFixedSlitNod"
_LRS: Final = EXP_TYPES_OF[_CONFIRMED]
_ACQUISITION: Final = "mir_taconfirm"
_TA: Final = "target_acquisition"
_TA_REASON: Final = "confirms where the target is"
_SKY_REASON: Final = "background at the other nod"


def make_lrs(candidate: Candidate, rows: Sequence[PoolRow]) -> Iterator[Draft]:
    """Make the associations of a candidate, from its exposures by name."""
    ours = [row for row in rows if row.exp_type in _LRS | {_ACQUISITION}]
    for program in bucket_by(ours, lambda row: row.program).values():
        yield from _make_confirmed(candidate, program)
        if candidate.type != "background":
            yield from _make_nodded(candidate, program)


def _make_confirmed(candidate: Candidate, rows: Sequence[PoolRow]) -> Iterator[Draft]:
    """Make Asn_MIRLRSTAConfirm: science, backgrounds of its mode, its acquisition."""
    confirmed = _Acquisitions(rows)
    lrs = [row for row in rows if row.exp_type in _LRS]
    for row in lrs:
        if row.is_science and mode_of(row) is None and row.obs_id is not None:
            yield _confirm(candidate, row, (), confirmed.of_activity(row))
    for mode in bucket_by(lrs, mode_of).values():
        for found, companions in gather_companions(
            mode, loose_mode, lambda row: row.kind == "background" and not row.is_tso
        ):
            backgrounds = tuple(companions)
            for row in found:
                if row.is_science:
                    yield _confirm(candidate, row, backgrounds, confirmed.of(row))


def _confirm(
    candidate: Candidate,
    row: PoolRow,
    backgrounds: tuple[PoolRow, ...],
    acquisitions: tuple[PoolRow, ...],
) -> Draft:
    sky = Part(
        "background",
        backgrounds,
        "rate",
        "background of the same mode",
        by_integration=row.tsovisit == "t",
    )
    acquired = Part(_TA, acquisitions, "rate", _TA_REASON)
    return draft_exposure(_CONFIRMED, candidate, row, (sky, acquired))


class _Acquisitions:
    """Which acquisition the official rule associates with which exposure.

    It is the next one after the exposure, else the first of the candidate, with all
    others of the same activity; an acquisition of the very activity of the exposure
    goes with the first exposure of it.
    """

    def __init__(self, rows: Sequence[PoolRow]) -> None:
        acquired = [
            (place, row)
            for place, row in enumerate(rows)
            if row.exp_type == _ACQUISITION and row.obs_id is not None
        ]
        self._places = [place for place, _ in acquired]
        self._rows = [row for _, row in acquired]
        self._by_activity = bucket_by(self._rows, lambda row: row.obs_id)
        self._place_of = {row: place for place, row in enumerate(rows)}

    def of(self, science: PoolRow) -> tuple[PoolRow, ...]:
        """Find the acquisitions of a science exposure."""
        if not self._rows:
            return ()
        following = bisect_right(self._places, self._place_of[science])
        return self.of_activity(self._rows[following % len(self._rows)])

    def of_activity(self, row: PoolRow) -> tuple[PoolRow, ...]:
        """Find the acquisitions of the activity of a row."""
        return tuple(self._by_activity.get(row.obs_id or "", ()))


def _make_nodded(candidate: Candidate, rows: Sequence[PoolRow]) -> Iterator[Draft]:
    """Make Asn_Lv2MIRLRSFixedSlitNod: the nods along the slit subtract each other."""
    nods = [
        row
        for row in rows
        if row.exp_type in EXP_TYPES_OF[_NODDED]
        and row.patttype == "along-slit-nod"
        and row.patt_num is not None
    ]
    science = [row for row in nods if row.is_science]
    sky = _SkyNods(nods)
    acquisitions = tuple(row for row in rows if row.exp_type == _ACQUISITION)
    opposites = _find_opposites(science)
    positions = bucket_by(science, lambda row: row.patt_num)
    shared = {position: tuple(found) for position, found in positions.items()}
    for row in science:
        opposite = opposites[row]
        parts = (
            Part("background", shared.get(opposite or "", ()), "rate", NOD_REASON),
            Part("background", sky.after(row, opposite), "rate", _SKY_REASON),
            Part(_TA, acquisitions, "rate", _TA_REASON),
        )
        yield draft_exposure(_NODDED, candidate, row, parts)


def _find_opposites(science: Sequence[PoolRow]) -> Mapping[PoolRow, str | None]:
    """Find the position of the backgrounds of every exposure.

    It is that of the next exposure at another position, else of the first. The
    official rule wants one whose number does not hold that of the exposure (10 holds
    1), and keeps to the first it meets.
    """
    order = [row.patt_num or "" for row in science]
    places: dict[str, list[int]] = defaultdict(list)
    for place, position in enumerate(order):
        places[position].append(place)
    opposites: dict[PoolRow, str | None] = {}
    for place, row in enumerate(science):
        distances = [
            (_distance(found, place, len(order)), position)
            for position, found in places.items()
            if order[place] not in position
        ]
        opposites[row] = min(distances)[1] if distances else None
    return opposites


def _distance(found: Sequence[int], place: int, count: int) -> int:
    """Count the places to the next of those found, round the end if need be."""
    following = bisect_right(found, place)
    if following < len(found):
        return found[following] - place
    return found[0] + count


class _SkyNods:
    """Dedicated backgrounds along the slit; an exposure has those that follow it."""

    def __init__(self, nods: Sequence[PoolRow]) -> None:
        self._place_of = {row: place for place, row in enumerate(nods)}
        sky = (row for row in nods if row.kind == "background")
        self._by_position = bucket_by(sky, lambda row: row.patt_num)
        self._shared: dict[tuple[str, int], tuple[PoolRow, ...]] = {}

    def after(self, row: PoolRow, position: str | None) -> tuple[PoolRow, ...]:
        """Find those at a position of the slit."""
        found = self._by_position.get(position or "", [])
        place = self._place_of[row]
        start = bisect_right(found, place, key=self._place_of.__getitem__)
        key = (position or "", start)
        if key not in self._shared:
            self._shared[key] = tuple(found[start:])
        return self._shared[key]
