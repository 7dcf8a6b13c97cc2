"""Maps of the sky, as SVG: all of it in the projection of Mollweide, and footprints."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from workers.sky import list_vertices

from ..models.listings import SkyPlace

__all__ = ["Footprints", "Mark", "SkyMap", "draw_footprints", "draw_sky"]

_WIDTH: Final = 800
_HEIGHT: Final = 400

_STEP_DEG: Final = 5
"""Between the points of a line of the grid."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A place on a map."""

    place: SkyPlace
    """What is there."""
    x: float
    """Where it is, from the left."""
    y: float
    """Where it is, from the top."""
    radius: float
    """How large it is drawn."""


@dataclass(frozen=True, slots=True)
class SkyMap:
    """A map of all the sky."""

    width: int
    """Its width."""
    height: int
    """Its height."""
    grid: tuple[str, ...]
    """Lines of right ascension and declination, as points of a polyline."""
    marks: tuple[Mark, ...]
    """Places, in the order that they were given in."""


def draw_sky(places: Iterable[SkyPlace]) -> SkyMap:
    """Draw places on a map of the sky; 0 h is in the middle, east is on the left."""
    marks = []
    for place in places:
        turn_deg = (place.ra_deg + 180) % 360 - 180
        x, y = _project(turn_deg, place.dec_deg)
        radius = 4 + min(6.0, math.log10(max(1, place.products)) * 2)
        marks.append(Mark(place, x, y, radius))
    return SkyMap(_WIDTH, _HEIGHT, tuple(_draw_grid()), tuple(marks))


def _draw_grid() -> Iterable[str]:
    for turn in range(-180, 181, 60):
        yield _join((turn, dec) for dec in range(-90, 91, _STEP_DEG))
    for dec in (-60, -30, 0, 30, 60):
        yield _join((turn, dec) for turn in range(-180, 181, _STEP_DEG))


def _join(points: Iterable[tuple[float, float]]) -> str:
    projected = (_project(turn_deg, dec_deg) for turn_deg, dec_deg in points)
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in projected)


def _project(turn_deg: float, dec_deg: float) -> tuple[float, float]:
    """Project a place as Mollweide did, by its right ascension from -180 to 180."""
    dec = math.radians(dec_deg)
    angle = dec
    for _ in range(50):
        slope = 2 + 2 * math.cos(2 * angle)
        if slope < 1e-9:
            break  # a pole
        step = (2 * angle + math.sin(2 * angle) - math.pi * math.sin(dec)) / slope
        angle -= step
        if abs(step) < 1e-6:
            break
    x = _WIDTH / 2 * (1 - 0.98 * turn_deg / 180 * math.cos(angle))
    return x, _HEIGHT / 2 * (1 - 0.98 * math.sin(angle))


@dataclass(frozen=True, slots=True)
class Footprints:
    """Footprints beside each other, in the plane that touches the sky there."""

    width: int
    """Its width."""
    height: int
    """Its height."""
    outlines: tuple[str, ...]
    """Corners of each, as points of a polygon."""
    extent_arcsec: float
    """How much of the sky the width is."""


def draw_footprints(regions: Sequence[str], size: int = 240) -> Footprints | None:
    """Draw footprints (STC-S), north up and east left; None if there are none."""
    polygons = [corners for region in regions if (corners := list_vertices(region))]
    if not polygons:
        return None
    places = [place for polygon in polygons for place in polygon]
    flat = [[_flatten(place, places[0]) for place in one] for one in polygons]
    xs, ys = zip(*(point for one in flat for point in one), strict=True)
    extent = max(max(xs) - min(xs), max(ys) - min(ys), 1e-7) * 1.1
    middle = ((max(xs) + min(xs)) / 2, (max(ys) + min(ys)) / 2)
    outlines = tuple(
        " ".join(
            f"{size * (0.5 - (x - middle[0]) / extent):.1f},"
            f"{size * (0.5 - (y - middle[1]) / extent):.1f}"
            for x, y in one
        )
        for one in flat
    )
    return Footprints(size, size, outlines, extent * 3600)


def _flatten(
    place: tuple[float, float], middle: tuple[float, float]
) -> tuple[float, float]:
    """Give how far a place is to the east and to the north, in degrees."""
    turn = (place[0] - middle[0] + 180) % 360 - 180
    return turn * math.cos(math.radians(middle[1])), place[1] - middle[1]
