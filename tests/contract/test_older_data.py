"""A data folder of the version before the refactoring: still read, and brought up."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from older_data import PROGRAM, RECIPE, RUN, lay_out
from typer.testing import CliRunner

from flows.cli import app
from flows.models.runs import JobState, RunState
from flows.provenance import Database, make_engine, upgrade
from flows.provenance.migration import HEAD
from flows.provenance.outcomes import load_outcome

EXPOSURES = (
    "jw99002001001_04101_00001-seg001_nrs1",
    "jw99002001001_04101_00001-seg002_nrs1",
)
TSO = "jw99002-o001_t001_nirspec_clear-prism-s1600a1-sub512"
KEYS = {
    *(f"detector1:{name}" for name in EXPOSURES),
    *(f"spec2:{name}" for name in EXPOSURES),
    f"tso3:{TSO}",
}
"""Jobs of the run."""

ROWS = {
    "run": 1, "run_job": 5, "job": 5, "job_input": 6,
    "attempt": 5, "product": 12, "step_status": 67, "caveat": 0, "lease": 0,
    "known_file": 2, "known_reference": 53, "raw_content": 2, "fetched_file": 0,
}  # fmt: skip
"""Rows of each table as they were made."""


@pytest.fixture
def older(tmp_path: Path) -> Path:
    return lay_out(tmp_path / "data")


def ask(data: Path, *arguments: str) -> Any:
    shown = CliRunner().invoke(app, [*arguments, "--data-dir", str(data), "--json"])
    assert shown.exit_code == 0, shown.output
    return json.loads(shown.stdout)


def count_rows(data: Path) -> dict[str, int]:
    with closing(sqlite3.connect(data / "rewebb.db")) as connection:
        counts = {
            table: connection.execute(f"SELECT count(*) FROM {table}")  # noqa: S608
            for table in ROWS
        }
        return {table: rows.fetchone()[0] for table, rows in counts.items()}


def test_an_upgrade_keeps_every_row(older: Path) -> None:
    engine = make_engine(f"sqlite:///{older}/rewebb.db")
    upgrade(engine)
    with engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT version_num FROM alembic_version")
        assert found.scalar_one() == HEAD
    engine.dispose()
    assert count_rows(older) == ROWS


def test_its_run_and_jobs_are_as_they_were(older: Path) -> None:
    engine = make_engine(f"sqlite:///{older}/rewebb.db")
    upgrade(engine)
    runs = Database(engine).runs
    (run,) = runs.list_runs()
    jobs = runs.get_run_jobs(RUN)
    engine.dispose()
    assert (run.id, run.program, run.recipe_name) == (RUN, PROGRAM, RECIPE)
    assert (run.state, run.message) == (RunState.SUCCEEDED, "5 jobs are done")
    assert run.recipe_text == ""
    assert run.started_at == datetime(2026, 11, 21, 23, 51, 3, 286329, UTC)
    assert {job.key: (job.state, job.why) for job in jobs} == dict.fromkeys(
        KEYS, (JobState.SUCCEEDED, "never done")
    )


def test_the_database_holds_of_each_job_what_its_outcome_says(older: Path) -> None:
    engine = make_engine(f"sqlite:///{older}/rewebb.db")
    upgrade(engine)
    outcomes = [load_outcome(path) for path in older.glob("store/*/*/outcome.json")]
    jobs = Database(engine).jobs
    held = [jobs.get_job(outcome.job.fingerprint) for outcome in outcomes]
    engine.dispose()
    assert len(outcomes) == len(KEYS)
    assert [record.job for record in held] == [outcome.job for outcome in outcomes]
    assert [record.attempts[0].outcome for record in held] == outcomes


def test_commands_show_it(older: Path) -> None:
    assert [run["id"] for run in ask(older, "runs")] == [RUN]
    assert {f"{j['stage']}:{j['name']}" for j in ask(older, "status")["jobs"]} == KEYS
    shown = ask(older, "show", f"{TSO}_x1dints.fits")
    assert shown["record"]["job"]["stage"] == "tso3"
    assert [f["name"] for f in shown["record"]["job"]["inputs"]] == [
        f"{name}_calints.fits" for name in EXPOSURES
    ]


def test_it_did_not_keep_the_recipe_of_its_run(older: Path) -> None:
    asked = ["show", RUN, "--recipe", "--data-dir", str(older)]
    shown = CliRunner().invoke(app, asked)
    assert shown.exit_code == 2
    assert f"The run {RUN} did not keep its recipe {RECIPE}" in shown.output


SETS = ("parameters", "versions", "references", "mappings")

MADE_AGAIN = (
    *("job_input", "product", "step_status", "reference", "reference_set"),
    *("reference_use", "parameter_set", "parameter", "version_set", "version"),
    *(f"(SELECT fingerprint, {name}_sha256 FROM job)" for name in SETS),  # noqa: S608
)
"""What the store alone fills, and nothing that has happened since."""


def read_rows(data: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(data / "rewebb.db")) as connection:
        return {
            table: sorted(connection.execute(f"SELECT * FROM {table}"), key=repr)  # noqa: S608
            for table in MADE_AGAIN
        }


def test_its_database_can_be_made_again_from_its_store(older: Path) -> None:
    """The upgrade took the same sets of the jobs as recording takes now."""
    engine = make_engine(f"sqlite:///{older}/rewebb.db")
    upgrade(engine)
    engine.dispose()
    upgraded = read_rows(older)
    (older / "rewebb.db").unlink()
    rebuilt = ask(older, "db", "rebuild")
    assert (rebuilt["outcomes"], rebuilt["damaged"]) == (5, [])
    assert read_rows(older) == upgraded
    assert len(upgraded["parameter_set"]) == 3
    assert len(upgraded["job_input"]) == ROWS["job_input"]
    assert ask(older, "db", "check") == {"findings": []}
