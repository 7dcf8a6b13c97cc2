"""`rewebb status` and `rewebb show`, in this process."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from outcomes import NOON, make_job, make_outcome, make_run, make_run_job
from typer.testing import CliRunner

from config.recipe import Recipe, load_recipe
from config.settings import load_settings
from flows.cli import app
from flows.factory import open_database
from flows.models.runs import JobState, Run
from flows.provenance import Database
from flows.run import Request
from flows.run import make_run as begin_run
from workers.contract import Caveat, CaveatKind, Edit

JOB = make_job()
PRODUCT = "jw02736007001_03103_00001_nrs1_rate.fits"
NO_NRS2 = Caveat(CaveatKind.PARTIAL, "there is no NRS2")
SKIPPED = "detector1:jw02736007001_03103_00001_nrs1: STEP_SKIPPED: The step jump was"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, [*arguments])
    assert done.exit_code == 0, done.output
    return done.output


def use(
    database: Database, name: str, state: JobState, *caveats: Caveat, day: int
) -> None:
    """Record a run that made or reused the product."""
    started_at = NOON + timedelta(days=day)
    database.runs.start_run(make_run(name, started_at=started_at))
    job = replace(make_run_job(JOB.name, state), fingerprint=JOB.fingerprint)
    database.runs.set_jobs(name, [replace(job, caveats=caveats)])


@pytest.fixture
def partial_at_first() -> None:
    """Record a product that was made PARTIAL, and reused where nothing lacks."""
    with open_database(load_settings()) as database:
        use(database, "made", JobState.SUCCEEDED, NO_NRS2, day=0)
        database.jobs.record_outcome(make_outcome(JOB), run_id="made")
        use(database, "reused", JobState.REUSED, day=1)


@pytest.mark.usefixtures("partial_at_first")
def test_show_joins_what_the_last_run_knew_with_what_the_job_found() -> None:
    shown = run("show", PRODUCT)
    assert "used last by run reused of 2026-11-21" in shown
    assert "caveat STEP_SKIPPED" in shown
    assert "PARTIAL" not in shown
    with open_database(load_settings()) as database:
        use(database, "third", JobState.REUSED, NO_NRS2, day=2)
    assert "caveat PARTIAL: there is no NRS2" in run("show", PRODUCT)
    told = json.loads(run("show", PRODUCT, "--json"))["last_use"]
    assert told["run"]["id"] == "third"
    assert told["job"]["caveats"] == [{"kind": "PARTIAL", "message": NO_NRS2.message}]


@pytest.mark.usefixtures("partial_at_first")
def test_show_names_the_context_it_was_made_in_and_that_of_its_last_use() -> None:
    with open_database(load_settings()) as database:
        database.jobs.record_outcome(
            make_outcome(replace(JOB, context="jwst_1463.pmap"))
        )
    shown = run("show", PRODUCT)
    assert "context      jwst_1463.pmap" in shown
    assert "UTC in jwst_1464.pmap: REUSED" in shown


def test_show_lists_what_was_edited_in_copies_of_the_inputs() -> None:
    edits = (Edit("a_msa.fits", "extend-slitlets", {"sources": [1]}),)
    with open_database(load_settings()) as database:
        database.jobs.record_outcome(make_outcome(replace(JOB, edits=edits)))
    assert "    extend-slitlets of a_msa.fits (sources [1])\n" in run("show", PRODUCT)


def test_show_says_when_no_run_is_known() -> None:
    """As after `rewebb db rebuild`, which finds no runs in the store."""
    with open_database(load_settings()) as database:
        database.jobs.record_outcome(make_outcome(JOB))
    assert "used last by no run that is recorded" in run("show", PRODUCT)
    assert json.loads(run("show", PRODUCT, "--json"))["last_use"] is None


@pytest.mark.usefixtures("partial_at_first")
@pytest.mark.parametrize(("name", "partial"), [("made", True), ("reused", False)])
def test_status_joins_what_that_run_knew_with_what_the_job_found(
    name: str, *, partial: bool
) -> None:
    *known, found = json.loads(run("status", name, "--json"))["caveats"]
    assert found.startswith(SKIPPED)
    assert [line.endswith(NO_NRS2.message) for line in known] == [True] * partial
    assert ("there is no NRS2" in run("status", name)) is partial


def test_show_prints_the_recipe_of_a_run_as_it_was(elsewhere: Path) -> None:
    path = elsewhere / "mine.toml"
    path.write_text('title = "Before"\nextends = "selfcal"\n')
    before = load_recipe(str(path))
    record = record_run(Request("02736", recipe=str(path)), before)
    path.write_text('title = "After"\n')
    (elsewhere / "kept.toml").write_text(run("show", record.id, "--recipe"))
    kept = load_recipe("kept.toml")
    assert (kept.sha256, kept.associations) == (before.sha256, before.associations)
    told = json.loads(run("show", record.id, "--recipe", "--json"))
    assert told == {"name": "mine", "text": before.text}


def record_run(request: Request, recipe: Recipe) -> Run:
    """Record that a run begins."""
    with open_database(load_settings()) as database:
        record = begin_run(request, recipe)
        database.runs.start_run(record)
    return record


@pytest.mark.usefixtures("partial_at_first")
def test_only_a_run_has_a_recipe() -> None:
    done = CliRunner().invoke(app, ["show", PRODUCT, "--recipe"])
    assert done.exit_code == 2
    assert "--recipe is of a run" in done.output
