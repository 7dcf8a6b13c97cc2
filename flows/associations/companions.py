"""Which other exposures of its mode go with a science exposure.

Each function is given an exposure and all exposures of its mode (itself included)
and chooses among them.
"""

import math
from collections.abc import Sequence

from flows.models import Exposure, Role

from .traits import trait, traits

__all__ = [
    "background_leakcals",
    "nearest_backgrounds",
    "others_on_sky",
    "own_leakcals",
]


def nearest_backgrounds(
    science: Exposure, mode: Sequence[Exposure]
) -> Sequence[Exposure]:
    """Choose the dedicated backgrounds of the observation nearest in time.

    Which background observation belongs to which target is in the proposal only. If
    no exposure says when it began (EXPSTART), the first observation is taken.
    """
    backgrounds = [other for other in mode if other.role is Role.BACKGROUND]
    if not backgrounds:
        return ()
    nearest = min(backgrounds, key=lambda other: (_gap(science, other), other.name))
    return [other for other in backgrounds if other.observation == nearest.observation]


def _gap(one: Exposure, other: Exposure) -> float:
    """Measure the days between the starts of two exposures."""
    starts = trait(one, "EXPSTART"), trait(other, "EXPSTART")
    match starts:
        case (int() | float() as first, int() | float() as second):
            return abs(first - second)
    return math.inf


def own_leakcals(science: Exposure, mode: Sequence[Exposure]) -> Sequence[Exposure]:
    """Choose the leakcals of the same observation and of the same sky.

    Those of the same visit (the tile of a mosaic) are preferred, and of several the
    ones of the same dither position. ImprintStep comes to the same by OBSERVTN and
    PATT_NUM; the official rules prune likewise, by target and dither position.
    """
    for place in (("observation", "visit"), ("observation",)):
        near = [
            other
            for other in mode
            if other.role is Role.IMPRINT
            and _is_same(science, other, (*place, "BKGDTARG"))
        ]
        if near:
            dithered = [other for other in near if _is_same(science, other, _DITHER)]
            return dithered or near
    return ()


_DITHER = ("PATT_NUM",)


def background_leakcals(
    science: Exposure, mode: Sequence[Exposure]
) -> Sequence[Exposure]:
    """Choose the leakcals of the dedicated backgrounds that go with an exposure."""
    linked = {other.observation for other in nearest_backgrounds(science, mode)}
    return [
        other
        for other in mode
        if other.role is Role.IMPRINT
        and trait(other, "BKGDTARG") is True
        and other.observation in linked
    ]


def others_on_sky(science: Exposure, mode: Sequence[Exposure]) -> Sequence[Exposure]:
    """Choose all other exposures that see the sky: science and backgrounds."""
    on_sky = (Role.SCIENCE, Role.BACKGROUND)
    return [
        other for other in mode if other.role in on_sky and other.name != science.name
    ]


def _is_same(one: Exposure, other: Exposure, names: Sequence[str]) -> bool:
    """Compare two exposures by some traits."""
    return traits(one, names) == traits(other, names)
