"""`rewebb advise` and `rewebb issues`, in this process, on headers alone."""

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from exposures import bots_pair_program, ifu_program
from outcomes import NOON, make_job, make_outcome, make_product, make_run, make_run_job
from typer.testing import CliRunner, Result

from config.known_issues import load_known_issues
from config.recipe import load_recipe
from config.settings import load_settings
from flows.cli import app
from flows.cli.output import print_summary
from flows.factory import open_database
from flows.models.exposures import Exposure
from flows.models.runs import JobState, RunState
from flows.reports import RunSummary, advise_recorded
from workers.contract import FileHash, Input, Job, Stage

Archive = Callable[[Iterable[Exposure]], str]

RATE = "jw99001001001_03101_00001_nrs1"
CUBE = "jw99001-o001_t001_nirspec_prism-clear"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith(("REWEBB_", "CRDS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    def write(exposures: Iterable[Exposure]) -> str:
        folder = tmp_path / "archive"
        folder.mkdir()
        for exposure in exposures:
            primary = fits.PrimaryHDU(header=fits.Header(dict(exposure.header)))
            pixels = fits.ImageHDU(np.ones((2, 2)), name="SCI")
            path = folder / f"{exposure.name}_uncal.fits"
            fits.HDUList([primary, pixels]).writeto(path)
        return str(folder)

    return write


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)])


def run(*arguments: object) -> str:
    done = call(*arguments)
    assert done.exit_code == 0, done.output
    return done.output


def read(*arguments: object) -> Any:
    return json.loads(run(*arguments, "--json"))


def find_states(issues: list[dict[str, Any]]) -> dict[str, str]:
    return {one["id"]: one["state"] for one in issues}


def test_a_program_is_advised_by_its_headers(archive: Archive, here: Path) -> None:
    folder = archive(ifu_program())
    said = run("advise", "99001", "--archive", folder)
    assert "NS-IFU05                     open" in said
    assert "        steps.adaptive_trace_model.skip = false" in said
    assert "5 exposures; known issues: 15 apply, 6 open: NS-IFU-PRISM" in said
    assert "jwst 3.0.0 (installed here), context not known until references" in said
    assert 'which may extend another: extends = "official"' in said
    assert "`rewebb advise 99001 --explain ID`" in said
    assert [path.name for path in here.iterdir()] == ["archive"], "nothing is written"


def test_a_recipe_with_the_lines_that_are_offered_mitigates(
    archive: Archive, here: Path
) -> None:
    folder = archive(ifu_program())
    before = read("advise", "99001", "--archive", folder)
    assert find_states(before["issues"])["NS-IFU-SUBTRACTED-OUTLIERS"] == "OPEN"
    (one,) = (i for i in before["issues"] if i["id"] == "NS-IFU-SUBTRACTED-OUTLIERS")
    (here / "mine.toml").write_text("\n".join(['title = "T"', *one["add"]]))
    after = read("advise", "99001", "--archive", folder, "--recipe", "mine.toml")
    assert find_states(after["issues"])["NS-IFU-SUBTRACTED-OUTLIERS"] == "MITIGATED"
    assert after["recipe"] == "mine"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[parameters]]\nstage = "tso3"', "parameter set 1 (tso3) matches nothing"),
        (
            '[[edits]]\nedit = "recompute-errors"\nmatch.observation = "009"',
            "observation 009",
        ),
    ],
)
def test_a_recipe_that_is_not_for_the_program_is_refused(
    archive: Archive, here: Path, text: str, message: str
) -> None:
    """What it would do about issues of other programs tells nothing of this one."""
    (here / "mine.toml").write_text(f'title = "T"\n{text}\n')
    folder = archive(ifu_program())
    done = call("advise", "99001", "--archive", folder, "--recipe", "mine.toml")
    assert done.exit_code == 2
    assert message in " ".join(done.output.split())


def test_observations_and_the_context_are_those_asked_for(archive: Archive) -> None:
    folder = archive(ifu_program())
    asked = ("--observations", "002", "--context", "jwst_1581.pmap")
    record = read("advise", "99001", "--archive", folder, *asked)
    assert (record["exposures"], record["context"]) == (2, "jwst_1581.pmap")


def test_one_issue_is_explained(archive: Archive) -> None:
    folder = archive(bots_pair_program())
    said = run("advise", "99012", "--archive", folder, "--explain", "ns-bots04")
    assert "symptom      Extracted spectra have spurious absorption" in said
    assert "here         open: the recipe does not set what mitigates it" in said
    assert "exposures    4: jw99012001001_04101_00001-seg001_nrs1" in said
    assert said.count("steps.pixel_replace.skip = false") == 4, (
        "the issue's, and to add"
    )


@pytest.mark.parametrize(
    ("issue", "message"),
    [
        ("NS-BOTS04", "NS-BOTS04 does not apply to the exposures of program 99001."),
        ("NS-IFU6", "There is no known issue NS-IFU6; did you mean NS-IFU06?"),
        ("banding", "There is no known issue banding; see `rewebb issues list`"),
    ],
)
def test_an_issue_that_is_not_there_is_said_so(
    archive: Archive, issue: str, message: str
) -> None:
    done = call(
        "advise", "99001", "--archive", archive(ifu_program()), "--explain", issue
    )
    assert done.exit_code == 2
    assert message in done.output


def test_issues_are_listed_and_shown() -> None:
    assert len(read("issues", "list")) == len(load_known_issues())
    assert "MRS-FRINGES-2C" in run("issues", "list")
    said = run("issues", "show", "ns-ifu06")
    assert "jwst         all versions, mended in 3.0.0 with chromcorr" in said
    assert read("issues", "show", "NS-IFU06")["id"] == "NS-IFU06"


def make_ifu_job(stage: Stage, name: str, file: Input, **steps: Any) -> Job:
    """Make the job of a stage that reads one file."""
    return replace(
        make_job(f"{stage:0<64}", stage=stage, name=name),
        program="99001",
        exp_type="NRS_IFU",
        inputs=(file,),
        parameters={"steps": steps},
    )


def make_file(name: str) -> Input:
    return Input(name, f"/x/{name}", "science", "It is.", f"sha256-{name}", f"c-{name}")


def record_program(recipe: str = "official") -> None:
    """Record a run: detector1, spec2 and spec3 of one exposure."""
    header = ifu_program()[0].header
    cards = {keyword: repr(value) for keyword, value in header.items()}
    raw = make_file(f"{RATE}_uncal.fits")
    loaded = load_recipe(recipe)
    jobs = {
        f"{RATE}_rate.fits": make_ifu_job(
            Stage.DETECTOR1, RATE, raw, clean_flicker_noise={"skip": False}
        ),
        f"{RATE}_cal.fits": make_ifu_job(
            Stage.SPEC2, RATE, make_file(f"{RATE}_rate.fits")
        ),
        f"{CUBE}_s3d.fits": make_ifu_job(
            Stage.SPEC3, CUBE, make_file(f"{RATE}_cal.fits"), extract_1d={}
        ),
    }
    run = replace(
        make_run(),
        program="99001",
        recipe_name=loaded.name,
        recipe_sha256=loaded.sha256,
    )
    with open_database(load_settings()) as database:
        hashes = FileHash(
            path=raw.path,
            size_bytes=9,
            mtime_ns=7,
            sha256=raw.sha256,
            content_sha256=raw.content_sha256,
            pixels_sha256="p",
            cards=cards,
        )
        database.files.remember_files([hashes])
        database.runs.start_run(run)
        for name, job in jobs.items():
            outcome = make_outcome(job, attempt=name, products=[make_product(name)])
            database.jobs.record_outcome(outcome, run_id=run.id)
        done = [
            replace(
                make_run_job(job.name, JobState.SUCCEEDED),
                stage=job.stage,
                fingerprint=job.fingerprint,
            )
            for job in jobs.values()
        ]
        database.runs.set_jobs(run.id, done)
        database.runs.finish_run(run.id, RunState.SUCCEEDED, "done", now=NOON)


def test_a_product_is_shown_with_the_issues_of_its_exposures() -> None:
    record_program()
    found = find_states(read("show", f"{CUBE}_s3d.fits")["known_issues"])
    assert found["NS-IFU03"] == "MITIGATED", "detector1 of its exposure cleans"
    assert found["NS-IFU04"] == "OPEN"
    assert found["NS-IFU01"] == "FIXED"
    assert "NS-IFU03" in run("show", f"{CUBE}_s3d.fits")


def test_countrates_are_shown_with_issues_of_countrates() -> None:
    record_program()
    found = find_states(read("show", f"{RATE}_rate.fits")["known_issues"])
    assert found["NS-IFU03"] == "MITIGATED"
    assert "NS-IFU04" not in found, "it is of spectra"


def test_a_run_is_shown_with_its_issues() -> None:
    record_program("selfcal")
    found = find_states(read("show", "run-1")["known_issues"])
    assert found["NS-IFU03"] == "MITIGATED"
    assert found["NS-IFU-SUBTRACTED-OUTLIERS"] == "OPEN", "its jobs did not do it"
    assert "known issues of its exposures, as published today" in run("show", "run-1")


def test_what_was_made_of_files_whose_headers_are_not_recorded_says_so() -> None:
    with open_database(load_settings()) as database:
        database.jobs.record_outcome(make_outcome())
    assert read("show", "ffff")["known_issues"] is None
    said = run("show", "ffff")
    assert "known issues: not known, since no header of its raw files" in said


def test_what_is_published_later_reaches_what_was_made() -> None:
    record_program()
    (one,) = (i for i in load_known_issues() if i.id == "NS-IFU04")
    later = one.model_copy(update={"id": "NS-IFU99"})
    with open_database(load_settings()) as database:
        (product,) = database.jobs.find_products(name=f"{CUBE}_s3d.fits")
        advice = advise_recorded(
            [later],
            database,
            [product.fingerprint],
            context=product.context,
            run=None,
        )
    assert advice is not None
    (found,) = advice
    assert (found.issue.id, found.state) == ("NS-IFU99", "OPEN")
    assert found.examples == (RATE,)


def test_the_version_and_context_of_the_last_job_are_taken(archive: Archive) -> None:
    record_program()
    folder = archive(ifu_program())
    record = read("advise", "99001", "--archive", folder)
    assert record["jwst_from"] == "of the last job recorded"
    assert record["context"] == "jwst_1464.pmap"


def test_a_summary_names_what_is_open(capsys: pytest.CaptureFixture[str]) -> None:
    summary = RunSummary(
        run="",
        program="99001",
        recipe="official",
        context="jwst_0001.pmap",
        state=RunState.SUCCEEDED,
        folder="",
        counts={},
        jobs=(),
        caveats=(),
        notes=(),
        products=(),
        peak_bytes=0,
        issues={"OPEN": ("NS-IFU05",), "FIXED": ("NS-IFU01", "NS-IFU02")},
    )
    print_summary(summary)
    said = capsys.readouterr().out
    assert "known issues: 3 apply, 1 open: NS-IFU05; see `rewebb advise`" in said
