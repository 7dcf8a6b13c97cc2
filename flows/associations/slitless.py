"""Level-2b rules of grisms without a slit, with the direct images of the field."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from flows.models.associations import Member

from .cliques import bucket_by
from .parts import Draft, Part
from .product_names import image_name
from .rows import Candidate, PoolRow

__all__ = ["GRISM_RULES", "GrismRule", "make_slitless"]

_SCIENCE: Final = frozenset({"science", "psf"})

_IMAGES: Final = frozenset({"mir_image", "nis_image", "nrc_image"})

Field = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class GrismRule:
    """What makes an association of a grism exposure and images of its field."""

    name: str
    """Name of the official rule."""
    exp_types: frozenset[str]
    """EXP_TYPEs of grisms and images."""
    field_of: Callable[[PoolRow], Field]
    """What grism and images share; all of it must be defined."""
    has_subarray: bool = False
    """Whether the name of the image tells its subarray."""
    is_parallel: bool = False
    """Whether it is for the candidates of parallel observations, and only those."""


def _rule(name: str, instrument: str, *field: str, **flags: bool) -> GrismRule:
    """Make the rule of an instrument."""
    return GrismRule(
        name,
        frozenset({f"{instrument}_wfss", f"{instrument}_image"}),
        lambda row: tuple(getattr(row, column) for column in field),
        **flags,
    )


GRISM_RULES: Final = (
    _rule("Asn_Lv2WFSSMIR", "mir", "program", "targetid", "instrume", "detector"),
    _rule(
        "Asn_Lv2WFSSNIS",
        "nis",
        *("program", "targetid", "instrume", "pupil", "subarray"),
        has_subarray=True,
    ),
    _rule("Asn_Lv2WFSSNRC", "nrc", "program", "targetid", "instrume", "detector"),
    GrismRule(
        "Asn_Lv2WFSSParallel",
        _IMAGES | {"mir_wfss", "nis_wfss", "nrc_wfss"},
        lambda row: (row.instrume,),
        is_parallel=True,
    ),
)
"""Rules of grism exposures."""


def make_slitless(candidate: Candidate, rows: Sequence[PoolRow]) -> Iterator[Draft]:
    """Make the associations of grism exposures.

    Parameters
    ----------
    rows
        The exposures of a candidate, by name.
    """
    is_parallel = candidate.type == "direct_image"
    for rule in GRISM_RULES:
        if rule.is_parallel is is_parallel:
            ours = [row for row in rows if row.exp_type in rule.exp_types]
            for field in bucket_by(ours, rule.field_of).items():
                if None not in field[0]:
                    yield from _make(rule, candidate, field[1])


def _make(
    rule: GrismRule, candidate: Candidate, rows: Sequence[PoolRow]
) -> Iterator[Draft]:
    """Make the associations of one field."""
    images = _Images(rule, rows)
    others = _Others(rows)
    grisms = [place for place, row in enumerate(rows) if _is_grism(row)]
    for number, place in enumerate(grisms if images else ()):
        # What comes before the first grism exposure waits for it; others miss it.
        start = place if number else -1
        row = rows[place]
        science = Part("science", (row,), "rate", f"science of {rule.name}")
        yield Draft(
            rule.name,
            "spec2",
            candidate,
            row.name,
            (science, *others.after(start)),
            images.members(candidate, row, images.closest(row, start)),
        )


def _is_grism(row: PoolRow) -> bool:
    """Tell whether a row is a science exposure through a grism."""
    return row.kind in _SCIENCE and row.exp_type not in _IMAGES


class _Others:
    """What is neither grism nor image: backgrounds."""

    def __init__(self, rows: Sequence[PoolRow]) -> None:
        found = [(p, row) for p, row in enumerate(rows) if row.kind not in _SCIENCE]
        self._places = [place for place, _ in found]
        self._rows = [row for _, row in found]
        self._shared: dict[int, tuple[Part, ...]] = {}

    def after(self, place: int) -> tuple[Part, ...]:
        """Give those after a place, by their kinds."""
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

    def __init__(self, rule: GrismRule, rows: Sequence[PoolRow]) -> None:
        self._rule = rule
        self._places = [
            place
            for place, row in enumerate(rows)
            if row.kind in _SCIENCE and row.exp_type in _IMAGES
        ]
        self._rows = rows
        self._by_number: dict[int, list[int]] = {}
        for place in self._places:
            number = _number(rows[place].expspcin)
            if number is not None:
                self._by_number.setdefault(number, []).append(place)
        self._numbers = sorted(self._by_number)

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self._places)

    def closest(self, science: PoolRow, place: int) -> PoolRow:
        """Find the image taken next after a grism exposure, else the first."""
        if self._rule.is_parallel:
            long = [p for p in self._places if "long" in self._rows[p].name]
            return self._rows[_next(long or self._places, place)]
        number = _number(science.expspcin)
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
        return (
            Member(f"{root}_i2d.fits", "direct_image", image.name, reason),
            Member(f"{root}_segm.fits", "segmap", image.name, reason),
            Member(f"{root}_cat.ecsv", "sourcecat", image.name, reason),
        )


def _next(places: Sequence[int], place: int) -> int:
    """Give the next of some places, round the end if need be."""
    return places[bisect_right(places, place) % len(places)]


def _number(value: str | None) -> int | None:
    """Read a whole number."""
    return int(value) if value is not None and value.isdecimal() else None
