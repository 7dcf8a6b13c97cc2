"""Products made again from their records: the same pixels, whatever their kind.

Those of detector1, spec2 of time series and tso3 are replayed in
`tests/system/test_reproduced.py`.
"""

import pytest
from processed import Processed

from flows.reproduction import Verdict, reproduce
from workers.contract import Stage


@pytest.mark.parametrize(
    ("program", "stage"),
    [
        ("fixed_slit", Stage.SPEC3),
        ("lrs_slit", Stage.SPEC3),
        ("mrs", Stage.SPEC3),
        # Each slit of a product keeps a log, a date and a file name of its own.
        ("mos", Stage.SPEC2),
    ],
)
def test_products_made_again_are_the_same(
    request: pytest.FixtureRequest, program: str, stage: Stage
) -> None:
    done: Processed = request.getfixturevalue(program)
    outcomes = done.list_outcomes().values()
    made_some = [one for one in outcomes if one.job.stage is stage and one.products]
    smallest = min(made_some, key=lambda one: one.usage.cpu_s)
    made = reproduce([smallest.job.fingerprint], done.settings)
    (job,) = made.jobs
    assert made.verdict is Verdict.IDENTICAL, job
    names = {product.name for product in smallest.products}
    assert {product.name for product in job.products} == names != set()
    assert not list((done.settings.data_dir / "scratch").glob("reproduced/*"))
