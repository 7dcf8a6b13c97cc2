"""The steps of a run in their order, each from the value before it."""

import json
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest
from exposures import (
    bots_program,
    ifu_program,
    make_exposure,
    mos_program,
    write_exposures,
)
from hypothesis import given
from hypothesis import strategies as st
from plans import make_graph
from typer.testing import CliRunner

from config.recipe import Recipe, load_recipe
from config.settings import Settings, load_settings
from flows.archive import FolderArchive
from flows.cli import app
from flows.errors import LeaseHeldError, PlanError
from flows.factory import open_services
from flows.models.exposures import Exposure, Metafile
from flows.models.runs import RunState
from flows.planning import chain_exposures, place_exposures
from flows.run import (
    Drawn,
    Request,
    Shared,
    fetch,
    hold_lease,
    prepare,
    run_program,
)
from workers.contract import Stage

GLOWING = """
title = "Pixels that glow"
[[parameters]]
stage = "detector1"
steps.persistence.skip = false
steps.persistence.persistence_time = 7200
"""

GRISM = {"INSTRUME": "NIRISS", "EXP_TYPE": "NIS_WFSS", "DETECTOR": "NIS"}


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Return an archive of one program."""
    folder = tmp_path / "raw"
    folder.mkdir()
    return write_exposures(folder, ifu_program())


@pytest.fixture
def settings(raw: Path, tmp_path: Path) -> Settings:
    return load_settings(archive=raw, crds_path=tmp_path, data_dir=tmp_path / "data")


def refuse(*_: object) -> NoReturn:
    pytest.fail("there is no plan")


def refuse_to_list() -> NoReturn:
    pytest.fail("the recipe sets no parameter")


class StopAt:
    """Takes steps, looks around before each, and stops before one."""

    def __init__(self, last: str, look: Callable[[], object]) -> None:
        self.names: list[str] = []
        self._last = last
        self._look = look

    def __call__(self, name: str, work: Callable[[], Any]) -> Any:
        """Take a step."""
        self.names.append(name)
        self._look()
        if name == self._last:
            raise PlanError("far enough")
        return work()


def test_a_run_holds_its_lease_and_is_recorded_before_anything_is_found(
    settings: Settings,
) -> None:
    with open_services(settings) as services:

        def look() -> None:
            [run] = services.database.runs.list_runs("99001")
            assert run.state is RunState.RUNNING
            with pytest.raises(LeaseHeldError), hold_lease(services, "99001"):
                pass

        step = StopAt("fetch", look)
        with pytest.raises(PlanError):
            run_program(settings, Request("99001"), watch=refuse, step=step)
        assert step.names == ["find", "associate", "draw", "fetch"]
        [run] = services.database.runs.list_runs("99001")
        assert (run.state, run.message) == (RunState.FAILED, "far enough")
        assert services.database.leases.get_lease("99001") is None


def test_runs_of_other_threads_end_when_the_command_is_interrupted(
    settings: Settings,
) -> None:
    reached, goes_on = threading.Event(), threading.Event()

    def hang() -> None:
        if step.names[-1] == "fetch":
            reached.set()
            goes_on.wait()

    def run() -> None:
        with suppress(PlanError):
            run_program(
                settings, Request("99001"), watch=refuse, step=step, shared=shared
            )

    step = StopAt("fetch", hang)
    thread = threading.Thread(target=run, daemon=True)
    shared = Shared(settings)
    thread.start()
    assert reached.wait(60)
    with pytest.raises(SystemExit), shared:
        raise SystemExit(130)
    with open_services(settings) as services:
        [ended] = services.database.runs.list_runs("99001")
        assert ended.state is RunState.CANCELLED
        assert services.database.leases.get_lease("99001") is None
    goes_on.set()
    thread.join()


def test_no_run_begins_after_the_command_was_interrupted(settings: Settings) -> None:
    shared = Shared(settings)
    with pytest.raises(SystemExit), shared:
        raise SystemExit(130)
    with pytest.raises(PlanError, match="interrupted before this program began"):
        run_program(settings, Request("99001"), watch=refuse, shared=shared)
    with open_services(settings) as services:
        assert not services.database.runs.list_runs("99001")
        assert services.database.leases.get_lease("99001") is None


def place(exposure: Exposure, chance: Any) -> Exposure:
    """Bring an exposure here, or fail to; its metafile too."""
    here = replace(exposure, path=Path("here", exposure.path.name), mtime_ns=7)
    if exposure.metafile is not None:
        defect = chance.choice([None, "no such file"])
        name = exposure.metafile.name
        here = replace(here, metafile=Metafile(name, Path("here", name), 3, 4, defect))
    return replace(here, defect=chance.choice([None, None, "it ends early"]))


@given(chance=st.randoms())
def test_a_graph_whose_files_came_is_that_of_the_files_here(
    tmp_path_factory: pytest.TempPathFactory, chance: Any
) -> None:
    path = tmp_path_factory.mktemp("recipe") / "glow.toml"
    path.write_text(GLOWING)
    recipe = load_recipe(str(path))
    for program in (ifu_program(), bots_program(), mos_program()):
        here = [place(exposure, chance) for exposure in program]
        drawn = chain_exposures(make_graph(program), recipe)
        assert place_exposures(drawn, here) == chain_exposures(make_graph(here), recipe)


class FarAway(FolderArchive):
    """A folder whose files must be fetched, and come with a defect."""

    def find(self, program: str) -> Any:
        """Find exposures that are not here."""
        found = super().find(program)
        away = tuple(replace(e, is_remote=True) for e in found.exposures)
        return replace(found, exposures=away)

    def fetch(self, exposures: Iterable[Exposure], **_: object) -> Any:
        """Fail to fetch them."""
        return tuple(replace(e, is_remote=False, defect="cut") for e in exposures)


def draw(archive: FolderArchive, *observations: str) -> Drawn:
    recipe: Recipe = load_recipe("official")
    request = Request("99001", observations)
    return prepare(request, recipe, archive, data_dir=Path(), get_specs=refuse_to_list)


def test_only_what_the_jobs_that_are_asked_for_read_is_fetched(raw: Path) -> None:
    write_exposures(raw, [make_exposure("jw99001009001_03101_00001_nrs1")])
    drawn = draw(FarAway(raw), "009")
    # Observation 002 is the background of all others.
    assert {exposure.observation for exposure in drawn.remote} == {"002", "009"}
    fetched = fetch(drawn, FarAway(raw))
    assert fetched.remote == ()
    failed = {job.exposure.name: job for job in fetched.graph if job.defect}
    assert {job.stage for job in failed.values()} == {Stage.DETECTOR1}
    assert set(failed) == {exposure.name for exposure in drawn.remote}


def test_asn_shows_what_a_run_processes(raw: Path) -> None:
    write_exposures(raw, [make_exposure("jw99001008001_02101_00001_nis", **GRISM)])
    done = CliRunner().invoke(app, ["asn", "99001", "--archive", str(raw), "--json"])
    shown = json.loads(done.output)
    jobs = [job.association for job in draw(FolderArchive(raw)).graph]
    assert [(one["asn_type"], one["product"]) for one in shown["associations"]] == [
        (one.asn_type, one.product_name) for one in jobs if one is not None
    ]
    [grism] = [one for one in shown["unused"] if "_nis" in one["name"]]
    assert "grism" in grism["reason"]
