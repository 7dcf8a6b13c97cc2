"""Level-2b rules of nods: the exposures of a pattern are each other's background."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from .cliques import bucket_by
from .detectors import sees_ifu, sees_slit
from .imprints import prune_imprints
from .parts import Draft, Part
from .rows import Candidate, PoolRow

__all__ = ["NOD_REASON", "NOD_RULES", "NodRule"]

NOD_REASON: Final = "another nod of the pattern"
"""Why an exposure is the background of another of its pattern."""

_SCIENCE: Final = frozenset({"science", "psf"})

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NodRule:
    """What makes a pattern of nods."""

    name: str
    """Name of the official rule."""
    exp_type: str
    """EXP_TYPE that it is for."""
    accepts: Callable[[PoolRow], bool]
    """What all its members must satisfy."""
    pattern_of: Callable[[PoolRow], Key | None]
    """What the exposures of a pattern share; None if it is of none."""
    overlaps: Callable[[PoolRow], "Overlap"] | None
    """Tells which exposures see the source where this one does; None: only itself."""
    are_others_of_pattern: bool = True
    """Whether backgrounds and leakcals must be of the pattern too."""
    are_imprints_pruned: bool = False
    """Whether only the leakcals of the same target and dithers are kept."""

    def make(self, candidate: Candidate, mode: Sequence[PoolRow]) -> Iterator[Draft]:
        """Make the associations of the patterns of a mode."""
        rows = [row for row in mode if self.accepts(row)]
        for science, others in self._patterns(rows):
            kept = _prune(science, others) if self.are_imprints_pruned else others
            yield from self._explode(candidate, science, kept)

    def _patterns(
        self, rows: Sequence[PoolRow]
    ) -> Iterator[tuple[list[PoolRow], list[PoolRow]]]:
        """Give the science of every pattern, and what else is in it."""
        if self.are_others_of_pattern:
            for found in bucket_by(rows, self.pattern_of).values():
                science = [row for row in found if row.kind in _SCIENCE]
                if science:
                    yield science, [row for row in found if row.kind not in _SCIENCE]
            return
        science = [row for row in rows if row.kind in _SCIENCE]
        places = {row: place for place, row in enumerate(rows)}
        others = [row for row in rows if row.kind not in _SCIENCE]
        for number, found in enumerate(bucket_by(science, self.pattern_of).values()):
            # What comes first waits for the first pattern; later ones miss it.
            start = places[found[0]] if number else -1
            yield found, [row for row in others if places[row] > start]

    def _explode(
        self,
        candidate: Candidate,
        science: Sequence[PoolRow],
        others: Sequence[PoolRow],
    ) -> Iterator[Draft]:
        """Make one association of each exposure of a pattern."""
        shared = _share_others(others)
        reason = f"science of {self.name}"
        for row, nods, but in _oppose(science, self.overlaps):
            parts = [Part("science", (row,), "rate", reason)]
            if len(nods) > len(but):
                parts.append(Part("background", nods, "rate", NOD_REASON, but))
            yield Draft(self.name, "spec2", candidate, row.name, (*parts, *shared))


def _prune(science: Sequence[PoolRow], others: Sequence[PoolRow]) -> Sequence[PoolRow]:
    """Leave out leakcals that are not of the pattern."""
    imprints = [row for row in others if row.kind == "imprint"]
    kept = set(prune_imprints(science, imprints))
    return [row for row in others if row.kind != "imprint" or row in kept]


def _share_others(others: Sequence[PoolRow]) -> tuple[Part, ...]:
    """Make the members that all exposures of a pattern share."""
    kinds: dict[str, list[PoolRow]] = defaultdict(list)
    for row in others:
        kinds[row.kind].append(row)
    return tuple(
        Part(kind, tuple(found), "rate", f"{kind} of the same mode")
        for kind, found in kinds.items()
    )


@dataclass(frozen=True, slots=True)
class Overlap:
    """Where an exposure sees the source."""

    as_science: int | None
    """Its primary dither point; None if it cannot be told."""
    as_background: int | None
    """The same, which needs less to be told of a background."""
    reach: int = 0
    """How many points away the source is still seen."""
    is_strict: bool = False
    """Whether what cannot be told counts as seeing the source."""


def _oppose(
    science: Sequence[PoolRow], overlaps: Callable[[PoolRow], Overlap] | None
) -> Iterator[tuple[PoolRow, tuple[PoolRow, ...], frozenset[PoolRow]]]:
    """Give every exposure with those of its target, and those that overlap it."""
    if overlaps is None:
        everyone = tuple(science)
        for row in science:
            yield row, everyone, frozenset([row])
        return
    targets: dict[str | None, list[PoolRow]] = defaultdict(list)
    for row in science:
        targets[row.targetid].append(row)
    for found in targets.values():
        yield from _oppose_of_target(tuple(found), overlaps)


def _oppose_of_target(
    rows: tuple[PoolRow, ...], overlaps: Callable[[PoolRow], Overlap]
) -> Iterator[tuple[PoolRow, tuple[PoolRow, ...], frozenset[PoolRow]]]:
    """Do so among the exposures of one target."""
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


def _number(value: str | None) -> int | None:
    """Read a whole number."""
    return int(value) if value is not None and value.isdecimal() else None


def _point(row: PoolRow) -> int | None:
    """Tell the primary dither point of a position among sub-pixel positions."""
    position = _number(row.patt_num)
    subpixels = _number(row.subpxpts)
    subpixels = _number(row.subpxpns) if subpixels is None else subpixels
    return (position - 1) // subpixels if position and subpixels else None


def _overlap_msa(row: PoolRow) -> Overlap:
    """Tell where an exposure of the MSA sees its sources."""
    point = _point(row)
    return Overlap(None if _number(row.numdthpt) is None else point, point)


def _overlap_slit(row: PoolRow) -> Overlap:
    """Tell the same of a fixed slit; S1600A1 is so small that neighbours overlap."""
    point, points = _point(row), _number(row.numdthpt)
    subpixels = _number(row.subpxpts) or _number(row.subpxpns) or 1
    is_tight = row.fxd_slit == "s1600a1" and (points or 0) // subpixels == 5
    return Overlap(
        None if points is None else point, point, int(is_tight), is_strict=True
    )


def _key(*values: str | None) -> Key | None:
    """Make a key of values; None if one of them is undefined."""
    found = tuple(value for value in values if value is not None)
    return found if len(found) == len(values) else None


NOD_RULES: Final = (
    NodRule(
        "Asn_Lv2NRSIFUNod",
        "nrs_ifu",
        accepts=lambda row: (
            row.patttype in {"2-point-nod", "4-point-nod"} and sees_ifu(row)
        ),
        pattern_of=lambda row: _key(row.patttype, row.mostilno),
        overlaps=None,
        are_imprints_pruned=True,
    ),
    NodRule(
        "Asn_Lv2NRSMSA",
        "nrs_msaspec",
        accepts=lambda _row: True,
        pattern_of=lambda row: _key(row.msametfl, row.expspcin),
        overlaps=_overlap_msa,
    ),
    NodRule(
        "Asn_Lv2NRSFSS",
        "nrs_fixedslit",
        accepts=sees_slit,
        pattern_of=lambda row: _key(
            row.expspcin, row.numdthpt, row.subpxpns or row.subpxpts
        ),
        overlaps=_overlap_slit,
        are_others_of_pattern=False,
    ),
)
"""Rules of nods."""
