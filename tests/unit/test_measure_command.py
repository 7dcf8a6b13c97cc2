"""`rewebb measure`, with its process beside, and its page in the docs."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from measurement_docs import DOC, make_text
from outcomes import make_job, make_outcome, make_run, make_run_job
from typer.testing import CliRunner, Result

from config.measurements import list_measurements
from config.settings import load_settings
from flows.cli import app
from flows.factory import open_database
from flows.models.runs import JobState

NAME = "jw02736007001_03103_00001_nrs1_rate.fits"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("REWEBB_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["measure", *arguments])


def run(*arguments: str) -> str:
    done = call(*arguments)
    assert done.exit_code == 0, done.output
    return done.stdout


def write_rate(path: Path, size: float) -> Path:
    rng = np.random.default_rng(1)
    data = rng.normal(size=(64, 400)) + size * rng.normal(size=400)
    header = fits.Header({"INSTRUME": "NIRSPEC", "FASTAXIS": 2})
    path.parent.mkdir(exist_ok=True)
    hdus = [fits.PrimaryHDU(header=header), fits.ImageHDU(data, name="SCI")]
    fits.HDUList(hdus).writeto(path)
    return path


def test_products_are_measured(here: Path) -> None:
    path = write_rate(here / NAME, 0.5)
    lines = run(str(path)).splitlines()
    assert lines[0].split() == [
        *("product", "measurement", "part", "value", "unit", "n", "why", "not")
    ]
    assert [line.split()[1] for line in lines[1:]] == ["vertical-banding"] * 2
    told = json.loads(run(str(path), "--json"))
    assert told[0]["value"] == pytest.approx(0.5, rel=0.1)
    assert {*told[0]} == {"name", "product", "part", "value", "unit", "n", "why"}


def test_a_product_is_compared_with_what_it_was(here: Path) -> None:
    after = write_rate(here / "new" / NAME, 0.25)
    before = write_rate(here / "old" / NAME, 1.0)
    with_file = json.loads(run(str(after), "--against", str(before), "--json"))
    assert with_file == json.loads(run(str(after), "--against", "old", "--json"))
    deviation, _ = with_file
    assert deviation["product"] == NAME
    assert deviation["before"] == pytest.approx(1.0, rel=0.1)
    assert deviation["after"] == pytest.approx(0.25, rel=0.15)
    assert deviation["factor"] == deviation["before"] / deviation["after"]
    lines = run(str(after), "--against", "old").splitlines()
    assert lines[0].split()[3:] == ["before", "after", "unit", "factor"]


def test_numbers_that_one_of_the_two_lacks_have_no_factor(here: Path) -> None:
    after = write_rate(here / "new" / NAME, 0.25)
    before = write_rate(here / "old" / NAME, 1.0)
    with fits.open(before, mode="update") as hdus:
        del hdus[0].header["FASTAXIS"]
    told = json.loads(run(str(after), "--against", "old", "--json"))
    assert [one["factor"] for one in told if one["after"]] == [None, None]


@pytest.fixture
def recorded(here: Path) -> Path:  # noqa: ARG001  # its variables are gone
    """Record a run that made a product; return where that lies."""
    outcome = make_outcome(make_job())
    with open_database(load_settings()) as database:
        database.runs.start_run(make_run())
        database.jobs.record_outcome(outcome, run_id="run-1")
        job = make_run_job(outcome.job.name, JobState.SUCCEEDED)
        done = replace(job, fingerprint=outcome.job.fingerprint)
        database.runs.set_jobs("run-1", [done])
    path = load_settings().data_dir / outcome.folder / NAME
    path.parent.mkdir(parents=True)
    return write_rate(path, 0.5)


def test_a_recorded_product_is_measured_once(recorded: Path) -> None:
    first = run(NAME, "--json")
    assert json.loads(first)[0]["value"] == pytest.approx(0.5, rel=0.1)
    recorded.unlink()
    assert run(NAME, "--json") == first
    assert run("run-1", "--json") == first
    same = json.loads(run("run-1", "--json", "--against", NAME))
    assert [one["before"] == one["after"] for one in same] == [True, True]
    shown = json.loads(CliRunner().invoke(app, ["show", NAME, "--json"]).stdout)
    assert shown["measured"][0]["numbers"] == json.loads(first)
    told = CliRunner().invoke(app, ["show", NAME]).stdout
    assert "vertical-banding" in told


def test_a_run_is_measured_but_for_what_cannot_be_read(recorded: Path) -> None:
    recorded.write_text("text")
    done = call("run-1", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout) == []
    assert f"{NAME} is not measured: " in done.stderr
    assert f"{NAME} is not a product that can be read" in done.stderr


def test_lines_are_asked_anew_each_time(recorded: Path) -> None:
    run(NAME, "--json", "--line", "2.1")
    recorded.unlink()
    assert call(NAME, "--line", "2.1").exit_code == 2


@pytest.mark.usefixtures("recorded")
def test_only_products_and_runs_are_measured() -> None:
    done = call("detector1:jw02736007001_03103_00001_nrs1")
    assert done.exit_code == 2
    assert "is neither a product nor a run" in done.output


def test_a_product_that_nothing_is_for_is_named(here: Path) -> None:
    path = write_rate(here / "jw1_nrs1_uncal.fits", 0.5)
    done = call(str(path), "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout) == []
    assert "no measurement is for jw1_nrs1_uncal.fits" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Give a product, or --list"),
        (("nothing_rate.fits",), "holds no record of a run"),
        (("old/nothing_rate.fits",), "There is no file old/nothing_rate.fits"),
        (("text_rate.fits",), "text_rate.fits is not a product that can be read"),
        ((NAME, "--against", "empty"), f"empty has no {NAME} to compare with"),
        ((NAME, NAME, "--against", NAME), "2 products need a folder or a run"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    here: Path, arguments: tuple[str, ...], message: str
) -> None:
    (here / "text_rate.fits").write_text("text")
    (here / "empty").mkdir()
    write_rate(here / NAME, 0.5)
    done = call(*arguments)
    assert done.exit_code == 2
    assert message in done.output


def test_every_definition_is_listed() -> None:
    listed = run("--list")
    kinds = list_measurements()
    assert {*json.loads(run("--list", "--json"))} == {*kinds}
    for name, kind in kinds.items():
        assert f"{name}: " in listed
        assert kind.definition in listed
        assert kind.source in listed


def test_the_page_of_the_docs_is_that_of_the_registry() -> None:
    made = make_text()
    assert DOC.read_text() == made, "run python tools/measurement_docs.py"
    for name in list_measurements():
        assert f"## {name}\n" in made
