"""Environments in the database: each once, also where their files came late."""

from dataclasses import replace
from pathlib import Path

import pytest
from outcomes import make_job, make_outcome, make_run
from sqlalchemy import Engine, text

from flows.errors import UnknownRecordError
from flows.provenance import Database, Store
from workers.contract import Status
from workers.installed import describe_environment, keep_environment

HERE = describe_environment()


def test_an_environment_is_there_once_with_all_its_distributions(
    database: Database, engine: Engine
) -> None:
    for _ in range(2):
        database.environments.record(HERE)
    assert database.environments.get(HERE.sha256) == HERE
    query = text("SELECT count(*), count(DISTINCT name) FROM distribution")
    with engine.connect() as connection:
        assert {*connection.execute(query).one()} == {len(HERE.distributions)}


def test_an_environment_that_is_not_recorded_is_an_error(database: Database) -> None:
    with pytest.raises(UnknownRecordError, match="no environment 'abc'"):
        database.environments.get("abc")


def test_an_outcome_brings_its_environment_as_soon_as_that_can_be_seen(
    database: Database, tmp_path: Path
) -> None:
    store = Store(tmp_path, database)
    database.runs.start_run(make_run())
    for attempt in ("before", "after"):
        failed = make_outcome(make_job(), attempt=attempt, status=Status.FAILED)
        failed = replace(failed, environment_sha256=HERE.sha256)
        store.record(failed, run_id="run-1")
        if attempt == "before":
            with pytest.raises(UnknownRecordError):
                database.environments.get(HERE.sha256)
            keep_environment(tmp_path)
    assert database.environments.get(HERE.sha256) == HERE
    attempts = database.jobs.get_job(failed.job.fingerprint).attempts
    assert {a.outcome.environment_sha256 for a in attempts} == {HERE.sha256}
