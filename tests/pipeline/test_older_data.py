"""A data folder of the version before the refactoring: nothing of it is made again."""

import json
from pathlib import Path

from older_data import PROGRAM, RECIPE, lay_out
from processing import make_settings, plan

from flows.execution import Cluster
from flows.models.runs import JobState
from flows.reports import JobLine
from flows.run import Request
from workers.sample import SampleSet
from workers.versions import calibration_versions


def test_all_that_an_older_version_has_made_is_reused(
    sample: SampleSet, cluster: Cluster, tmp_path: Path
) -> None:
    data = lay_out(tmp_path / "data")
    settings = make_settings(sample, data)
    jobs = plan(settings, Request(PROGRAM, recipe=RECIPE), cluster).jobs
    assert len(jobs) == 5
    assert [str(job) for job in jobs if not is_as_expected(job, data)] == []


def test_what_it_has_made_is_found_without_its_database_too(
    sample: SampleSet, cluster: Cluster, tmp_path: Path
) -> None:
    data = lay_out(tmp_path / "data")
    (data / "rewebb.db").unlink()
    settings = make_settings(sample, data)
    jobs = plan(settings, Request(PROGRAM, recipe=RECIPE), cluster).jobs
    assert len(jobs) == 5
    assert [str(job) for job in jobs if not is_as_expected(job, data)] == []


def is_as_expected(job: JobLine, data: Path) -> bool:
    """Return whether it is reused; with other calibration code nothing may be."""
    outcome = next(data.glob("store/*/*/outcome.json"))
    made_with = json.loads(outcome.read_text())["job"]["versions"]
    if made_with == calibration_versions():
        return job.state is JobState.REUSED and "nothing has changed" in job.why
    return job.state is JobState.DUE
