import pytest
from processed import Processed

from workers.sample import SampleSet, check_products


@pytest.mark.parametrize(
    "program",
    [
        *("bots", "ifu", "fixed_slit", "lrs_slit", "lrs_slitless"),
        *(
            pytest.param(program, marks=pytest.mark.slow)
            for program in ("bots_pair", "gratings", "mos", "mrs")
        ),
    ],
)
def test_products_agree_with_what_was_injected(
    request: pytest.FixtureRequest, sample: SampleSet, program: str
) -> None:
    done: Processed = request.getfixturevalue(program)
    checks = check_products(done.folder, sample.truth)
    assert checks
    assert [check for check in checks if not check.passed] == []
