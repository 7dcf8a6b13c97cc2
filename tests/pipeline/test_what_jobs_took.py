"""What jobs of the sample programs took, and what was expected of them.

They are the last to use the programs that other tests have processed.
"""

from math import prod
from pathlib import Path

import pytest
from astropy.io import fits
from processed import Processed

from flows.factory import open_database
from flows.provenance.outcomes import find_outcomes, load_outcome
from workers.contract import Outcome, Status

SHORT = ("bots", "fixed_slit", "lrs_slitless")
IFU = ("ifu", "gratings", "mrs")
PROGRAMS = (*SHORT, *IFU, "bots_pair", "mos", "lrs_slit")

MOST_OVER = 1.5
"""What jobs are granted over what they take, in the mean."""


@pytest.fixture
def program(request: pytest.FixtureRequest) -> Processed:
    done: Processed = request.getfixturevalue(request.param)
    return done


@pytest.fixture
def programs(request: pytest.FixtureRequest) -> list[Processed]:
    return [request.getfixturevalue(name) for name in PROGRAMS]


def list_outcomes(program: Processed) -> list[Outcome]:
    """List what all attempts left, but where no data fall on the detector."""
    outcomes = map(load_outcome, find_outcomes(program.settings.data_dir))
    return [one for one in outcomes if one.products or one.error]


@pytest.mark.parametrize("program", PROGRAMS, indirect=True)
def test_every_job_succeeds_at_once_within_its_grant(program: Processed) -> None:
    outcomes = list_outcomes(program)
    assert {one.status for one in outcomes} == {Status.SUCCEEDED}
    assert len(outcomes) == len({one.job.fingerprint for one in outcomes})
    left = {
        f"{one.job.stage}:{one.job.name}": one.usage.granted_bytes
        - one.usage.peak_bytes
        for one in outcomes
    }
    assert min(left.values()) >= 0, left


@pytest.mark.slow
def test_jobs_are_granted_little_more_than_they_take(programs: list[Processed]) -> None:
    over = [
        one.usage.granted_bytes / one.usage.peak_bytes
        for program in programs
        for one in list_outcomes(program)
    ]
    assert sum(over) / len(over) <= MOST_OVER


@pytest.mark.parametrize("program", PROGRAMS, indirect=True)
def test_models_can_be_fitted_to_every_job(program: Processed) -> None:
    outcomes = list_outcomes(program)
    for one in outcomes:
        workload = one.job.workload
        assert min(workload.pixels, workload.groups, workload.members) > 0
    with open_database(program.settings, read_only=True) as database:
        taken = database.jobs.list_costs()
    recorded = sorted((one.peak_bytes, str(one.workload)) for one in taken)
    made = sorted((one.usage.peak_bytes, str(one.job.workload)) for one in outcomes)
    assert recorded == made


@pytest.mark.parametrize("program", IFU, indirect=True)
def test_the_voxels_of_cubes_are_predicted_to_a_tenth(program: Processed) -> None:
    predicted, made = {}, {}
    for one in list_outcomes(program):
        cubes = (program.settings.data_dir / one.folder).glob("*_s3d.fits")
        voxels = sum(map(count_voxels, cubes))
        if voxels or one.job.workload.voxels:
            predicted[one.folder], made[one.folder] = one.job.workload.voxels, voxels
    assert len(made) > 0
    assert predicted == pytest.approx(made, rel=0.1)


def count_voxels(path: Path) -> int:
    """Count the voxels of a cube."""
    with fits.open(path) as file:
        return prod(file["SCI"].shape)
