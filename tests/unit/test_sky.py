"""Places on the sky, against astropy; anywhere, and near poles and RA 0."""

from math import cos, radians

import pytest
from astropy.coordinates import SkyCoord
from hypothesis import assume, given
from hypothesis import strategies as st

from workers.sky import (
    find_centre,
    find_radius_deg,
    list_vertices,
    separate_deg,
    separate_from_region_deg,
)

PLACES = st.tuples(
    st.floats(0, 360, exclude_max=True) | st.sampled_from([0.0, 359.9999]),
    st.floats(-90, 90) | st.sampled_from([-90.0, 90.0, 89.9999, 0.0]),
)
OFFSETS = st.tuples(st.floats(0, 360), st.floats(0, 170))


def offset(place: tuple[float, float], angle: float, apart: float) -> SkyCoord:
    start = SkyCoord(*place, unit="deg")
    return start.directional_offset_by(angle * start.ra.unit, apart * start.ra.unit)


def make_square(place: tuple[float, float], half_deg: float, turn: float) -> str:
    """Make a square around a place, wherever that is."""
    corners = [offset(place, turn + 90 * n, half_deg * 2**0.5) for n in range(4)]
    listed = " ".join(f"{c.ra.deg:.12f} {c.dec.deg:.12f}" for c in corners)
    return f"POLYGON ICRS  {listed}"


@given(one=PLACES, other=PLACES)
def test_separations_are_those_of_astropy(
    one: tuple[float, float], other: tuple[float, float]
) -> None:
    places = (SkyCoord(*place, unit="deg") for place in (one, other))
    expected = next(places).separation(next(places)).deg
    assert separate_deg(one, other) == pytest.approx(expected, abs=1e-10)


def test_a_thousandth_of_an_arcsecond_is_seen() -> None:
    step = 0.001 / 3600
    assert separate_deg((10, 80), (10, 80 + step)) == pytest.approx(step, rel=1e-6)


@given(place=PLACES, turn=st.floats(0, 90), side=OFFSETS)
def test_a_square_is_left_at_its_sides(
    place: tuple[float, float], turn: float, side: tuple[float, float]
) -> None:
    half = 0.01
    region = make_square(place, half, turn)
    assert separate_from_region_deg(place, region) == 0
    # The middle of the first side lies 45 degrees on from the first corner.
    angle = turn + 45
    for apart in (half * 0.99, half * 1.01, 1.0):
        point = offset(place, angle, apart)
        found = separate_from_region_deg((point.ra.deg, point.dec.deg), region)
        assert found == pytest.approx(max(0.0, apart - half), abs=1e-7)
    far = offset(place, *side)
    found = separate_from_region_deg((far.ra.deg, far.dec.deg), region)
    assume(side[1] > 0.02)
    assert side[1] - half * 1.4143 <= found <= side[1] - half * 0.9999


@given(place=PLACES, turn=st.floats(0, 90))
def test_the_middle_and_the_radius_of_a_square_are_known(
    place: tuple[float, float], turn: float
) -> None:
    region = make_square(place, 0.01, turn)
    centre = find_centre(list_vertices(region))
    assert centre is not None
    assert 0 <= centre[0] < 360
    assert separate_deg(centre, place) < 1e-8
    assert find_radius_deg(centre, region) == pytest.approx(0.01 * 2**0.5, rel=1e-4)


def test_the_other_side_of_the_sky_is_not_in_a_region() -> None:
    region = make_square((10, 20), 1.0, 0)
    assert separate_from_region_deg((190, -20), region) == pytest.approx(179, abs=0.5)


@pytest.mark.parametrize(
    "region",
    [
        "", "CIRCLE ICRS 1 2 3", "POLYGON FK5 1 2 3 4 5 6", "POLYGON ICRS 1 2 3 4",
        "POLYGON ICRS 1 2 3 4 5", "POLYGON ICRS 1 2 3 4 5 nan", "POLYGON ICRS a b c d",
        "POLYGON", "POLYGON ICRS 1 2 3 4 5 91", "POLYGON ICRS 1 inf 3 4 5 6",
    ],
)  # fmt: skip
def test_what_is_no_polygon_has_no_vertices(region: str) -> None:
    assert list_vertices(region) == ()
    assert separate_from_region_deg((1, 2), region) is None
    assert find_radius_deg((1, 2), region) == 0


def test_places_all_around_have_no_middle() -> None:
    assert find_centre([]) is None
    assert find_centre([(0, 0), (180, 0)]) is None
    assert find_centre([(359, 0), (1, 0)]) == pytest.approx((0, 0), abs=1e-12)


def test_a_degree_of_right_ascension_is_smaller_at_high_declinations() -> None:
    apart = separate_deg((10, 60), (10.001, 60))
    assert apart == pytest.approx(0.001 * cos(radians(60)), rel=1e-6)
