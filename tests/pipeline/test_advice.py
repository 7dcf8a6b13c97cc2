"""What a run, its folder and the database say of known issues is the same."""

import json
from collections.abc import Mapping

from processed import Processed
from processing import make_request

from config.known_issues import load_known_issues
from flows.advice import count_states
from flows.factory import open_records
from flows.reports import advise_recorded
from flows.run import Shared, plan_only
from workers.sample import Mode


def read_recorded(done: Processed) -> Mapping[str, tuple[str, ...]]:
    """Read how issues stand from the database alone."""
    with open_records(done.settings) as database:
        run = database.runs.get_run(done.summary.run)
        jobs = database.runs.get_run_jobs(run.id)
        found = advise_recorded(
            load_known_issues(),
            database,
            [job.fingerprint for job in jobs if job.fingerprint],
            context=run.context,
            run=run,
        )
    assert found is not None
    return count_states(found)


def test_the_database_knows_what_the_run_knew(ifu: Processed) -> None:
    told = ifu.summary.issues
    assert read_recorded(ifu) == told
    assert "NS-IFU-SUBTRACTED-OUTLIERS" in told["MITIGATED"], "the recipe is selfcal"
    assert "NS-IFU06" in told["FIXED"], "the contexts have a chromcorr"
    assert "NS-IFU05" in told["OPEN"]


def test_a_plan_says_what_the_run_said(ifu: Processed, shared: Shared) -> None:
    request = make_request(Mode.NIRSPEC_IFU_PRISM)
    planned = plan_only(ifu.settings, request, shared=shared)
    assert planned.issues == ifu.summary.issues


def test_the_folder_of_a_run_names_the_issues(ifu: Processed) -> None:
    told = json.loads((ifu.folder / "run.json").read_text())["issues"]
    assert {state: tuple(ids) for state, ids in told.items()} == ifu.summary.issues
