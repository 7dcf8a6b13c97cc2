"""What a measured position gains: a real source of the MSA, three nods."""

from typing import Any

import numpy as np
import pytest
from real_data import REAL_SLITS, needs_real_data
from real_spectra import compare_apertures

from workers.child import run_in_child
from workers.sample import SampleSet

pytestmark = needs_real_data


@pytest.fixture(scope="module")
def compared(sample: SampleSet, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = str(tmp_path_factory.mktemp("real"))
    paths = [str(path) for path in REAL_SLITS]
    end = run_in_child(compare_apertures, paths, str(sample.crds), folder)
    assert end.answer is not None, end
    return end.answer


def total(signal_to_noise: list[float]) -> float:
    """Combine nods; one that is negative counts as nothing."""
    return float(np.hypot.reduce(np.maximum(signal_to_noise, 0)))


def test_all_nods_show_the_source_at_the_same_place(compared: Any) -> None:
    _, offsets = compared
    assert np.mean(offsets) == pytest.approx(-0.07, abs=0.02)
    assert np.std(offsets) < 0.03


def test_the_measured_position_gains_over_the_default_aperture(compared: Any) -> None:
    found, _ = compared
    for default in ("whole slit", "middle, 6 pixels"):
        assert total(found["measured, 6 pixels"]) > 1.5 * total(found[default])
        assert min(found["measured, 6 pixels"]) > 10 > min(found[default])


def test_where_the_plan_was_good_it_gains_little(compared: Any) -> None:
    found, _ = compared
    for width in (3, 6):
        planned, measured = (
            total(found[f"{how}, {width} pixels"]) for how in ("planned", "measured")
        )
        assert measured == pytest.approx(planned, rel=0.05)
