"""Recipes that cannot be used are refused before anything runs, with what to mend."""

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest
from exposures import (
    ifu_program,
    lrs_program,
    make_exposure,
    mrs_program,
    with_calibrated,
    write_exposures,
)
from installed_specs import get_installed_specs
from typer.testing import CliRunner
from wrong_recipes import Held, draw_recipe, refuse, two_gratings_program

from config.errors import RecipeError
from config.recipe import load_recipe
from config.recipe_texts import list_recipes
from config.settings import Settings, load_settings
from flows.cli import app
from flows.errors import PlanError
from flows.factory import open_services
from flows.models.exposures import UnusableFile
from flows.models.runs import RunState
from flows.planning import find_problems
from flows.run import Request, fetch, find_specs, list_items, plan_only, run_program
from workers.contract import ResolveItem, Stage

WRONG = tomllib.loads(
    (Path(__file__).parents[1] / "data/wrong_recipes.toml").read_text()
)["recipe"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_there_are_forty_and_more() -> None:
    assert len({one["name"] for one in WRONG}) == len(WRONG) >= 40


@pytest.mark.parametrize("one", WRONG, ids=[one["name"] for one in WRONG])
def test_a_wrong_recipe_is_refused_with_what_to_mend(one: dict[str, Any]) -> None:
    assert refuse(one["text"], one["program"]) == one["said"]


@pytest.mark.parametrize("name", list_recipes())
def test_packaged_recipes_fit_the_installed_code(name: str) -> None:
    assert find_problems(load_recipe(name), get_installed_specs()) == ()


SETS = """
title = "T"
[[parameters]]
stage = "detector1"
match.observation = "002"
steps.jump.rejection_threshold = 5.0
[[parameters]]
stage = "spec2"
match.grating = "G395*"
match.detector = "NRS2"
steps.cube_build.skip = true
[[parameters]]
stage = "spec3"
match.taken_until = 2024-02-29
steps.outlier_detection.kernel_size = "3 3"
"""


def list_overrides(text: str, *observations: str) -> dict[str, ResolveItem]:
    drawn = draw_recipe(text, two_gratings_program(), *observations)
    assert all(job.defect is None for job in drawn.graph)
    return {item.key: item for item in list_items(drawn.graph, drawn.recipe)}


def test_a_set_changes_exactly_the_jobs_that_it_matches() -> None:
    plain, chosen = list_overrides('title = "T"'), list_overrides(SETS)
    assert plain.keys() == chosen.keys()
    visit = "jw99006002001_03101_00001"
    prism = "spec3:jw99006-o001_t001_nirspec_prism"
    first = {f"detector1:{visit}_{detector}" for detector in ("nrs1", "nrs2")}
    changed = {key for key in plain if plain[key] != chosen[key]}
    assert changed == {*first, f"spec2:{visit}_nrs2", prism}
    assert chosen[prism].overrides == {
        "steps": {"outlier_detection": {"kernel_size": "3 3"}}
    }


def test_a_set_of_a_stage_that_is_not_reached_is_no_error() -> None:
    program = [with_calibrated(one, "cal") for one in two_gratings_program()]
    drawn = draw_recipe(SETS, program, start_at=Stage.SPEC3)
    assert {job.stage for job in drawn.graph} == {Stage.SPEC3}
    assert [note.partition(":")[0] for note in drawn.notes] == [
        "what the recipe mine sets for detector1 is not applied",
        "what the recipe mine sets for spec2 is not applied",
    ]


def test_a_set_of_another_observation_than_is_asked_for_is_no_error() -> None:
    items = list_overrides(SETS, "001")
    assert not any(key.startswith("spec2:jw99006002") for key in items)


DIVIDED = """
title = "T"
[[parameters]]
stage = "spec3"
match.detector = "NRS1"
steps.outlier_detection.skip = true
"""


@pytest.mark.parametrize("is_remote", [False, True])
def test_a_set_that_fits_some_of_a_product_lets_it_not_run(is_remote: bool) -> None:  # noqa: FBT001  # a parameter of pytest
    program = [replace(e, is_remote=is_remote) for e in two_gratings_program()]
    drawn = draw_recipe(DIVIDED, program)
    fetched = fetch(drawn, Held(program))
    assert fetched.graph == drawn.graph
    defects = {job.key: job.defect for job in drawn.graph if job.defect}
    visit = "jw99006002001_03101_00001"
    assert defects == {
        "spec3:jw99006-o002_t001_nirspec_g395h": (
            "parameter set 1 (spec3, detector NRS1) of the recipe mine fits "
            f"{visit}_nrs1, but not {visit}_nrs2, and one product is made of them: let "
            "it fit all of them or none"
        )
    }


OPTIONAL = """
title = "T"
[[parameters]]
stage = "tso3"
optional = true
steps.outlier_detection.skip = true
[[parameters]]
stage = "spec2"
optional = true
match.grating = "G140M"
steps.cube_build.skip = true
"""


def test_an_optional_set_may_be_for_no_exposure_of_the_program() -> None:
    drawn = draw_recipe(OPTIONAL, ifu_program())
    assert not any(i.overrides for i in list_items(drawn.graph, drawn.recipe))


def test_a_set_of_acquisitions_matches_what_only_detector1_is_run_on() -> None:
    text = SETS.partition('[[parameters]]\nstage = "spec2"')[0]
    text = text.replace('observation = "002"', 'exp_type = "MIR_TACONFIRM"')
    drawn = draw_recipe(text, lrs_program())
    assert [i.key for i in list_items(drawn.graph, drawn.recipe) if i.overrides] == [
        "detector1:jw99007001001_02101_00001_mirimage"
    ]


CHOICES = """
title = "T"
[associations]
background_targets = ["empty sky"]
background_observations = ["002"]
[[associations.include]]
exposure = "jw99003002*"
exptype = "background"
product = "jw99003-o001*"
[[associations.exclude]]
exposure = "jw99003002*"
exptype = "background"
product = "jw99003001001_*_00001_*"
"""


def test_choices_that_the_program_has_are_no_error() -> None:
    drawn = draw_recipe(CHOICES, mrs_program())
    members = {
        job.key: [m.exposure for m in job.association.members if m.exptype != "science"]
        for job in drawn.graph
        if job.association and job.stage is Stage.SPEC2
    }
    assert members["spec2:jw99003001001_02101_00001_mirifushort"] == []
    assert members["spec2:jw99003001001_02101_00002_mirifushort"] != []


def test_a_program_without_associations_is_explained_whatever_the_recipe() -> None:
    grism = {"INSTRUME": "NIRISS", "EXP_TYPE": "NIS_WFSS", "DETECTOR": "NIS"}
    alone = [make_exposure("jw99001008001_02101_00001_nis", **grism)]
    with pytest.raises(PlanError, match="gives no association"):
        draw_recipe(MISSPELT.replace("buld", "build"), alone)


def test_files_that_cannot_be_read_are_of_the_program_too() -> None:
    name = "jw99001007001_03101_00001_nrs1_uncal.fits"
    broken = UnusableFile(Path(name), "99001", "007", f"{name}: it is empty")
    sky = 'title = "T"\n[associations]\nbackground_observations = ["007"]\n'
    draw_recipe(sky, ifu_program(), unusable=[broken])
    unmatched = 'title = "T"\n[[parameters]]\nstage = "tso3"\n'
    with pytest.raises(
        RecipeError, match=f"; files of the program that cannot be used: {name}"
    ):
        draw_recipe(unmatched, ifu_program(), unusable=[broken])


def refuse_to_plan(*_: object) -> NoReturn:
    pytest.fail("there is no plan")


@pytest.fixture
def settings(here: Path) -> Settings:
    """Return settings for a program of a folder; what pipelines accept is kept."""
    write_exposures(here / "raw", ifu_program())
    find_specs(here / "data", get_installed_specs, keep=True)
    return load_settings(archive=here / "raw", crds_path=here, data_dir=here / "data")


MISSPELT = """
title = "T"
[[parameters]]
stage = "spec2"
steps.cube_buld.skip = true
"""


def test_a_wrong_recipe_starts_no_job(settings: Settings) -> None:
    Path("mine.toml").write_text(MISSPELT)
    request = Request("99001", recipe="mine.toml")
    with pytest.raises(RecipeError, match="did you mean `cube_build`"):
        plan_only(settings, request)
    with pytest.raises(RecipeError, match="did you mean `cube_build`"):
        run_program(settings, request, watch=refuse_to_plan)
    with open_services(settings) as services:
        [run] = services.database.runs.list_runs("99001")
        assert run.state is RunState.FAILED
        assert "did you mean `cube_build`" in str(run.message)
        assert services.database.runs.get_run_jobs(run.id) == ()
    assert not list(Path("data").glob("store/*"))


def test_the_command_line_says_it_in_one_sentence(settings: Settings) -> None:
    Path("mine.toml").write_text(MISSPELT)
    given = ["--archive", "raw", "--data-dir", str(settings.data_dir)]
    done = CliRunner().invoke(
        app, ["plan", "99001", "--recipe", "mine.toml", *given], env={"CRDS_PATH": "."}
    )
    assert done.exit_code == 2
    said = "spec2 has no step `cube_buld` (did you mean `cube_build`?)"
    assert said in " ".join(done.output.split())
