"""The page for notebooks: its blocks run one after the other, and tell what is so."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from kept_folders import RAW_FILE, KeptFolder, publish
from outcomes import NOON, make_run, make_run_job

from flows.models.runs import JobState, RunState
from flows.provenance import Database, Records, Store

PAGE = Path(__file__).parents[2] / "docs" / "user" / "python.md"


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run all blocks beside a data folder with two runs that differ in a parameter."""
    kept = KeptFolder(tmp_path / "rewebb-data", tmp_path / "crds")
    kept.fill()
    job = kept.make_jobs()[1]
    changed = replace(job, fingerprint="c" * 64, context="jwst_1500.pmap")
    run = make_run("run-newer", started_at=NOON + timedelta(hours=9))
    with Database.open(kept.url, records=Records(kept.data)) as database:
        database.runs.start_run(run)
        made = publish(kept.data, changed, {"b_x1d.fits": "x1d"}, attempt="c-1")
        Store(kept.data, database).record(made, run_id=run.id)
        done = replace(
            make_run_job(job.name, JobState.SUCCEEDED),
            stage=job.stage,
            fingerprint=changed.fingerprint,
        )
        database.runs.set_jobs(run.id, [done])
        database.runs.finish_run(run.id, RunState.SUCCEEDED, "done", now=NOON)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REWEBB_DATA_DIR", raising=False)
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL):
        exec(compile(block, PAGE, "exec"), names)  # noqa: S102  # our own page
    return names


def test_the_page_for_notebooks_runs_and_finds_what_was_made(
    names: dict[str, Any],
) -> None:
    assert {*names["products"]["product"]} == {"a_x1d.fits", "b_x1d.fits"}
    assert str(names["products"]["s_ra"].unit) == "deg"
    assert {*names["raw"]["file"]} == {RAW_FILE}
    assert {*names["references"]["type"]} == {"dark"}
    (cause,) = names["causes"].values()
    assert cause.fingerprints == ("b" * 64, "c" * 64)
    assert any("jwst_1500.pmap" in name for name in cause.names)
