"""Cubes of the MRS by band: what does not fit together is told before anything runs."""

from pathlib import Path

from processing import make_settings, plan

from flows.execution import Cluster
from flows.models.runs import JobState
from flows.run import Request
from workers.sample import Mode, SampleSet

RECIPE = """
title = "As in contexts without output_type = multi"
[[parameters]]
stage = "spec2"
steps.cube_build.output_type = "band"
"""

SKY = "jw99003002001_02101_00001_mirifushort"


def test_a_background_without_its_one_spectrum_fails_spec3_in_the_plan(
    sample: SampleSet, cluster: Cluster, tmp_path: Path
) -> None:
    recipe = tmp_path / "band.toml"
    recipe.write_text(RECIPE)
    settings = make_settings(sample, tmp_path / "data")
    request = Request(Mode.MIRI_MRS.program, recipe=str(recipe))
    jobs = {job.key: job for job in plan(settings, request, cluster).jobs}
    job = jobs["spec3:jw99003-o001_t002_miri"]
    assert job.state is JobState.FAILED
    assert f"needs {SKY}_x1d.fits, and spec2:{SKY} makes only 0_x1d, 1_x1d" in job.why
    assert jobs["spec3:jw99003-o002_t001_miri"].state is JobState.DUE
