"""How far a run is, as `rewebb status --follow` shows it."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from flows.cli.follow import follow
from flows.models.runs import JobState, Run, RunJob, RunState
from flows.reports import find_progress
from workers.contract import Stage

NOW = datetime(2026, 11, 23, 21, tzinfo=UTC)


def make_job(name: str, state: JobState, *, expected_s: float = 60.0) -> RunJob:
    return RunJob(
        stage=Stage.SPEC2,
        name=name,
        state=state,
        updated_at=NOW - timedelta(seconds=20),
        expected_s=expected_s,
        expected_bytes=2_000_000_000,
    )


def test_what_is_left_is_shared_by_the_jobs_that_are_under_way() -> None:
    jobs = [
        *(make_job(f"r{n}", JobState.RUNNING) for n in range(2)),
        *(make_job(f"d{n}", JobState.DUE) for n in range(4)),
        make_job("s", JobState.SUCCEEDED),
    ]
    progress = find_progress(jobs, NOW)
    assert progress.left_s == (2 * 40 + 4 * 60) / 2
    assert (progress.done, progress.total) == (1, 7)
    assert [job.elapsed_s for job in progress.running] == [20, 20]
    assert progress.counts[Stage.SPEC2][JobState.DUE] == 4


def test_it_takes_no_less_than_the_longest_job() -> None:
    jobs = [make_job(f"r{n}", JobState.RUNNING) for n in range(8)]
    jobs.append(make_job("d", JobState.DUE, expected_s=3600))
    assert find_progress(jobs, NOW).left_s == 3600


def test_a_job_that_takes_longer_than_expected_leaves_nothing_below_zero() -> None:
    late = make_job("r", JobState.RUNNING, expected_s=5)
    assert find_progress([late], NOW).left_s == 0


@pytest.mark.parametrize(
    "jobs",
    [
        [make_job("d", JobState.DUE)],
        [make_job("r", JobState.RUNNING), make_job("d", JobState.DUE, expected_s=0)],
        [],
    ],
)
def test_nothing_is_said_of_the_end_where_it_is_not_known(jobs: list[RunJob]) -> None:
    assert find_progress(jobs, NOW).left_s is None


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Run, tuple[RunJob, ...]]]:
    """Give a run that begins a job, is looked at twice meanwhile, and ends."""
    monkeypatch.setattr("flows.cli.follow._INTERVAL_S", 0)
    run = Run(
        id="0" * 32,
        program="99002",
        recipe_name="official",
        recipe_sha256="",
        recipe_text="",
        context="jwst_0001.pmap",
        environment={},
        request={},
        requested_by="test",
        started_at=NOW,
    )
    due, running, done = (
        (make_job("a", state),)
        for state in (JobState.DUE, JobState.RUNNING, JobState.SUCCEEDED)
    )
    over = replace(run, state=RunState.SUCCEEDED, finished_at=NOW)
    return iter([(run, due), (run, running), (run, running), (over, done)])


def test_a_run_is_followed_by_a_line_a_change_until_it_is_over(
    looks: Iterator[tuple[Run, tuple[RunJob, ...]]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    follow(lambda: next(looks), as_json=False)
    first, second, third = capsys.readouterr().out.splitlines()
    assert "RUNNING, 0 of 1 jobs are over" in first
    assert "1 under way, 2.0 GB expected" in second
    assert "SUCCEEDED, 1 of 1 jobs are over" in third


def test_each_change_is_a_line_of_json(
    looks: Iterator[tuple[Run, tuple[RunJob, ...]]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    follow(lambda: next(looks), as_json=True)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["counts"]["spec2"] for line in lines] == [
        {"DUE": 1},
        {"RUNNING": 1},
        {"SUCCEEDED": 1},
    ]
    assert lines[-1]["state"] == "SUCCEEDED"
