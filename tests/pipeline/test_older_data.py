"""A data folder of the version before the refactoring: nothing of it is made again."""

from pathlib import Path

from older_data import PROGRAM, RECIPE, lay_out
from processing import make_settings, plan

from flows.execution import Cluster
from flows.models.runs import JobState
from flows.run import Request
from workers.sample import SampleSet


def test_all_that_an_older_version_has_made_is_reused(
    sample: SampleSet, cluster: Cluster, tmp_path: Path
) -> None:
    settings = make_settings(sample, lay_out(tmp_path / "data"))
    jobs = plan(settings, Request(PROGRAM, recipe=RECIPE), cluster).jobs
    assert {job.state for job in jobs} == {JobState.REUSED}
    assert [job.why for job in jobs if "nothing has changed" not in job.why] == []
    assert len(jobs) == 6


def test_what_it_has_made_is_found_without_its_database_too(
    sample: SampleSet, cluster: Cluster, tmp_path: Path
) -> None:
    data = lay_out(tmp_path / "data")
    (data / "rewebb.db").unlink()
    settings = make_settings(sample, data)
    jobs = plan(settings, Request(PROGRAM, recipe=RECIPE), cluster).jobs
    assert {job.state for job in jobs} == {JobState.REUSED}
