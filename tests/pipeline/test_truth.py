from pathlib import Path

import pytest
from commands import query
from processed import Processed

from workers.sample import SampleSet, check_products


@pytest.mark.parametrize(
    "program",
    [
        *("bots", "ifu", "fixed_slit", "lrs_slit", "lrs_slitless"),
        *("bots_pair", "gratings", "mos", "mrs"),
    ],
)
def test_products_agree_with_what_was_injected(
    request: pytest.FixtureRequest, sample: SampleSet, program: str
) -> None:
    done: Processed = request.getfixturevalue(program)
    checks = check_products(done.folder, sample.truth)
    assert checks
    assert [check for check in checks if not check.passed] == []


@pytest.mark.parametrize(
    "program",
    [
        *("bots", "ifu", "fixed_slit", "lrs_slit", "lrs_slitless"),
        *("bots_pair", "gratings", "mos", "mrs", "ifu_nod", "mrs_bands"),
    ],
)
def test_each_job_needs_one_attempt(
    request: pytest.FixtureRequest, program: str
) -> None:
    """A second one would hide an estimate of memory that is too low."""
    done: Processed | Path = request.getfixturevalue(program)
    # The folder of a run is runs/<program>/<run> in the data folder.
    data_dir = done.parents[2] if isinstance(done, Path) else done.settings.data_dir
    statement = """SELECT job.stage || ':' || job.name, count(attempt.id)
        FROM job LEFT JOIN attempt USING (fingerprint) GROUP BY fingerprint"""
    attempts = dict(query(data_dir, statement))
    assert attempts == dict.fromkeys(attempts, 1)
    assert attempts
