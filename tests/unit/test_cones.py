"""Circles on the sky as people write them."""

import pytest

from flows.archive import parse_cone
from flows.errors import QueryError


@pytest.mark.parametrize(
    "text",
    [
        "150,2,0.001",
        " 150.0 , +2.0 , 3.6arcsec ",
        "10h0m0s,2d0m0s,0.06arcmin",
        "10:00:00,+02:00:00,3.6arcsec",
        "10h,2d,0.001deg",
        "10h00m00s,2deg,3600mas",
    ],
)
def test_angles_are_degrees_or_have_units(text: str) -> None:
    cone = parse_cone(text)
    assert (cone.ra_deg, cone.dec_deg) == pytest.approx((150.0, 2.0))
    assert cone.radius_deg == pytest.approx(0.001)


@pytest.mark.parametrize(
    "text",
    [
        "", ",,", "150,2", "150,2,1,1", "a,b,c", "150,2,2parsec", "150,2,arcsec",
        "150,2,2 3 4 5", "nan,2,1", "150,nan,1", "150,2,inf", "1e400,2,1", "150,91,1",
        "150,2,-1arcsec", "150,2,0", "150,2,200", "25:00:00,2,1", "10:61:00,2,1",
        "'; DROP TABLE product; --,2,1", "1" * 5000, "\x00,2,1",
        "__import__('os'),2,1",
    ],
)  # fmt: skip
def test_what_is_not_on_the_sky_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(QueryError, match="Expected") as caught:
        parse_cone(text)
    assert len(str(caught.value)) < 500
