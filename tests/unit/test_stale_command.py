"""`rewebb stale`: what is refused, and what is found of recorded runs."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from outcomes import NOON, make_run, make_run_job
from typer.testing import CliRunner

from config.settings import load_settings
from flows.cli import app
from flows.factory import open_database
from flows.models.runs import JobState
from flows.provenance import Database
from flows.run import RecordedProgram, find_recorded
from workers.contract import Stage


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refuse(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["stale", *arguments])
    assert done.exit_code == 2, done.output
    return done.output


def record(database: Database, name: str, day: int, **asked: object) -> None:
    """Record a run that has made one exposure, named as the run."""
    started_at = NOON + timedelta(days=day)
    request = {"recipe": "official", "start_at": "detector1", **asked}
    run = replace(make_run(name, started_at=started_at), request=request)
    database.runs.start_run(replace(run, recipe_name=str(request["recipe"])))
    job = make_run_job(f"jw{name}", JobState.SUCCEEDED)
    database.runs.set_jobs(name, [replace(job, fingerprint=name * 8)])


def find(recipe: str | None = None) -> RecordedProgram:
    with open_database(load_settings()) as database:
        found = find_recorded(database, "02736", recipe=recipe)
    assert found is not None
    return found


def test_programs_are_given_or_all_of_them() -> None:
    assert "Give programs, or --all" in refuse()
    assert "Give programs, or --all" in refuse("02736", "--all")


def test_what_is_no_version_is_refused() -> None:
    assert "'new' is not a version" in refuse("02736", "--jwst", "new")


def test_without_a_record_it_says_what_to_do() -> None:
    assert "holds no record of a run" in refuse("--all")
    with open_database(load_settings()) as database:
        record(database, "one", 0)
    assert "`rewebb plan 01345` says what a run would do" in refuse("01345")
    assert "No run with recipe other" in refuse("--all", "--recipe", "other")
    assert "No run of program 02736 with recipe other" in refuse(
        "02736", "--recipe", "other"
    )


def test_a_program_is_judged_as_its_last_run_asked_for_it() -> None:
    with open_database(load_settings()) as database:
        record(database, "one", 0, observations=["001"], recipe="nirspec-ifu")
        record(database, "two", 1, observations=["007"])
        record(database, "three", 2, observations=["008"], allow_partial=True)
    last = find()
    request = last.request
    assert (last.run, request.recipe) == ("three", "official")
    assert (request.observations, request.allow_partial) == (("007", "008"), True)
    assert last.done == {
        f"{Stage.DETECTOR1}:jwtwo": "two" * 8,
        f"{Stage.DETECTOR1}:jwthree": "three" * 8,
    }
    assert find("nirspec-ifu").request.observations == ("001",)


def test_a_run_of_the_whole_program_counts_for_all_observations() -> None:
    with open_database(load_settings()) as database:
        record(database, "one", 0)
        record(database, "two", 1, observations=["007"], context="jwst_0001.pmap")
    request = find().request
    assert (request.observations, request.context) == ((), None)
