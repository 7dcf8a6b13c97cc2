"""Reports of runs: what they tell, what they let in, and how large they become."""

import re
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path

import pytest
from drawn_products import draw, make_spectra
from outcomes import NOON, make_job, make_outcome, make_run, make_run_job
from pydantic_core import to_json
from typer.testing import CliRunner
from web_site import HOSTILE, fill_site

from flows.cli import app
from flows.layout import get_pictures_path, get_run_folder
from flows.models.runs import JobState, Run, RunState
from flows.provenance import Database
from flows.reports import (
    Changed,
    ProductChange,
    Sameness,
    find_changes,
    publish_report,
)
from flows.reports.figures import draw_association, draw_memory, draw_timeline
from flows.reports.report_page import render_report
from flows.reports.run_report import gather_report
from workers.change_contract import Band, LineChange, SpectrumChange
from workers.content import file_sha256
from workers.contract import ErrorInfo, Outcome, Product, Status


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database.open(f"sqlite:///{tmp_path}/rewebb.db") as opened:
        yield opened


def make_try(number: int, start_s: float, end_s: float, *, node: str = "n1") -> Outcome:
    started, finished = (NOON + timedelta(seconds=s) for s in (start_s, end_s))
    outcome = make_outcome(make_job(f"{number}" * 64), attempt=str(number))
    return replace(outcome, started_at=started, finished_at=finished, node=node)


def test_attempts_that_overlap_are_in_lanes_of_their_own() -> None:
    tries = [make_try(1, 0, 60), make_try(2, 10, 30), make_try(3, 30, 50)]
    timeline = draw_timeline([*tries, make_try(4, 0, 9, node="n2")])
    assert [round(lane.y / 26) for lane in timeline.lanes] == [0, 1, 2]
    assert len(timeline.bars) == 4
    first, other, second, third = timeline.bars
    assert second.y == third.y  # one after the other in the second slot
    assert len({first.y, other.y, second.y}) == 3
    assert max(bar.x + bar.width for bar in timeline.bars) == pytest.approx(1000)


def test_a_run_without_attempts_has_an_empty_timeline() -> None:
    assert draw_timeline([]).bars == ()
    assert draw_memory([]) == ()


def test_members_that_are_too_many_to_draw_are_counted() -> None:
    job = make_job()
    many = replace(job, inputs=job.inputs * 40)
    assert len(draw_association(many).links) + draw_association(many).left_out == 40


def record_run(database: Database, data_dir: Path) -> Run:
    """Record a run of a spectrum that is drawn, and of a job that failed."""
    fill_site(database, data_dir)
    run = replace(make_run("f" * 36), state=RunState.RUNNING, notes=(HOSTILE,))
    database.runs.start_run(run)
    done, failed = make_job("a" * 64), make_job("b" * 64, name=f"jw{HOSTILE}")
    folder = data_dir / "store/aa" / done.fingerprint
    folder.mkdir(parents=True)
    path = make_spectra(folder, name=HOSTILE, count=2)
    product = Product(path.name, path.stat().st_size, 0, file_sha256(path), "content")
    draw(path, to=(data_dir / get_pictures_path("a" * 64, path.name)).parent)
    made = replace(
        make_outcome(done, attempt="1", products=(product,)),
        folder=str(folder.relative_to(data_dir)),
    )
    lost = replace(
        make_outcome(failed, attempt="2"),
        status=Status.FAILED,
        products=(),
        error=ErrorInfo("ValueError", f"bad {HOSTILE}", ""),
    )
    database.jobs.record_outcomes([made, lost], run_id=run.id)
    jobs = [
        replace(make_run_job(done.name, JobState.SUCCEEDED), fingerprint="a" * 64),
        replace(make_run_job(failed.name, JobState.FAILED), fingerprint="b" * 64),
    ]
    database.runs.set_jobs(run.id, jobs)
    database.runs.finish_run(run.id, RunState.FAILED, "1 jobs failed", now=NOON)
    return database.runs.get_run(run.id)


def test_a_report_tells_failures_pictures_and_how_to_repeat_the_run(
    database: Database, tmp_path: Path
) -> None:
    run = record_run(database, tmp_path)
    written = publish_report(database, run, data_dir=tmp_path)
    html = written.path.read_text()
    assert written.path.name == "report.html"
    assert (written.pictures, written.left_out, written.undrawn) == (2, (), ())
    assert html.count('src="data:image/png;base64,') == 2
    for said in ("1 jobs failed", "the same job would fail again", "rewebb run 02736"):
        assert said in html


def test_text_from_outside_is_escaped_and_no_script_but_ours_may_run(
    database: Database, tmp_path: Path
) -> None:
    run = record_run(database, tmp_path)
    html = publish_report(database, run, data_dir=tmp_path).path.read_text()
    assert HOSTILE not in html
    assert "&lt;script&gt;alert(1)" in html
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; img-src data:;")
    (scripts,) = re.findall(r"script-src ([^;]*);", policy[1])
    assert [one[:8] for one in scripts.split()] == ["'sha256-"] * 2


def test_pictures_for_which_there_is_no_room_are_left_out_and_named(
    database: Database, tmp_path: Path
) -> None:
    run = record_run(database, tmp_path)
    report = gather_report(database, run, data_dir=tmp_path)
    target = tmp_path / "report.html"
    small = render_report(
        report, data_dir=tmp_path, target=target, most_bytes=1_300_000
    )
    assert small.pictures == 0
    assert len(small.left_out) == 2
    assert len(small.html) < 100_000  # nor is there what zooms into them
    assert b"2 pictures are left out" in small.html


def test_a_run_of_an_older_kind_is_reported_without_pictures(
    database: Database, tmp_path: Path
) -> None:
    fill_site(database, tmp_path)
    run = database.runs.get_run("run-1")
    written = publish_report(
        database, run, data_dir=tmp_path, output=tmp_path / "out" / "report.html"
    )
    assert written.pictures == 0
    assert len(written.undrawn) > 0
    assert b"have no pictures yet" in written.path.read_bytes()


def test_the_command_writes_a_report_and_says_where(
    database: Database, tmp_path: Path
) -> None:
    record_run(database, tmp_path)
    asked = ["report", "f" * 8, "--no-pictures", "--data-dir", str(tmp_path)]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 0, result.output
    assert "report.html" in result.output.replace("\n", "")


def write_changes(run: Run, data_dir: Path, text: str | None = None) -> Changed:
    """Write what a run changed, as it does."""
    spectrum = SpectrumChange(
        part=HOSTILE,
        unit="Jy",
        samples=400,
        ratio=1.05,
        ratio_error=1e-6,
        ratio_scatter=1e-5,
        bands=(Band(1.0, 2.0, 1.05, 1e-6),),
        bad=(0.0, None),
        lines=(LineChange(1.5, 0.2, 100.0),),
    )
    product = ProductChange(
        HOSTILE,
        ("a" * 64, "b" * 64),
        Sameness.DIFFERENT,
        spectra=(spectrum,),
        causes=("photom 1 -> 2",),
    )
    changed = Changed((product,))
    path = data_dir / get_run_folder(run) / "changes.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if text else to_json(asdict(changed)))
    return changed


def test_what_a_run_changed_comes_back_as_it_was_written(tmp_path: Path) -> None:
    run = make_run("f" * 36)
    assert find_changes(tmp_path, run) is None
    assert write_changes(run, tmp_path) == find_changes(tmp_path, run)
    write_changes(run, tmp_path, text='{"products": 1}')
    with pytest.raises(OSError, match=r"changes\.json is not what a run writes"):
        find_changes(tmp_path, run)


def test_a_report_tells_what_changed_and_because_of_what(
    database: Database, tmp_path: Path
) -> None:
    run = record_run(database, tmp_path)
    write_changes(run, tmp_path)
    html = publish_report(database, run, data_dir=tmp_path).path.read_text()
    assert "1 of 1 product with spectra, cubes or light curves changed." in html
    assert "flux x1.0500 +- 1e-06 at all wavelengths" in html
    assert "photom 1 -&gt; 2" in html
    assert HOSTILE not in html
