"""Three bands of the MRS in one cube, and the fringes that nothing corrects."""

from pathlib import Path

import pytest
from processed import find_fringe

from workers.sample import SampleSet, check_products
from workers.sample.miri_mrs import FRINGE


def test_the_largest_fringe_is_the_injected_one(mrs_bands: Path) -> None:
    found = [find_fringe(path) for path in mrs_bands.glob("*_x1d.fits")]
    assert found == pytest.approx([FRINGE.amplitude] * 2, rel=0.1)


def test_one_cube_of_three_bands_agrees_with_what_was_injected(
    mrs_bands: Path, sample: SampleSet
) -> None:
    checks = check_products(mrs_bands, sample.truth)
    assert [check.name for check in checks] == [
        "miri-mrs-bands ch1-shortmediumlong flux / injected flux",
        "miri-mrs-bands ch1-shortmediumlong line at 5.34 um",
        "miri-mrs-bands ch1-shortmediumlong line at 6.1 um",
    ]
    assert [check for check in checks if not check.passed] == []
