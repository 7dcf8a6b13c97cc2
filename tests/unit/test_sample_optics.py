import numpy as np
import pytest

from workers.sample.nirspec_geometry import (
    Geometry,
    load_geometry,
    load_grating_geometry,
)
from workers.sample.transforms import polynomial


@pytest.fixture(scope="module")
def geometry() -> Geometry:
    return load_geometry()


def test_coefficients_come_with_the_powers_of_y_inside() -> None:
    model = polynomial([1.0, 2.0, 3.0])
    assert model(10.0, 100.0) == 1 + 2 * 100 + 3 * 10


def test_there_are_thirty_slices(geometry: Geometry) -> None:
    assert len(geometry.slices) == len(geometry.ifuposts) == 30


@pytest.mark.parametrize(
    ("name", "place", "tolerance"),
    [
        ("fore", (0.0287, 0.0016, 2e-6), 4e-6),
        ("ifufore", (0.004, 0.001, 2e-6), 8e-5),
    ],
)
def test_transforms_with_wavelength_are_inverted(
    geometry: Geometry, name: str, place: tuple[float, ...], tolerance: float
) -> None:
    model = getattr(geometry, name)
    back = model.inverse(*model(*place), place[2])
    assert np.allclose(back, place[:2], rtol=0, atol=tolerance)


def test_the_slit_lies_where_the_siaf_says(geometry: Geometry) -> None:
    slit = next(each for each in geometry.slits if each.name == "S1600A1")
    v2, v3 = geometry.ote(*geometry.fore(slit.x, slit.y, 2.5e-6))
    assert (v2, v3) == pytest.approx((321.263, -473.851), abs=0.01)


@pytest.mark.parametrize("x", [-0.034, 0.0, 0.034])
@pytest.mark.parametrize("y", [-0.015, 0.015])
def test_the_camera_of_the_gratings_is_inverted_on_both_detectors(
    x: float, y: float
) -> None:
    camera = load_grating_geometry().camera
    assert camera.inverse(*camera(x, y)) == pytest.approx((x, y), abs=2e-6)


def test_a_filter_moves_the_field_by_less_than_a_pixel(geometry: Geometry) -> None:
    place = (0.0287, 0.0016, 3e-6)
    clear, other = (
        np.array(each.ote(*each.fore(*place)))
        for each in (geometry, load_grating_geometry())
    )
    assert 0 < np.hypot(*(clear - other)) < 0.1
