"""What of a run is tried again, and what is refused since it cannot help."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from outcomes import make_job, make_outcome, make_run, make_run_job

from flows.errors import RunStateError
from flows.models.runs import JobState, Run, RunJob, RunState
from flows.run import plan_retry
from workers.contract import ErrorInfo, Outcome, Stage, Status

RUN = replace(make_run(), state=RunState.FAILED)
FAILED, BLOCKED = JobState.FAILED, JobState.BLOCKED


def make(key: str, state: JobState, *blocked_by: str) -> RunJob:
    stage, _, name = key.partition(":")
    job = replace(make_run_job(name, state), stage=Stage(stage))
    return replace(job, blocked_by=blocked_by)


JOBS = (
    make("detector1:a", JobState.SUCCEEDED),
    make("detector1:b", FAILED),
    make("detector1:c", FAILED),
    make("spec2:a", JobState.REUSED),
    make("spec2:b", BLOCKED, "detector1:b"),
    make("spec2:c", BLOCKED, "detector1:c"),
    make("spec3:x", BLOCKED, "spec2:b"),
    make("spec3:y", BLOCKED, "spec2:b", "spec2:c"),
)


def end(status: Status, error: str = "ValueError") -> Outcome:
    outcome = make_outcome(make_job(), status=status)
    return replace(outcome, error=ErrorInfo(error, "It is odd.", ""))


LOST = {key: end(Status.LOST) for key in ("detector1:b", "detector1:c")}


def refuse(
    *words: str, run: Run = RUN, ends: Mapping[str, Outcome] = LOST, **given: object
) -> None:
    with pytest.raises(RunStateError) as refused:
        plan_retry(run, given.pop("jobs", JOBS), ends, **given)
    assert [word for word in words if word not in str(refused.value)] == []


def test_all_that_failed_or_was_blocked_is_tried_again_as_it_was_asked_for() -> None:
    retry = plan_retry(RUN, JOBS, LOST)
    undone = [job.key for job in JOBS if job.state in {FAILED, BLOCKED}]
    assert list(retry.request.jobs) == sorted(undone)
    assert retry.request.retries == RUN.id
    assert retry.request.observations == ("007",)
    assert retry.request.context == RUN.context
    assert retry.left_out == ()


@pytest.mark.parametrize("name", ["detector1:b", "b"])
def test_a_job_is_tried_again_with_what_it_alone_has_blocked(name: str) -> None:
    retry = plan_retry(RUN, JOBS, LOST, wanted=[name])
    assert retry.request.jobs == ("detector1:b", "spec2:b", "spec3:x")


def test_jobs_that_were_interrupted_are_tried_again_too() -> None:
    jobs = (make("detector1:a", JobState.INTERRUPTED),)
    run = replace(RUN, state=RunState.CANCELLED)
    assert plan_retry(run, jobs, {}).request.jobs == ("detector1:a",)


def test_a_run_that_ended_before_it_had_jobs_is_tried_again_whole() -> None:
    run = replace(RUN, context="not resolved", request={"program": "02736"})
    request = plan_retry(run, (), {}).request
    assert (request.jobs, request.context) == ((), None)


@pytest.mark.parametrize("error", ["FileNotFoundError", "InputChangedError"])
def test_what_failed_for_a_cause_outside_is_tried_again(error: str) -> None:
    ends = {"detector1:b": end(Status.FAILED, error), **LOST}
    assert "detector1:b" in plan_retry(RUN, JOBS, ends).request.jobs


def test_what_would_raise_again_is_left_out_with_what_needs_it() -> None:
    ends = {**LOST, "detector1:b": end(Status.FAILED)}
    retry = plan_retry(RUN, JOBS, ends)
    assert retry.request.jobs == ("detector1:c", "spec2:c")
    left_out = [line.split(": ")[0] for line in retry.left_out]
    assert left_out == ["detector1:b", "spec2:b", "spec3:x", "spec3:y"]
    assert "it raised ValueError (It is odd.), as it would again" in retry.left_out[0]


def test_a_retry_that_cannot_help_is_refused_and_says_why() -> None:
    ends = dict.fromkeys(LOST, end(Status.FAILED))
    refuse("cannot help", "ValueError", "detector1:b", ends=ends)
    refuse("it needs detector1:b", ends=ends, wanted=["spec2:b"])


def test_a_run_that_is_under_way_is_refused() -> None:
    refuse("still RUNNING", "cancel", run=replace(RUN, state=RunState.RUNNING))


def test_a_run_of_which_all_is_done_is_refused() -> None:
    refuse("Nothing failed", jobs=JOBS[:1])
    refuse("Nothing failed", run=replace(RUN, state=RunState.SUCCEEDED), jobs=())


def test_a_job_that_is_not_of_the_run_or_is_done_is_refused() -> None:
    refuse("has no job spec2:z", wanted=["spec2:z"])
    refuse("spec2:a is REUSED", wanted=["spec2:a"])
