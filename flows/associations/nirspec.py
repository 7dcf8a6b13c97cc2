"""NIRSpec: which detectors light falls on, and the level-2b rules of its nods.

The exposures of a nod pattern are each other's background. The tables of light are
those of ``jwst/associations/lib/dms_base.py`` (jwst 3.0.0).
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from .grouping import bucket_by, key_of
from .imprints import prune_imprints
from .parts import Draft, Part, draft_exposure
from .pool import Candidate, PoolRow, to_number

__all__ = [
    "NOD_REASON",
    "NOD_RULES",
    "NodRule",
    "list_lit_detectors",
    "name_light",
    "sees_ifu",
    "sees_slit",
]

NOD_REASON: Final = "another nod of the pattern"
"""Why an exposure is the background of another of its pattern."""

_BOTH: Final = (("g140h", "f100lp"), ("g235h", "f170lp"), ("g395h", "f290lp"))
"""Grating and filter whose spectra reach both detectors."""

_FIRST: Final = (
    *(("prism", "clear"), ("g140h", "f070lp"), ("g140m", "f070lp")),
    *(("g140m", "f100lp"), ("g235m", "f170lp"), ("g395m", "f290lp")),
)
"""Grating and filter whose spectra fall on NRS1 alone."""

_IFU: Final = frozenset(
    [
        *((*path, "nrs1") for path in (*_BOTH, *_FIRST)),
        *((*path, "nrs2") for path in _BOTH),
    ]
)
"""Grating, filter and detector of the IFU and the A slits."""

_S200B1: Final = frozenset(
    [
        *((*path, "nrs2") for path in (*_BOTH, *_FIRST)),
        *(("g140h", "f070lp", "nrs1"), ("g140m", "f070lp", "nrs1")),
    ]
)
"""The same of slit S200B1."""


def sees_ifu(row: PoolRow) -> bool:
    """Check that light through the IFU falls on the detector; True if not an IFU."""
    light = (row.grating, row.filter, row.detector)
    return row.exp_type != "nrs_ifu" or light in _IFU


def sees_slit(row: PoolRow) -> bool:
    """Check that light through the fixed slit falls on the detector."""
    light = (row.grating, row.filter, row.detector)
    return row.fxd_slit is not None and light in _paths(row)


def list_lit_detectors(row: PoolRow) -> frozenset[str]:
    """List the detectors that light through the IFU or the fixed slit falls on."""
    if row.exp_type not in {"nrs_brightobj", "nrs_fixedslit", "nrs_ifu"}:
        return frozenset()
    light = (row.grating, row.filter)
    return frozenset(detector for *path, detector in _paths(row) if (*path,) == light)


def name_light(row: PoolRow) -> str:
    """Name grating and filter."""
    return f"{(row.grating or '?').upper()} with {(row.filter or '?').upper()}"


def _paths(row: PoolRow) -> frozenset[tuple[str, str, str]]:
    return _S200B1 if row.fxd_slit == "s200b1" else _IFU


@dataclass(frozen=True, slots=True)
class _Overlap:
    """Where an exposure sees the source."""

    as_science: int | None
    """Its primary dither point; None if it is unknown."""
    as_background: int | None
    """The same of a background, for which fewer columns must be defined."""
    reach: int = 0
    """How many points away the source is still seen."""
    is_strict: bool = False
    """Whether an unknown point counts as seeing the source."""


@dataclass(frozen=True, slots=True)
class NodRule:
    """What makes a pattern of nods."""

    name: str
    """Name of the official rule."""
    accepts: Callable[[PoolRow], bool]
    """What all its members must satisfy."""
    pattern_of: Callable[[PoolRow], tuple[str, ...] | None]
    """What the exposures of a pattern share; None if one is not of a pattern."""
    overlaps: Callable[[PoolRow], _Overlap] = lambda _row: _Overlap(None, None)
    """Where an exposure sees the source; by default every other is its background."""
    are_nods_of_target: bool = True
    """Whether nods must be of the same target."""
    are_others_of_pattern: bool = True
    """Whether backgrounds and leakcals must be of the pattern too."""
    are_imprints_pruned: bool = False
    """Whether only the leakcals of the same target and dithers are kept."""

    def make(self, candidate: Candidate, mode: Sequence[PoolRow]) -> Iterator[Draft]:
        """Make an association of each exposure of the patterns of a mode."""
        rows = [row for row in mode if self.accepts(row)]
        for science, others in self._patterns(rows):
            kept = _prune(science, others) if self.are_imprints_pruned else others
            shared = [
                Part(kind, tuple(found), "rate", f"{kind} of the same mode")
                for kind, found in bucket_by(kept, lambda row: row.kind).items()
            ]
            targets: dict[str | None, list[PoolRow]] = defaultdict(list)
            for row in science:
                targets[row.targetid if self.are_nods_of_target else None].append(row)
            for found in targets.values():
                for row, nods, but in _oppose(tuple(found), self.overlaps):
                    part = Part("background", nods, "rate", NOD_REASON, but)
                    yield draft_exposure(self.name, candidate, row, (part, *shared))

    def _patterns(
        self, rows: Sequence[PoolRow]
    ) -> Iterator[tuple[list[PoolRow], list[PoolRow]]]:
        """Split off the science of every pattern from the rest of it."""
        if self.are_others_of_pattern:
            for found in bucket_by(rows, self.pattern_of).values():
                science = [row for row in found if row.is_science]
                if science:
                    yield science, [row for row in found if not row.is_science]
            return
        science = [row for row in rows if row.is_science]
        places = {row: place for place, row in enumerate(rows)}
        others = [row for row in rows if not row.is_science]
        for number, found in enumerate(bucket_by(science, self.pattern_of).values()):
            # What comes first waits for the first pattern; later ones miss it.
            start = places[found[0]] if number else -1
            yield found, [row for row in others if places[row] > start]


def _prune(science: Sequence[PoolRow], others: Sequence[PoolRow]) -> Sequence[PoolRow]:
    """Leave out leakcals that are not of the pattern."""
    imprints = [row for row in others if row.kind == "imprint"]
    kept = set(prune_imprints(science, imprints))
    return [row for row in others if row.kind != "imprint" or row in kept]


def _oppose(
    rows: tuple[PoolRow, ...], overlaps: Callable[[PoolRow], _Overlap]
) -> Iterator[tuple[PoolRow, tuple[PoolRow, ...], frozenset[PoolRow]]]:
    """Pair every exposure with all of its target, and those that overlap it."""
    where = {row: overlaps(row) for row in rows}
    points: dict[int | None, list[PoolRow]] = defaultdict(list)
    for row, overlap in where.items():
        points[overlap.as_background].append(row)
    shared: dict[tuple[int, int, bool], frozenset[PoolRow]] = {}
    for row, overlap in where.items():
        point, reach, strict = overlap.as_science, overlap.reach, overlap.is_strict
        if point is None:
            yield row, rows, frozenset(rows if strict else [row])
            continue
        if (point, reach, strict) not in shared:
            near = [
                r
                for p in range(point - reach, point + reach + 1)
                for r in points.get(p, ())
            ]
            unknown = points.get(None, []) if strict else []
            shared[point, reach, strict] = frozenset([*near, *unknown])
        yield row, rows, shared[point, reach, strict]


def _point(row: PoolRow) -> int | None:
    """Compute the primary dither point of a position among sub-pixel positions."""
    position = to_number(row.patt_num)
    subpixels = to_number(row.subpxpts)
    subpixels = to_number(row.subpxpns) if subpixels is None else subpixels
    return (position - 1) // subpixels if position and subpixels else None


def _overlap_msa(row: PoolRow) -> _Overlap:
    point = _point(row)
    return _Overlap(None if to_number(row.numdthpt) is None else point, point)


def _overlap_slit(row: PoolRow) -> _Overlap:
    """S1600A1 is so small that neighbours overlap."""
    point, points = _point(row), to_number(row.numdthpt)
    subpixels = to_number(row.subpxpts) or to_number(row.subpxpns) or 1
    is_tight = row.fxd_slit == "s1600a1" and (points or 0) // subpixels == 5
    return _Overlap(
        None if points is None else point, point, int(is_tight), is_strict=True
    )


NOD_RULES: Final = (
    NodRule(
        "Asn_Lv2NRSIFUNod",
        accepts=lambda row: (
            row.patttype in {"2-point-nod", "4-point-nod"} and sees_ifu(row)
        ),
        pattern_of=lambda row: key_of(row.patttype, row.mostilno),
        are_nods_of_target=False,
        are_imprints_pruned=True,
    ),
    NodRule(
        "Asn_Lv2NRSMSA",
        accepts=lambda _row: True,
        pattern_of=lambda row: key_of(row.msametfl, row.expspcin),
        overlaps=_overlap_msa,
    ),
    NodRule(
        "Asn_Lv2NRSFSS",
        accepts=sees_slit,
        pattern_of=lambda row: key_of(
            row.expspcin, row.numdthpt, row.subpxpns or row.subpxpts
        ),
        overlaps=_overlap_slit,
        are_others_of_pattern=False,
    ),
)
"""Rules of nods."""
