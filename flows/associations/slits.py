"""Level-2b rules of the MIRI low-resolution spectrometer, with target acquisition."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from .cliques import bucket_by, gather_companions
from .modes import loose_mode, mode_of
from .nods import NOD_REASON
from .parts import Draft, Part
from .rows import Candidate, PoolRow

__all__ = ["make_slits"]

_LRS: Final = frozenset({"mir_lrs-fixedslit", "mir_lrs-slitless"})
_ACQUISITION: Final = "mir_taconfirm"
_SCIENCE: Final = frozenset({"science", "psf"})
_TA: Final = "target_acquisition"
_SKY_REASON: Final = "background at the other nod"


def make_slits(candidate: Candidate, rows: Sequence[PoolRow]) -> Iterator[Draft]:
    """Make the associations of the low-resolution spectrometer.

    Parameters
    ----------
    rows
        The exposures of a candidate, by name.
    """
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
        if row.kind in _SCIENCE and mode_of(row) is None and row.obs_id is not None:
            yield _confirm(candidate, row, (), confirmed.of_activity(row))
    for mode in bucket_by(lrs, mode_of).values():
        for found, companions in gather_companions(mode, loose_mode, _is_background):
            backgrounds = tuple(companions)
            for row in found:
                if row.kind in _SCIENCE:
                    yield _confirm(candidate, row, backgrounds, confirmed.of(row))


def _is_background(row: PoolRow) -> bool:
    """Tell whether a row is a background that spec2 can subtract."""
    return row.kind == "background" and not row.is_tso


def _confirm(
    candidate: Candidate,
    row: PoolRow,
    backgrounds: tuple[PoolRow, ...],
    acquisitions: tuple[PoolRow, ...],
) -> Draft:
    """Make one association."""
    parts = (
        Part("science", (row,), "rate", "science of Asn_MIRLRSTAConfirm"),
        Part(
            "background",
            backgrounds,
            "rate",
            "background of the same mode",
            by_integration=row.tsovisit == "t",
        ),
        Part(_TA, acquisitions, "rate", "confirms where the target is"),
    )
    kept = tuple(part for part in parts if part.rows)
    return Draft("Asn_MIRLRSTAConfirm", "spec2", candidate, row.name, kept)


class _Acquisitions:
    """Which acquisition the official rule gives to which exposure.

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
        """Give the acquisitions of a science exposure."""
        if not self._rows:
            return ()
        following = bisect_right(self._places, self._place_of[science])
        return self.of_activity(self._rows[following % len(self._rows)])

    def of_activity(self, row: PoolRow) -> tuple[PoolRow, ...]:
        """Give the acquisitions of the activity of a row."""
        return tuple(self._by_activity.get(row.obs_id or "", ()))


def _make_nodded(candidate: Candidate, rows: Sequence[PoolRow]) -> Iterator[Draft]:
    """Make Asn_Lv2MIRLRSFixedSlitNod: the nods along the slit subtract each other."""
    nods = [row for row in rows if _is_nod(row)]
    science = [row for row in nods if row.kind in _SCIENCE]
    sky = _SkyNods(nods)
    acquisitions = tuple(row for row in rows if row.exp_type == _ACQUISITION)
    opposites = _find_opposites(science)
    positions = bucket_by(science, lambda row: row.patt_num)
    shared = {position: tuple(found) for position, found in positions.items()}
    reason = "science of Asn_Lv2MIRLRSFixedSlitNod"
    for row in science:
        opposite = opposites[row]
        parts = (
            Part("science", (row,), "rate", reason),
            Part("background", shared.get(opposite or "", ()), "rate", NOD_REASON),
            Part("background", sky.after(row, opposite), "rate", _SKY_REASON),
            Part(_TA, acquisitions, "rate", "confirms where the target is"),
        )
        kept = tuple(part for part in parts if part.rows)
        yield Draft("Asn_Lv2MIRLRSFixedSlitNod", "spec2", candidate, row.name, kept)


def _is_nod(row: PoolRow) -> bool:
    """Tell whether a row is of a pattern along the slit."""
    return (
        row.exp_type == "mir_lrs-fixedslit"
        and row.patttype == "along-slit-nod"
        and row.patt_num is not None
    )


def _find_opposites(science: Sequence[PoolRow]) -> Mapping[PoolRow, str | None]:
    """Tell at which position the backgrounds of every exposure are.

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
        own = row.patt_num or ""
        others = (found for found in places.items() if own not in found[0])
        distances = [
            (_distance(found, place, len(order)), position)
            for position, found in others
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
        """Give those at a position of the slit."""
        found = self._by_position.get(position or "", [])
        place = self._place_of[row]
        start = bisect_right(found, place, key=self._place_of.__getitem__)
        key = (position or "", start)
        if key not in self._shared:
            self._shared[key] = tuple(found[start:])
        return self._shared[key]
