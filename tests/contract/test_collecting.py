"""Products that are removed by a policy, and all that stays."""

import json
import os
import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from astropy.io import fits
from click.testing import Result
from kept_folders import KeptFolder, publish
from outcomes import NOON, make_run, make_run_job
from typer.testing import CliRunner

from flows.cli import app
from flows.layout import get_pictures_path, get_run_folder
from flows.models.retention import Policy
from flows.models.runs import Export, JobState, RunState
from flows.provenance import Database, Records, Store
from flows.upkeep import check, collect, look
from workers.contract import Job

RATE = Path("store/aa") / ("a" * 64) / "a_rate.fits"
FITS = fits.PrimaryHDU().header.tostring()


def call(kept: KeptFolder, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--data-dir", str(kept.data)])


@pytest.fixture
def grown(kept: KeptFolder) -> KeptFolder:
    """Add a run whose products nothing else has, and a newer one without them."""
    jobs = [replace(job, fingerprint="c" * 64, name="old") for job in kept.make_jobs()]
    with Database.open(kept.url, records=Records(kept.data)) as database:
        store = Store(kept.data, database, patience=timedelta(seconds=1))
        _run(kept, database, store, jobs[0])
    return kept


def _run(
    kept: KeptFolder,
    database: Database,
    store: Store,
    job: Job,
    *,
    run_id: str = "run-older",
) -> None:
    """Record a run before all others, with a folder."""
    run = make_run(run_id, started_at=NOON - timedelta(days=1))
    database.runs.start_run(run)
    name = f"{job.name}_rate.fits"
    made = publish(kept.data, job, {name: FITS}, attempt=f"of-{run_id}")
    store.record(made, run_id=run.id)
    done = make_run_job(job.name, JobState.SUCCEEDED)
    database.runs.set_jobs(run.id, [replace(done, fingerprint=job.fingerprint)])
    database.runs.finish_run(run.id, RunState.SUCCEEDED, "done", now=NOON)
    folder = kept.data / get_run_folder(run)
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("{}")
    os.link(kept.data / made.folder / name, folder / name)


def list_files(kept: KeptFolder, name: str = "*.fits") -> set[str]:
    return {path.name for path in kept.data.rglob(name) if path.is_file()}


def test_nothing_is_removed_unless_it_is_asked_for(grown: KeptFolder) -> None:
    before = list_files(grown, "*")
    told = call(grown, "gc", "--keep", "1")
    assert told.exit_code == 0
    assert "old_rate.fits" in told.stdout
    assert "1 jobs of 2.9 kB would be removed (`--delete`)" in told.stdout
    assert list_files(grown, "*") == before


def test_what_no_kept_run_needs_is_removed_and_all_is_still_known(
    grown: KeptFolder,
) -> None:
    before = list_files(grown)
    told = call(grown, "gc", "--keep", "1", "--delete", "--json")
    assert told.exit_code == 0, told.output
    (removal,) = json.loads(told.stdout)["removals"]
    assert (removal["products"], removal["size_bytes"]) == (["old_rate.fits"], 2880)
    assert before - list_files(grown) == {"old_rate.fits"}
    shown = call(grown, "show", "old_rate.fits").stdout
    assert "removed by `rewebb gc` on " in shown
    with Database.open(grown.url) as database:
        assert [*check(grown.data, database, reads_bytes=True)] == []
        store = Store(grown.data, database, patience=timedelta(seconds=1))
        assert store.find_done("c" * 64) is None  # so a run makes it again
    (grown.data / "rewebb.db").unlink()
    assert call(grown, "db", "rebuild").exit_code == 0
    assert call(grown, "show", "old_rate.fits").stdout == shown
    assert call(grown, "gc", "--keep", "1").stdout.startswith("0 jobs")


def draw(kept: KeptFolder, fingerprint: str) -> Path:
    """Place a picture as workers do."""
    manifest = kept.data / get_pictures_path(fingerprint, "old_rate.fits")
    manifest.parent.mkdir(parents=True)
    manifest.write_text("{}")
    manifest.with_suffix(".png").write_bytes(b"png")
    return manifest.parent


def test_pictures_go_with_their_products_and_stay_with_others(
    grown: KeptFolder,
) -> None:
    gone, stays = draw(grown, "c" * 64), draw(grown, "d" * 64)
    assert call(grown, "gc", "--keep", "1", "--delete").exit_code == 0
    assert not gone.exists()
    assert stays.exists()
    job = replace(grown.make_jobs()[0], fingerprint="c" * 64, name="old")
    publish(grown.data, job, {"old_rate.fits": "old"}, attempt="c-2")
    again = draw(grown, "c" * 64)
    assert call(grown, "tag", "run-older", "kept").exit_code == 0
    assert call(grown, "gc", "--keep", "1", "--delete").exit_code == 0
    assert again.exists()


def test_what_was_removed_and_made_again_is_as_if_it_had_stayed(
    grown: KeptFolder,
) -> None:
    assert call(grown, "gc", "--keep", "1", "--delete").exit_code == 0
    job = replace(grown.make_jobs()[0], fingerprint="c" * 64, name="old")
    made = publish(grown.data, job, {"old_rate.fits": "old"}, attempt="c-2")
    with Database.open(grown.url, records=Records(grown.data)) as database:
        Store(grown.data, database).record(made, run_id="run-older")
        assert [*check(grown.data, database, reads_bytes=True)] == []
    assert "removed by" not in call(grown, "show", "old_rate.fits").stdout


@pytest.mark.parametrize(
    "options", [["--keep", "2"], ["--kinds", "x1d"], ["--programs", "01111"]]
)
def test_a_policy_keeps_what_it_says(grown: KeptFolder, options: list[str]) -> None:
    keep = [] if "--keep" in options else ["--keep", "1"]
    told = call(grown, "gc", *keep, *options, "--delete", "--json")
    assert json.loads(told.stdout)["removals"] == []


def test_a_run_with_a_name_is_kept_until_it_has_none(grown: KeptFolder) -> None:
    assert call(grown, "tag", "run-older", "dr1").exit_code == 0
    listed = json.loads(call(grown, "runs", "--json").stdout)
    assert {run["id"]: run["tags"] for run in listed}["run-older"] == ["dr1"]
    assert call(grown, "gc", "--keep", "1").stdout.startswith("0 jobs")
    assert call(grown, "tag", "run-good", "dr1").exit_code == 2
    assert call(grown, "tag", "run-good", "../dr1").exit_code == 2
    assert call(grown, "untag", "dr1").exit_code == 0
    assert call(grown, "untag", "dr1").exit_code == 2
    assert "1 jobs" in call(grown, "gc", "--keep", "1").stdout


def test_a_run_that_was_exported_is_kept_until_that_is_withdrawn(
    grown: KeptFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def list_exports() -> list[str]:
        shown = json.loads(call(grown, "show", "run-older", "--json").stdout)
        return [one["target"] for one in shown["exports"]]

    monkeypatch.chdir(tmp_path)
    asked = ("export", "run-older", "out", "--kinds", "rate")
    assert call(grown, *asked, "--no-keep").exit_code == 0
    assert "1 jobs" in call(grown, "gc", "--keep", "1").stdout
    for _ in range(2):
        assert call(grown, *asked).exit_code == 0
    assert list_exports() == [str(tmp_path / "out")]
    shown = " ".join(call(grown, "show", "run-older").stdout.split())
    assert f"exported {tmp_path / 'out'} (" in shown
    (grown.data / "rewebb.db").unlink()
    assert call(grown, "db", "rebuild").exit_code == 0
    kept = call(grown, "gc", "--keep", "1", "--delete", "--json").stdout
    assert json.loads(kept)["removals"] == []
    assert call(grown, "withdraw", "run-older", "elsewhere").exit_code == 2
    assert call(grown, "withdraw", "run-older", "./out/").exit_code == 0
    assert list_exports() == []
    assert "1 jobs" in call(grown, "gc", "--keep", "1").stdout
    assert (tmp_path / "out" / "manifest.json").is_file()


def test_a_run_that_is_published_while_others_are_removed_stays(
    grown: KeptFolder,
) -> None:
    job = replace(grown.make_jobs()[0], fingerprint="d" * 64, name="older")
    export = Export("/papers/one", ("rate",), NOON)
    with Database.open(grown.url, records=Records(grown.data)) as database:
        store = Store(grown.data, database, patience=timedelta(seconds=1))
        _run(grown, database, store, job, run_id="last-moment")
        assert len(look(grown.data, database, Policy(1)).removals) == 2
        done = collect(
            *(grown.data, database, Policy(1)),
            lambda *_: database.runs.record_export("last-moment", export),
        )
    assert [one.fingerprint for one in done.removals] == ["c" * 64]
    assert "older_rate.fits" in list_files(grown)


def test_an_export_that_is_cut_off_counts(grown: KeptFolder, tmp_path: Path) -> None:
    """Some files may be at the target, and somebody may have read them."""
    (tmp_path / "full").write_text("no folder")
    target = str(tmp_path / "full")
    assert call(grown, "export", "run-older", target, "--kinds", "rate").exit_code == 2
    assert call(grown, "gc", "--keep", "1").stdout.startswith("0 jobs")


def test_what_is_refused_is_no_export(grown: KeptFolder, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"run": "another"}')
    target = str(tmp_path)
    assert call(grown, "export", "run-older", target, "--kinds", "rate").exit_code == 2
    assert call(grown, "export", "run-older", target + "/new").exit_code == 2
    assert "1 jobs" in call(grown, "gc", "--keep", "1").stdout


def test_nothing_is_removed_of_a_program_that_is_being_run(grown: KeptFolder) -> None:
    before = list_files(grown)
    with Database.open(grown.url) as database:
        database.leases.acquire_lease(
            "02736",
            owner="me",
            host=socket.gethostname(),
            pid=os.getpid(),
            ttl=timedelta(hours=1),
            now=datetime.now(UTC),
            is_alive=lambda *_: True,
        )
    told = call(grown, "gc", "--keep", "1", "--delete")
    assert told.exit_code == 1
    assert "Program 02736 is being run" in " ".join(told.stderr.split())
    assert list_files(grown) == before


class KilledError(BaseException):
    """Stands for SIGKILL: nothing is cleaned up by what it passes."""


@pytest.mark.parametrize("moment", range(4))
def test_a_removal_that_is_killed_leaves_no_half_product_and_is_finished(
    grown: KeptFolder, moment: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    def kill_at(do: Callable[..., object]) -> Callable[..., object]:
        def killed(*arguments: object) -> object:
            nonlocal calls
            calls += 1
            if calls == moment + 1:
                raise KilledError
            return do(*arguments)

        return killed

    with Database.open(grown.url) as database:
        with monkeypatch.context() as patch:
            for name in ("rename", "unlink"):
                patch.setattr(Path, name, kill_at(getattr(Path, name)))
            if moment < 3:  # rename, link of the run, product
                with pytest.raises(KilledError):
                    collect(grown.data, database, Policy(1))
            else:
                collect(grown.data, database, Policy(1))
        assert [*check(grown.data, database, reads_bytes=True)] == []
        collect(grown.data, database, Policy(1))
        assert [*check(grown.data, database, reads_bytes=True)] == []
    assert "old_rate.fits" not in list_files(grown)
    assert RATE.name in list_files(grown)


@pytest.mark.parametrize("by", ["program", "run", "stage", "kind"])
def test_disk_use_is_told_once_for_each_file(grown: KeptFolder, by: str) -> None:
    used = json.loads(call(grown, "du", "--by", by, "--json").stdout)["bytes"]
    files = {
        (path.stat().st_ino): path.stat().st_blocks * 512
        for path in grown.data.rglob("*")
        if path.is_file()
    }
    named = {
        "program": "02736",
        "run": "02736 run-olde",
        "stage": "spec2",
        "kind": "x1d",
    }
    assert sum(used.values()) == pytest.approx(sum(files.values()), rel=0.2)
    assert used[named[by]] > 0
