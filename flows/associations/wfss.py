"""Level-2b rules of wide-field grism exposures, with the direct images of the field."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ..models.associations import Member
from .exposure_types import EXP_TYPES_OF, GRISMS
from .grouping import bucket_by, key_of
from .parts import Draft, Part, draft_exposure
from .pool import Candidate, PoolRow, to_number
from .product_names import image_name

__all__ = ["GRISM_RULES", "make_wfss"]


@dataclass(frozen=True, slots=True)
class _GrismRule:
    """What makes an association of a grism exposure and images of its field."""

    name: str
    """Name of the official rule."""
    field: tuple[str, ...]
    """Columns that grisms and images share; all of them must be defined."""
    has_subarray: bool = False
    """Whether the name of the image has the subarray."""
    is_parallel: bool = False
    """Whether it is for the candidates of parallel observations, and only those."""

    def field_of(self, row: PoolRow) -> tuple[str, ...] | None:
        """List what the exposures of a field share; None if part is undefined."""
        return key_of(*(getattr(row, column) for column in self.field))


GRISM_RULES: Final = (
    _GrismRule("Asn_Lv2WFSSMIR", ("program", "targetid", "instrume", "detector")),
    _GrismRule(
        "Asn_Lv2WFSSNIS",
        ("program", "targetid", "instrume", "pupil", "subarray"),
        has_subarray=True,
    ),
    _GrismRule("Asn_Lv2WFSSNRC", ("program", "targetid", "instrume", "detector")),
    _GrismRule("Asn_Lv2WFSSParallel", ("instrume",), is_parallel=True),
)
"""Rules of grism exposures."""


def make_wfss(candidate: Candidate, rows: Sequence[PoolRow]) -> Iterator[Draft]:
    """Make the associations of a candidate, from its exposures by name."""
    is_parallel = candidate.type == "direct_image"
    for rule in GRISM_RULES:
        if rule.is_parallel is is_parallel:
            grisms = EXP_TYPES_OF[rule.name]
            exp_types = grisms.union(GRISMS[grism] for grism in grisms)
            ours = (row for row in rows if row.exp_type in exp_types)
            for field in bucket_by(ours, rule.field_of).values():
                yield from _make(rule, candidate, field)


def _make(
    rule: _GrismRule, candidate: Candidate, rows: Sequence[PoolRow]
) -> Iterator[Draft]:
    """Make the associations of one field."""
    images = _Images(rule, rows)
    others = _Others(rows)
    grisms = [
        place
        for place, row in enumerate(rows)
        if row.is_science and row.exp_type in GRISMS
    ]
    for number, place in enumerate(grisms if images.are_there else ()):
        # What comes before the first grism exposure waits for it; others miss it.
        start = place if number else -1
        row = rows[place]
        yield draft_exposure(
            rule.name,
            candidate,
            row,
            others.after(start),
            extra=images.members(candidate, row, images.closest(row, start)),
        )


class _Others:
    """What is neither grism nor image: backgrounds."""

    def __init__(self, rows: Sequence[PoolRow]) -> None:
        found = [(p, row) for p, row in enumerate(rows) if not row.is_science]
        self._places = [place for place, _ in found]
        self._rows = [row for _, row in found]
        self._shared: dict[int, tuple[Part, ...]] = {}

    def after(self, place: int) -> tuple[Part, ...]:
        """Collect those after a place, by their kinds."""
        start = bisect_right(self._places, place)
        if start not in self._shared:
            kinds = bucket_by(self._rows[start:], lambda row: row.kind)
            self._shared[start] = tuple(
                Part(kind, tuple(found), "rate", f"{kind} of the same field")
                for kind, found in kinds.items()
            )
        return self._shared[start]


class _Images:
    """The direct images of a field."""

    def __init__(self, rule: _GrismRule, rows: Sequence[PoolRow]) -> None:
        self._rule = rule
        self._places = [
            place
            for place, row in enumerate(rows)
            if row.is_science and row.exp_type not in GRISMS
        ]
        self._rows = rows
        self._by_number: dict[int, list[int]] = {}
        for place in self._places:
            number = to_number(rows[place].expspcin)
            if number is not None:
                self._by_number.setdefault(number, []).append(place)
        self._numbers = sorted(self._by_number)
        self.are_there = bool(self._places)

    def closest(self, science: PoolRow, place: int) -> PoolRow:
        """Find the image taken next after a grism exposure, else the first."""
        if self._rule.is_parallel:
            long = [p for p in self._places if "long" in self._rows[p].name]
            return self._rows[_next(long or self._places, place)]
        number = to_number(science.expspcin)
        later = [] if number is None else self._numbers
        following = bisect_right(later, number or 0)
        if following < len(later):
            return self._rows[_next(self._by_number[later[following]], place)]
        return self._rows[_next(self._places, place)]

    def members(
        self, candidate: Candidate, science: PoolRow, image: PoolRow
    ) -> tuple[Member, ...]:
        """Name what image3 makes of the image and those that go with it."""
        root = image_name(
            candidate, science, image, has_subarray=self._rule.has_subarray
        )
        reason = f"made of the direct image {image.name}"
        products = {
            "direct_image": "i2d.fits",
            "segmap": "segm.fits",
            "sourcecat": "cat.ecsv",
        }
        return tuple(
            Member(f"{root}_{ending}", exptype, image.name, reason)
            for exptype, ending in products.items()
        )


def _next(places: Sequence[int], place: int) -> int:
    """Find the next of some places, round the end if need be."""
    return places[bisect_right(places, place) % len(places)]
