"""Runs and the states of their jobs in the database."""

from dataclasses import replace
from datetime import timedelta, timezone

import pytest
from outcomes import NOON, make_run, make_run_job

from flows.errors import DatabaseError, UnknownRecordError
from flows.models.runs import JobState, RunJob, RunState
from flows.provenance import Database
from workers.contract import Caveat, CaveatKind, Stage

_LATER = NOON + timedelta(hours=3)


def test_a_run_comes_back_as_it_was_started(database: Database) -> None:
    database.runs.start_run(make_run())
    assert database.runs.get_run("run-1") == make_run()


def test_a_finished_run_tells_how_it_ended(database: Database) -> None:
    database.runs.start_run(make_run())
    database.runs.finish_run("run-1", RunState.FAILED, "2 jobs failed.", now=_LATER)
    assert database.runs.get_run("run-1") == replace(
        make_run(), state=RunState.FAILED, message="2 jobs failed.", finished_at=_LATER
    )


def test_a_run_keeps_its_notes(database: Database) -> None:
    database.runs.start_run(replace(make_run(), notes=("begun",)))
    for notes in (("one", "two", "three"), ("one, NUL \x00", "two")):
        database.runs.set_notes("run-1", notes)
    assert database.runs.get_run("run-1").notes == ("one, NUL \\x00", "two")


def test_a_recipe_is_there_once_and_found_by_runs_that_did_not_keep_it(
    database: Database,
) -> None:
    old = replace(make_run("run-1"), recipe_text="")
    for run in (old, make_run("run-2"), replace(old, id="run-3")):
        database.runs.start_run(run)
    texts = {run.recipe_text for run in database.runs.list_runs()}
    assert texts == {make_run().recipe_text}


def test_a_run_gets_its_context_when_it_is_resolved(database: Database) -> None:
    database.runs.start_run(replace(make_run(), context="not resolved"))
    database.runs.set_context("run-1", "jwst_0002.pmap")
    assert database.runs.get_run("run-1") == replace(
        make_run(), context="jwst_0002.pmap"
    )


def test_a_run_that_was_never_started_cannot_finish(database: Database) -> None:
    with pytest.raises(UnknownRecordError, match="no run run-1"):
        database.runs.finish_run("run-1", RunState.FAILED, None, now=NOON)


def test_a_run_cannot_start_under_the_id_of_another(database: Database) -> None:
    database.runs.start_run(make_run())
    with pytest.raises(DatabaseError, match="began at 2026-11-20 12:00:00 UTC"):
        database.runs.start_run(make_run(started_at=_LATER))


def test_a_run_cannot_start_after_its_end(database: Database) -> None:
    database.runs.start_run(make_run())
    database.runs.finish_run("run-1", RunState.FAILED, None, now=_LATER)
    with pytest.raises(DatabaseError, match="is FAILED"):
        database.runs.start_run(make_run())


def test_times_are_the_same_instant_in_utc_whatever_their_zone(
    database: Database,
) -> None:
    local = NOON.astimezone(timezone(timedelta(hours=-7)))
    database.runs.start_run(make_run(started_at=local))
    started_at = database.runs.get_run("run-1").started_at
    assert started_at == NOON
    assert started_at.utcoffset() == timedelta()


def test_a_naive_time_is_refused(database: Database) -> None:
    with pytest.raises(DatabaseError, match="expected an aware time"):
        database.runs.start_run(make_run(started_at=NOON.replace(tzinfo=None)))


def test_a_run_is_found_by_the_beginning_of_its_id(database: Database) -> None:
    for run_id in ("aab", "aac"):
        database.runs.start_run(make_run(run_id))
    assert database.runs.get_run("aab").id == "aab"
    for wrong, count in {"aa": "several runs", "b": "no run", "%": "no run"}.items():
        with pytest.raises(UnknownRecordError, match=count):
            database.runs.get_run(wrong)


def test_runs_are_listed_newest_first(database: Database) -> None:
    for day in range(4):
        run = make_run(f"run-{day}", started_at=NOON + timedelta(days=day))
        database.runs.start_run(replace(run, program=["02736", "01345"][day % 2]))
    assert [run.id for run in database.runs.list_runs(limit=3)] == [
        "run-3",
        "run-2",
        "run-1",
    ]
    assert [run.id for run in database.runs.list_runs("01345")] == ["run-3", "run-1"]


def test_jobs_of_a_run_are_listed_by_stage_and_name(database: Database) -> None:
    database.runs.start_run(make_run())
    jobs = [make_run_job("b"), make_run_job("a")]
    last = replace(make_run_job("a"), stage=Stage.SPEC2)
    database.runs.set_jobs("run-1", [last, *jobs])
    assert database.runs.get_run_jobs("run-1") == (jobs[1], jobs[0], last)


def test_updated_jobs_take_the_place_of_what_they_were(database: Database) -> None:
    database.runs.start_run(make_run())
    database.runs.set_jobs("run-1", [make_run_job("a"), make_run_job("b")])
    blocked = replace(
        make_run_job("a", JobState.BLOCKED), blocked_by=("detector1:b",), why="\x00"
    )
    database.runs.update_jobs("run-1", [make_run_job("a"), blocked, make_run_job("c")])
    a, b, c = database.runs.get_run_jobs("run-1")
    assert a == replace(blocked, why="\\x00")
    assert (b, c) == (make_run_job("b"), make_run_job("c"))


def test_what_a_plan_knew_of_a_job_is_kept_with_the_run(
    database: Database,
) -> None:
    database.runs.start_run(make_run())
    known = (Caveat(CaveatKind.PARTIAL, "there is no NRS2"),)
    job = replace(make_run_job("a"), caveats=known)
    database.runs.set_jobs("run-1", [job])
    assert database.runs.get_run_jobs("run-1") == (job,)


def test_the_last_use_of_a_job_is_that_of_the_newest_run_that_has_its_products(
    database: Database,
) -> None:
    states = [JobState.SUCCEEDED, JobState.REUSED, JobState.BLOCKED]
    for day, state in enumerate(states):
        database.runs.start_run(
            make_run(f"{state}", started_at=NOON + timedelta(days=day))
        )
        database.runs.set_jobs(
            f"{state}", [replace(make_run_job("a", state), fingerprint="f")]
        )
    found = database.runs.find_last_use("f")
    assert found is not None
    assert (found[0].id, found[1].state) == ("REUSED", JobState.REUSED)
    assert database.runs.find_last_use("g") is None


def test_a_second_plan_takes_the_place_of_the_first(database: Database) -> None:
    database.runs.start_run(make_run())
    database.runs.set_jobs("run-1", [make_run_job("a"), make_run_job("b")])
    database.runs.set_jobs("run-1", [make_run_job("c")])
    assert database.runs.get_run_jobs("run-1") == (make_run_job("c"),)
    database.runs.set_jobs("run-1", [])
    database.runs.update_jobs("run-1", [])
    assert database.runs.get_run_jobs("run-1") == ()


def test_jobs_need_their_run(database: Database) -> None:
    for record in (database.runs.set_jobs, database.runs.update_jobs):
        with pytest.raises(DatabaseError, match="cannot be used"):
            record("run-1", [make_run_job("a")])


def test_a_dead_run_is_interrupted_with_what_it_had_not_finished(
    database: Database,
) -> None:
    database.runs.start_run(make_run())
    jobs = {state: make_run_job(state, state) for state in JobState}
    database.runs.set_jobs("run-1", list(jobs.values()))
    assert database.runs.interrupt_dead_runs("02736", now=_LATER) == ("run-1",)
    assert database.runs.get_run("run-1").state is RunState.INTERRUPTED
    assert database.runs.get_run("run-1").finished_at == _LATER
    after = {job.name: job for job in database.runs.get_run_jobs("run-1")}
    assert after == {state: _interrupted(job) for state, job in jobs.items()}


def _interrupted(job: RunJob) -> RunJob:
    if job.state not in {JobState.DUE, JobState.RUNNING}:
        return job
    return replace(job, state=JobState.INTERRUPTED, updated_at=_LATER)


def test_only_running_runs_of_the_program_are_interrupted(
    database: Database,
) -> None:
    database.runs.start_run(replace(make_run("other"), program="01345"))
    database.runs.start_run(make_run("ended"))
    database.runs.finish_run("ended", RunState.CANCELLED, None, now=NOON)
    assert database.runs.interrupt_dead_runs("02736", now=_LATER) == ()
    assert database.runs.get_run("other").state is RunState.RUNNING
    assert database.runs.get_run("ended").finished_at == NOON


def test_a_large_plan_is_recorded_in_seconds(database: Database) -> None:
    database.runs.start_run(make_run())
    jobs = [make_run_job(f"{number:05}") for number in range(3000)]
    database.runs.set_jobs("run-1", jobs)
    database.runs.update_jobs("run-1", [replace(job, why="Again.") for job in jobs])
    assert len(database.runs.get_run_jobs("run-1")) == 3000
