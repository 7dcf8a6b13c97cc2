import pytest

from workers.sample.truth import kept_share


def test_a_source_that_is_small_keeps_all_its_light() -> None:
    assert kept_share(0.01, 0.3, [0.0, -0.53, 0.53]) == pytest.approx(1.0)


def test_wings_are_lost_to_the_aperture_and_to_the_nods() -> None:
    # Within one sigma of the source there are 68 %, between two and four 2 %.
    assert kept_share(0.3, 0.3, [0.0, 0.9]) == pytest.approx(0.6827 - 0.0227, abs=1e-3)


def test_nods_on_each_other_would_leave_nothing() -> None:
    assert kept_share(0.3, 0.3, [0.0, 1e-9]) == pytest.approx(0.0, abs=1e-6)


def test_a_single_exposure_keeps_what_its_aperture_holds() -> None:
    assert kept_share(0.3, 0.3, [0.0]) == pytest.approx(0.6827, abs=1e-3)
