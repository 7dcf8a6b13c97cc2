"""What is due in another context, told by a plan alone."""

import pytest
from processed import Processed
from processing import make_request, plan

from config.settings import Settings
from flows.execution import Cluster
from flows.models.runs import JobState
from flows.reports import JobLine, RunSummary
from flows.run import Shared, plan_only
from workers.sample import Mode, SampleSet


@pytest.fixture(scope="session")
def ifu_in_0002(ifu: Processed, sample: SampleSet, shared: Shared) -> RunSummary:
    settings = use(ifu, sample.contexts[1])
    request = make_request(Mode.NIRSPEC_IFU_PRISM)
    return plan_only(settings, request, shared=shared)


def use(done: Processed, context: str) -> Settings:
    return done.settings.model_copy(update={"crds_context": context})


def select(summary: RunSummary, stage: str) -> list[JobLine]:
    return [job for job in summary.jobs if job.key.startswith(f"{stage}:")]


def states(jobs: list[JobLine]) -> set[JobState]:
    return {job.state for job in jobs}


def test_detector1_does_not_depend_on_the_flux(ifu_in_0002: RunSummary) -> None:
    assert states(select(ifu_in_0002, "detector1")) == {JobState.REUSED}


def test_spec2_is_due_and_says_by_which_file_and_parameter(
    ifu_in_0002: RunSummary,
) -> None:
    jobs = select(ifu_in_0002, "spec2")
    assert states(jobs) == {JobState.DUE}
    for job in jobs:
        assert "photom jwst_nirspec_photom_0001.fits" in job.why
        assert "-> jwst_nirspec_photom_0002.fits" in job.why
        assert "badpix_selfcal.flagfrac_upper 0.0015 -> 0.003" in job.why


def test_spec3_waits_for_spec2(ifu_in_0002: RunSummary) -> None:
    jobs = select(ifu_in_0002, "spec3")
    assert states(jobs) == {JobState.DUE}
    assert all(job.why.startswith("waits for spec2:") for job in jobs)


def test_a_plan_leaves_no_run(ifu_in_0002: RunSummary, ifu: Processed) -> None:
    assert (ifu_in_0002.run, ifu_in_0002.folder) == ("", "")
    runs = ifu.settings.data_dir / "runs"
    assert {path.stem for path in runs.glob("*/*")} == {ifu.folder.name}


@pytest.mark.parametrize("number", [0, 1])
def test_nothing_of_the_time_series_is_due_in_any_context(
    bots: Processed, sample: SampleSet, cluster: Cluster, number: int
) -> None:
    context = sample.contexts[number]
    request = make_request(Mode.NIRSPEC_BOTS_PRISM)
    summary = plan(use(bots, context), request, cluster)
    assert states(list(summary.jobs)) == {JobState.REUSED}
    assert summary.context == context
    made = bots.summary.context
    assert {job.made_in for job in summary.jobs} == {made}
    why = f"in {made}, nothing has changed in {context}" if context != made else "done"
    assert all(why in job.why for job in summary.jobs)
