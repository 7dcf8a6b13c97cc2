"""Errors that nobody foresaw: one sentence, a kept traceback, and a recorded run."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from config.recipe import load_recipe
from config.settings import load_settings
from flows import run as flows_run
from flows.archive import FolderArchive
from flows.cli import app
from flows.errors import BugError, UnknownProgramError
from flows.factory import Services, open_services
from flows.models.exposures import Inventory
from flows.models.runs import Run, RunState
from flows.run import Recording, Request, make_run
from flows.run import find as find_exposures


class EndingArchive(FolderArchive):
    """An archive at which every run ends."""

    def __init__(self, services: Services, error: BaseException) -> None:
        super().__init__(services.data_dir)
        self._error = error

    def find(self, program: str) -> Inventory:
        """End it."""
        raise self._error from ValueError(program)


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    folder = tmp_path / "raw"
    folder.mkdir()
    settings = load_settings(
        archive=folder, crds_path=tmp_path, data_dir=tmp_path / "data"
    )
    with open_services(settings) as services:
        yield services


def find(services: Services, *, told: str | None = None) -> None:
    """Come as far in a run as the archive lets us; tell of its end before, if asked."""
    request, recipe = Request("99001"), load_recipe("official")
    with Recording(services, make_run(request, recipe)) as run:
        if told is not None:
            now = run.started_at
            services.database.runs.finish_run(run.id, RunState.FAILED, told, now=now)
        find_exposures(request, recipe, services.archive)


def the_run(services: Services) -> Run:
    [run] = services.database.runs.list_runs("99001")
    return run


def test_a_run_is_recorded_from_its_begin(services: Services) -> None:
    begun = make_run(Request("99001"), load_recipe("official"))
    with Recording(services, begun) as run:
        assert the_run(services) == run
        assert run.state is RunState.RUNNING


def test_a_run_that_comes_to_nothing_is_recorded_as_failed(services: Services) -> None:
    with pytest.raises(UnknownProgramError) as caught:
        find(services)
    run = the_run(services)
    assert (run.state, run.message) == (RunState.FAILED, str(caught.value))
    assert run.finished_at is not None


def test_a_run_that_is_stopped_before_its_jobs_is_recorded_as_cancelled(
    services: Services,
) -> None:
    with pytest.raises(KeyboardInterrupt):
        find(replace(services, archive=EndingArchive(services, KeyboardInterrupt())))
    assert the_run(services).state is RunState.CANCELLED


def test_a_fault_while_planning_is_recorded_with_where_its_traceback_is(
    services: Services,
) -> None:
    with pytest.raises(BugError, match="KeyError: 'spec2'") as caught:
        find(replace(services, archive=EndingArchive(services, KeyError("spec2"))))
    run = the_run(services)
    assert (run.state, run.message) == (RunState.FAILED, str(caught.value))
    [kept] = (services.data_dir / "errors").iterdir()
    assert str(kept) in str(caught.value)
    assert "in find" in kept.read_text()
    assert kept.stat().st_mode & 0o777 == 0o600


def test_how_a_run_was_recorded_to_end_is_not_told_again(services: Services) -> None:
    with pytest.raises(UnknownProgramError):
        find(services, told="the first error")
    assert the_run(services).message == "the first error"


def test_a_command_tells_a_fault_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flows_run, "plan_only", lambda *_, **__: {}["spec2:jw99001"])
    ended = CliRunner().invoke(app, ["plan", "99001", "--archive", str(tmp_path)])
    assert ended.exit_code == 2
    told = ended.output.replace("\n", "")
    assert told.startswith("error: Rewebb met an error that it does not know")
    assert "Traceback" not in told
    [kept] = re.findall(r"traceback is in (\S+\.txt)\.", told)
    assert "KeyError: 'spec2:jw99001'" in Path(kept).read_text()
    Path(kept).unlink()


@pytest.mark.parametrize("arguments", [["db", "nothing"], ["plan"], ["plan", "--no"]])
def test_wrong_usage_is_told_as_before(arguments: list[str]) -> None:
    ended = CliRunner().invoke(app, arguments)
    assert ended.exit_code == 2
    assert "Usage" in ended.output
