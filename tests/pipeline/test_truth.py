import pytest
from processed import Processed

from workers.sample import SampleSet, check_products


@pytest.mark.parametrize(
    "program",
    [
        *("bots", "ifu", "mos", "fixed_slit", "mrs", "lrs_slit", "lrs_slitless"),
        pytest.param("bots_pair", marks=pytest.mark.slow),
        pytest.param("gratings", marks=pytest.mark.slow),
    ],
)
def test_products_agree_with_what_was_injected(
    request: pytest.FixtureRequest, sample: SampleSet, program: str
) -> None:
    done: Processed = request.getfixturevalue(program)
    checks = check_products(done.folder, sample.truth)
    assert checks
    assert [check for check in checks if not check.passed] == []
