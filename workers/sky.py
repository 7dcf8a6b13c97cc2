"""Places on the sky: separations, footprints, and what a circle touches.

All is done with unit vectors, so that nothing is special about poles or about RA 0.
"""

from collections.abc import Iterable, Sequence
from math import asin, atan2, cos, degrees, hypot, isfinite, pi, radians, sin, sqrt

__all__ = [
    "find_centre",
    "find_radius_deg",
    "list_vertices",
    "separate_deg",
    "separate_from_region_deg",
]

_Place = tuple[float, float]
"""Right ascension and declination, in degrees."""

_Vector = tuple[float, float, float]
"""Of unit length."""


def list_vertices(region: str) -> tuple[_Place, ...]:
    """List the vertices of ``POLYGON ICRS ra dec ra dec ...``, in degrees.

    It is how jwst writes S_REGION (STC-S); what is anything else has none.
    """
    shape, _, rest = region.partition(" ")
    frame, *words = rest.split() or [""]
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        return ()
    if (shape.upper(), frame.upper()) != ("POLYGON", "ICRS") or len(numbers) % 2:
        return ()
    places = tuple(zip(numbers[::2], numbers[1::2], strict=True))
    is_valid = all(isfinite(ra) and abs(dec) <= 90 for ra, dec in places)
    return places if is_valid and len(places) >= 3 else ()


def separate_deg(one: _Place, other: _Place) -> float:
    """Return the angle between two places, in degrees."""
    return degrees(_angle(_to_vector(one), _to_vector(other)))


def find_centre(places: Iterable[_Place]) -> _Place | None:
    """Find the middle of places: RA (0 to 360) and declination, in degrees.

    None if there are none, or if they are all around.
    """
    sums = [sum(parts) for parts in zip(*map(_to_vector, places), strict=True)]
    if not sums or hypot(*sums) < 1e-9:
        return None
    x, y, z = sums
    # A remainder of next to nothing below 0 is 360.
    return degrees(atan2(y, x)) % 360 % 360, degrees(atan2(z, hypot(x, y)))


def find_radius_deg(centre: _Place, region: str) -> float:
    """Find how far a region goes from a place, in degrees; 0 if it is none."""
    return max((separate_deg(centre, p) for p in list_vertices(region)), default=0.0)


def separate_from_region_deg(place: _Place, region: str) -> float | None:
    """Return how far a place is from a region, in degrees: 0 within it.

    None if it is no region. It is less than a hemisphere, and its sides are arcs of
    great circles.
    """
    vertices = [_to_vector(vertex) for vertex in list_vertices(region)]
    if not vertices:
        return None
    point = _to_vector(place)
    sides = list(zip(vertices, [*vertices[1:], vertices[0]], strict=True))
    # The same polygon would be seen from the other side of the sky.
    is_near = sum(_dot(point, vertex) for vertex in vertices) > 0
    turns = sum(_turn(point, one, other) for one, other in sides)
    if is_near and abs(turns) > pi:
        return 0.0
    return degrees(min(_angle_to_side(point, one, other) for one, other in sides))


def _to_vector(place: _Place) -> _Vector:
    ra, dec = radians(place[0]), radians(place[1])
    return cos(dec) * cos(ra), cos(dec) * sin(ra), sin(dec)


def _angle(one: _Vector, other: _Vector) -> float:
    """Return the angle between two vectors; exact for the smallest, too."""
    return atan2(_length(_cross(one, other)), _dot(one, other))


def _turn(point: _Vector, one: _Vector, other: _Vector) -> float:
    """Return the angle from one vector to another as a point between sees it."""
    flat = _dot(one, other) - _dot(one, point) * _dot(other, point)
    return atan2(_dot(point, _cross(one, other)), flat)


def _angle_to_side(point: _Vector, one: _Vector, other: _Vector) -> float:
    """Return the angle between a point and an arc of a great circle."""
    ends = min(_angle(point, one), _angle(point, other))
    normal = _cross(one, other)
    length = _length(normal)
    if length == 0:
        return ends
    is_beside = (
        _dot(_cross(normal, one), point) > 0 and _dot(_cross(other, normal), point) > 0
    )
    if not is_beside:
        return ends
    return min(ends, asin(min(1.0, abs(_dot(normal, point)) / length)))


def _cross(one: _Vector, other: _Vector) -> _Vector:
    (a, b, c), (d, e, f) = one, other
    return b * f - c * e, c * d - a * f, a * e - b * d


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def _length(vector: Sequence[float]) -> float:
    return sqrt(_dot(vector, vector))
