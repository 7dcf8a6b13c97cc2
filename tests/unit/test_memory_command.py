"""`rewebb memory`, in this process."""

import json
import os
import subprocess
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from outcomes import make_job, make_outcome, make_product
from typer.testing import CliRunner

from config.costs import load_costs
from config.settings import load_settings
from flows.cli import app
from flows.factory import open_database
from workers.contract import Stage, Status, to_json
from workers.job_layout import OUTCOME_NAME, get_store_folder
from workers.workload import Workload

BASE_BYTES, PER_SAMPLE = 5e8, 60.0


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Make a data folder of detector1 jobs of MOS whose peaks lie on a line."""
    folder = tmp_path / "data"
    with open_database(load_settings(data_dir=folder)) as database:
        for groups in (4, 8, 20):
            workload = Workload(2048**2, groups, 1, 1)
            job = replace(
                make_job(f"{groups:064}"), workload=workload, stage=Stage.DETECTOR1
            )
            outcome = make_outcome(job, attempt=f"a{groups}", products=[make_product()])
            peak_bytes = round(BASE_BYTES + PER_SAMPLE * workload.samples)
            usage = replace(outcome.usage, peak_bytes=peak_bytes, cpu_s=3.0 * groups)
            outcome = replace(outcome, usage=usage)
            path = folder / get_store_folder(job.fingerprint) / OUTCOME_NAME
            path.parent.mkdir(parents=True)
            path.write_text(to_json(outcome))
            database.jobs.record_outcome(outcome)
    return folder


def lock(folder: Path, *, is_locked: bool) -> bool:
    """Forbid, or allow, to write into a folder, for root too; tell if that worked."""
    if os.geteuid() != 0:
        folder.chmod(0o500 if is_locked else 0o700)
        return True
    command = ["chattr", "+i" if is_locked else "-i", str(folder)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["memory", *map(str, arguments)])


def ask(*arguments: object) -> Any:
    shown = call(*arguments, "--json")
    assert shown.exit_code == 0, shown.output
    return json.loads(shown.stdout)


def test_show_tells_the_models_and_how_they_compare(data: Path) -> None:
    told = ask("show", "--data-dir", data)
    assert told["attempts"] == 3
    assert {one["quantity"] for one in told["residuals"]} == {
        *("peak_bytes", "cpu_s", "disk_bytes")
    }
    [peak] = [one for one in told["residuals"] if one["quantity"] == "peak_bytes"]
    assert (peak["stage"], peak["exp_type"], peak["n"]) == (
        *("detector1", "NRS_MSASPEC"),
        3,
    )
    shown = call("show", "--data-dir", data).stdout
    assert "detector1 NRS_MSASPEC" in shown
    assert "(stated 1.00)" in shown


def test_show_works_where_nothing_can_be_written(data: Path) -> None:
    before = ask("show", "--data-dir", data)
    if not lock(data, is_locked=True):
        pytest.skip("this file system keeps nothing from root")
    try:
        assert ask("show", "--data-dir", data) == before
        assert ask("fit", "--dry-run", "--data-dir", data)["attempts"] == 3
    finally:
        lock(data, is_locked=False)


def test_fit_writes_the_file_that_the_settings_name(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "site" / "costs.toml"
    monkeypatch.setenv("REWEBB_COSTS_FILE", str(path))
    assert ask("fit", "--dry-run", "--data-dir", data)["attempts"] == 3
    assert not path.exists()
    fitted = call("fit", "--data-dir", data)
    assert fitted.exit_code == 0, fitted.output
    assert str(path) in fitted.stdout.replace("\n", "")
    terms = tomllib.loads(path.read_text())["models"]["detector1"]["NRS_MSASPEC"]
    assert terms["attempts"] == 3
    found = terms["peak_bytes"]
    base_bytes = found["base"] + found.get("per_value", 0.0) * 2048**2
    assert base_bytes == pytest.approx(BASE_BYTES, rel=1e-3)
    assert terms["peak_bytes"]["per_sample"] == pytest.approx(PER_SAMPLE, rel=1e-3)
    told = ask("show", "--data-dir", data)
    for one in told["residuals"]:
        if one["quantity"] == "peak_bytes":
            assert one["quantile"] == 1.0
            assert one["most"] == pytest.approx(1.0, abs=2e-3)
    assert load_costs(path).models["spec2"] == load_costs().models["spec2"]


def test_fit_without_a_file_is_refused_with_what_to_set(data: Path) -> None:
    refused = call("fit", "--data-dir", data)
    assert refused.exit_code == 2
    assert "REWEBB_COSTS_FILE" in refused.output


def test_what_failed_made_nothing_or_has_no_workload_is_not_fitted(data: Path) -> None:
    with open_database(load_settings(data_dir=data)) as database:
        job = replace(make_job("1" * 64), workload=Workload())
        database.jobs.record_outcome(make_outcome(job, attempt="b"))
        empty = make_outcome(make_job("3" * 64), attempt="d", products=[])
        database.jobs.record_outcome(empty)
        failed = make_outcome(make_job("2" * 64), attempt="c", status=Status.FAILED)
        database.jobs.record_outcome(failed)
    assert ask("show", "--data-dir", data)["attempts"] == 3


def test_a_database_that_is_made_again_knows_the_workloads(data: Path) -> None:
    before = ask("show", "--data-dir", data)
    (data / "rewebb.db").unlink()
    rebuilt = CliRunner().invoke(app, ["db", "rebuild", "--data-dir", str(data)])
    assert rebuilt.exit_code == 0, rebuilt.output
    assert ask("show", "--data-dir", data) == before
