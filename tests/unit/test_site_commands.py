"""Commands to look around with: versions, recipes, settings, what is recorded."""

import hashlib
import json
import os
import tomllib
from dataclasses import replace
from pathlib import Path

import asdf
import jsonschema
import pytest
from installed_specs import get_installed_specs
from outcomes import make_job, make_outcome, make_run, make_run_job
from typer.testing import CliRunner, Result

from config.recipe import load_recipe, make_schema
from config.recipe_texts import list_recipes
from config.settings import load_settings
from flows.cli import app
from flows.cli.output import print_summary
from flows.factory import open_database
from flows.models.runs import JobState, RunState
from flows.reports import JobLine, RunSummary
from flows.run import find_specs
from workers.contract import Job, ParsUse, ReferenceFile, Status

SCHEMA = Path(__file__).parents[2] / "config/recipe.schema.json"

JOB = make_job()
KEY = f"{JOB.stage}:{JOB.name}"
PRODUCT = "jw02736007001_03103_00001_nrs1_rate.fits"
FAILED = make_outcome(
    replace(JOB, fingerprint="ef" * 32), attempt="broken", status=Status.FAILED
)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith(("REWEBB_", "CRDS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments])


def run(*arguments: str) -> str:
    done = call(*arguments)
    assert done.exit_code == 0, done.output
    return done.output


def test_version_names_what_makes_the_pixels() -> None:
    assert run("--version").startswith("rewebb 0.1.0, jwst 3.")


def test_recipes_are_listed_with_what_they_do() -> None:
    listed = json.loads(run("recipes", "list", "--json"))
    assert [one["name"] for one in listed] == [*list_recipes()]
    assert load_recipe("selfcal").title in run("recipes", "list")


def test_a_packaged_recipe_that_is_shown_is_a_recipe_of_ones_own(here: Path) -> None:
    (here / "mine.toml").write_text(run("recipes", "show", "selfcal"))
    mine, packaged = load_recipe("mine.toml"), load_recipe("selfcal")
    same = {"name": "selfcal", "sha256": packaged.sha256, "text": packaged.text}
    assert replace(mine, **same) == packaged
    assert "#:schema" not in mine.text  # which is where the packaged ones are


def test_an_unknown_recipe_is_refused() -> None:
    done = call("recipes", "show", "best")
    assert done.exit_code == 2
    assert "'best'" in done.output


def test_a_recipe_is_shown_with_all_that_it_extends(here: Path) -> None:
    (here / "mine.toml").write_text('title = "T"\nextends = "selfcal"\n')
    shown = run("recipes", "show", "mine.toml")
    assert "selfcal = true  # from selfcal" in shown
    origins = json.loads(run("recipes", "show", "mine.toml", "--json"))["origins"]
    assert origins["parameters.1"] == "selfcal"


def test_a_file_beside_is_not_taken_for_the_packaged_recipe(here: Path) -> None:
    (here / "selfcal.toml").write_text('title = "Mine"\n')
    titles = [load_recipe(name).title for name in ("selfcal", "selfcal.toml")]
    assert titles[0] != titles[1] == "Mine"


@pytest.fixture
def specs_kept(here: Path) -> None:
    """Keep what the pipelines accept in the data folder."""
    find_specs(here / "rewebb-data", get_installed_specs, keep=True)


@pytest.mark.usefixtures("specs_kept")
def test_a_recipe_is_checked_without_a_program(here: Path) -> None:
    assert "The recipe selfcal can be used with jwst 3." in run(
        "recipes", "check", "selfcal"
    )
    wrong = (
        'title = "T"\n[[parameters]]\nstage = "spec2"\nsteps.cube_buld.skip = true\n'
    )
    (here / "mine.toml").write_text(wrong)
    done = call("recipes", "check", "mine.toml")
    assert done.exit_code == 1
    assert "did you mean `cube_build`?" in done.output
    told = json.loads(call("recipes", "check", "mine.toml", "--json").output)
    assert told["recipe"] == "mine"
    assert told["jwst"].startswith("3.")
    assert ["cube_buld" in problem for problem in told["problems"]] == [True]
    named = f'title = "T"\n[[files]]\nkind = "extract1d"\nsha256 = "{"a" * 64}"\n'
    (here / "mine.toml").write_text(named)
    done = call("recipes", "check", "mine.toml")
    assert done.exit_code == 2
    assert "put it there with `rewebb put FILE`" in done.output


def test_two_recipes_are_compared_value_by_value() -> None:
    done = call("recipes", "diff", "official", "selfcal", "--json")
    assert done.exit_code == 1
    found = json.loads(done.output)
    del found["title"]
    assert found == {
        "associations.selfcal": {"official": None, "selfcal": "True"},
        "products.exposure_cubes": {"official": None, "selfcal": "needed"},
        "spec2, exp_types NRS_IFU: steps.badpix_selfcal.skip": {
            "official": None, "selfcal": "False",
        },
    }  # fmt: skip
    assert "exposure_cubes" in call("recipes", "diff", "official", "selfcal").output


def test_edits_are_compared_one_by_one(here: Path) -> None:
    edit = '[[edits]]\nedit = "split-slitlets"\n'
    (here / "one.toml").write_text(f'title = "T"\n{edit}{edit}')
    (here / "two.toml").write_text(f'title = "T"\n{edit}{edit}max_shutters = 5\n')
    done = call("recipes", "diff", "one.toml", "two.toml", "--json")
    assert json.loads(done.output) == {
        "edits.2.max_shutters": {"one.toml": None, "two.toml": "5"}
    }


def test_what_a_recipe_extends_is_compared_too(here: Path) -> None:
    (here / "mine.toml").write_text(
        f'title = "{load_recipe("selfcal").title}"\nextends = "selfcal"\n'
    )
    assert "say the same" in run("recipes", "diff", "selfcal", "mine.toml")


def test_the_schema_that_ships_is_that_of_the_models() -> None:
    """Write it again with `rewebb recipes schema > config/recipe.schema.json`."""
    shipped = json.loads(SCHEMA.read_text())
    assert shipped == json.loads(run("recipes", "schema")) == make_schema()


@pytest.mark.parametrize("name", list_recipes())
def test_packaged_recipes_name_the_schema_and_keep_to_it(name: str) -> None:
    path = SCHEMA.parent / "recipes" / f"{name}.toml"
    directive, place = path.read_text().splitlines()[0].split()
    assert directive == "#:schema"
    assert (path.parent / place).resolve() == SCHEMA.resolve()
    jsonschema.validate(tomllib.loads(path.read_text()), make_schema())


@pytest.mark.parametrize(
    ("text", "is_valid"),
    [
        ('extends = "a"', True),
        ('extends = ["a", "b"]', True),
        ("extends = 1", False),
        ('parameters = [{ stage = "spec2", match.grating = "G*" }]', True),
        ('parameters = [{ stage = "spec2", match.grating = ["G*"] }]', True),
        ('parameters = [{ stage = "spec2", match.gratting = "G*" }]', False),
        ('parameters = [{ stage = "spec4" }]', False),
    ],
)
def test_the_schema_says_what_the_models_take(text: str, *, is_valid: bool) -> None:
    tree = tomllib.loads(f'title = "T"\n{text}')
    validator = jsonschema.Draft202012Validator(make_schema())
    assert validator.is_valid(tree) is is_valid


def test_each_setting_names_where_it_comes_from(
    here: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    users = tmp_path_factory.mktemp("users")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(users))
    monkeypatch.setenv("REWEBB_SLOTS", "3")
    monkeypatch.setenv("CRDS_CONTEXT", "jwst_1464.pmap")
    (users / "rewebb").mkdir()
    (users / "rewebb/rewebb.toml").write_text(
        "archive_connections = 2\nmax_attempts = 5\n"
    )
    (here / "rewebb.toml").write_text("max_attempts = 4\n")
    shown = json.loads(run("config", "show", "--archive", "mast", "--json"))
    assert set(shown) == set(type(load_settings()).model_fields)
    told = {name: (one["value"], one["origin"]) for name, one in shown.items()}
    assert told["slots"] == (3, "REWEBB_SLOTS")
    assert told["crds_context"] == ("jwst_1464.pmap", "CRDS_CONTEXT")
    assert told["archive_connections"] == (2, str(users / "rewebb/rewebb.toml"))
    assert told["max_attempts"] == (4, str(here / "rewebb.toml"))
    assert told["archive"] == ("mast", "--archive")
    assert told["cluster"] == ("local", "default")
    assert told["clusters"] == ({}, "default")


def test_neither_the_password_of_the_database_nor_that_of_the_proxy_is_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REWEBB_DATABASE_URL", "postgresql://me:hunter2@host/rewebb")
    monkeypatch.setenv("REWEBB_WEB_PROXY_SECRET", "hunter2hunter2hunter2")
    assert "hunter2" not in run("config", "show") + run("config", "show", "--json")


@pytest.mark.parametrize(
    "command", [("runs",), ("status",), ("show", PRODUCT), ("logs", KEY)]
)
def test_who_only_reads_makes_no_data_folder(
    here: Path, command: tuple[str, ...]
) -> None:
    done = call(*command, "--data-dir", "mistyped")
    assert done.exit_code == 2
    assert str(here / "mistyped") in done.output
    assert not (here / "mistyped").exists()


@pytest.fixture
def recorded() -> None:
    """Record a job that succeeded, and one of the same name that failed."""
    with open_database(load_settings()) as database:
        for outcome in (make_outcome(JOB), FAILED):
            database.jobs.record_outcome(outcome)


@pytest.mark.usefixtures("recorded")
def test_a_job_is_shown_by_its_key_and_by_the_begin_of_its_fingerprint() -> None:
    by_print = run("show", JOB.fingerprint[:12])
    assert f"fingerprint  {JOB.fingerprint}" in by_print
    assert "error ValueError: It is odd." in run("show", "ef" * 6)
    assert f"job          {KEY}" in run("show", KEY)


@pytest.mark.usefixtures("recorded")
def test_an_attempt_is_shown_by_the_begin_of_its_id() -> None:
    shown = run("show", "brok")
    assert f"job          {KEY}" in shown
    assert "broken FAILED on node1 (tls://node1:1)" in shown
    assert "    Trace" in shown
    told = json.loads(run("show", "brok", "--json"))
    assert told["attempt"]["outcome"]["attempt"] == "broken"


@pytest.fixture
def ended() -> None:
    """Record a run with the failed job, and another that begins alike."""
    with open_database(load_settings()) as database:
        for name in ("run-1", "run-2"):
            database.runs.start_run(make_run(name))
        database.jobs.record_outcome(FAILED, run_id="run-1")
        job = replace(make_run_job(JOB.name, JobState.FAILED), fingerprint="ef" * 32)
        database.runs.set_jobs("run-1", [job])


@pytest.mark.usefixtures("ended")
def test_a_run_is_shown_by_its_id() -> None:
    shown = run("show", "run-1")
    assert "program      02736" in shown
    assert "recipe       nirspec-mos" in shown
    assert "jobs         1 FAILED" in shown
    assert json.loads(run("show", "run-1", "--json"))["run"]["id"] == "run-1"


@pytest.mark.usefixtures("ended")
@pytest.mark.parametrize("command", ["show", "status"])
def test_what_a_name_may_stand_for_is_listed(command: str) -> None:
    done = call(command, "run-")
    assert done.exit_code == 2
    assert "run-1" in done.output
    assert "run-2" in done.output


@pytest.mark.usefixtures("ended")
def test_status_names_the_logs_of_what_failed(here: Path) -> None:
    assert json.loads(run("status", "run-1", "--json"))["logs"] == {}
    log = here / "rewebb-data" / FAILED.folder / "job.log"
    log.parent.mkdir(parents=True)
    log.touch()
    path = str(Path("rewebb-data", FAILED.folder, "job.log"))
    assert json.loads(run("status", "run-1", "--json"))["logs"] == {KEY: path}
    assert path in run("status", "run-1")


def write_pars(cache: Path, name: str, **content: object) -> ParsUse:
    """Write a parameter reference, and say that a job uses it."""
    path = cache / "references/jwst/nirspec" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    asdf.AsdfFile(content).write_to(path)
    sha1 = hashlib.sha1(path.read_bytes()).hexdigest()  # noqa: S324  # as CRDS does
    return ParsUse(name.split("_")[2], ReferenceFile(name, sha1, 1, 1))


def show_recorded(job: Job) -> str:
    """Record a success of a job, and show it."""
    with open_database(load_settings()) as database:
        database.jobs.record_outcome(make_outcome(job))
    return run("show", KEY)


def test_show_names_what_sets_a_parameter_and_lists_no_defaults(here: Path) -> None:
    steps = {
        "jump": {"rejection_threshold": 5.0, "after_jump_flag_time1": 2},
        "outlier_detection": {"snr": "5", "skip": False},
        "cube_build": {"output_type": "multi", "coord_system": "skyalign"},
    }
    pars = (
        write_pars(
            here,
            "jwst_nirspec_pars-spec2pipeline_0001.asdf",
            parameters={},
            steps=[{"name": "cube_build", "parameters": {"output_type": "multi"}}],
        ),
        write_pars(
            here,
            "jwst_nirspec_pars-outlierdetectionstep_0001.asdf",
            parameters={"snr": "5", "input_dir": ""},
        ),
        ParsUse("pars-gonestep", ReferenceFile("gone.asdf", "0" * 40, 1, 1)),
    )
    job = replace(JOB, parameters={"steps": steps}, pars=pars, crds_path=str(here))
    recorded = show_recorded(job)
    assert "jump.rejection_threshold = 5.0  (recipe nirspec-mos)" in recorded
    assert "outlier_detection.snr = '5'  (" not in recorded
    assert "and 5 others" in recorded
    shown = show_recorded(replace(job, origins=None))
    everything = run("show", KEY, "--parameters")
    pipeline, outliers, _ = (use.file.name for use in pars)
    for line in (
        "jump.rejection_threshold = 5.0  (recipe)",
        f"cube_build.output_type = 'multi'  ({pipeline})",
        f"outlier_detection.snr = '5'  ({outliers})",
        "what gone.asdf sets is not known: it is not in the cache",
        "and 3 others",
    ):
        assert line in shown
    for name in ("jump.after_jump_flag_time1 = 2", "cube_build.coord_system = "):
        assert name not in shown
        assert name in everything


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize("target", ["spec2:nothing", "0123456789ab", "nothing.fits"])
def test_what_is_not_recorded_is_refused(target: str) -> None:
    done = call("show", target)
    assert done.exit_code == 2
    assert target in done.output


@pytest.mark.usefixtures("recorded")
def test_show_lists_the_other_jobs_that_made_a_product_of_the_name() -> None:
    other = replace(JOB, fingerprint="cd" * 32, context="jwst_1400.pmap")
    assert "other jobs" not in run("show", PRODUCT)
    with open_database(load_settings()) as database:
        database.jobs.record_outcome(make_outcome(other, attempt="other"))
    shown = run("show", PRODUCT)
    assert "other jobs have made a product of this name" in shown
    assert {JOB.context, other.context} <= set(shown.split())


@pytest.mark.usefixtures("recorded")
def test_logs_prints_what_the_newest_attempt_has_left(here: Path) -> None:
    folder = here / "rewebb-data" / make_outcome(JOB).folder
    folder.mkdir(parents=True)
    (folder / "job.log").write_text("INFO all is \x1b[31mwell\n")
    done = call("logs", JOB.fingerprint[:12])
    assert done.stdout == "INFO all is \\x1b[31mwell\n"
    assert "SUCCEEDED on node1 (tls://node1:1), granted 9.66 GB" in done.stderr
    told = json.loads(run("logs", JOB.fingerprint[:12], "--json"))
    assert (told["host"], told["node"]) == ("node1", "tls://node1:1")
    assert told["path"] == str(Path("rewebb-data", make_outcome(JOB).folder, "job.log"))
    assert told["lines"] == ["INFO all is \x1b[31mwell"]


@pytest.mark.usefixtures("recorded")
def test_logs_says_why_there_is_none() -> None:
    done = call("logs", "ef" * 6)
    assert done.exit_code == 2
    said = "FAILED on node1 (tls://node1:1), left no log: It is odd."
    assert said in " ".join(done.output.split())


def test_an_id_without_its_zeros_is_completed_in_the_error() -> None:
    done = call("plan", "2736")
    assert done.exit_code == 2
    assert "did you mean 02736?" in done.output


@pytest.mark.parametrize(("run_id", "word"), [("", "CANNOT RUN"), ("run-1", "FAILED")])
def test_a_job_of_a_plan_cannot_run_and_one_of_a_run_has_failed(
    run_id: str, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    planned = RunSummary(
        run=run_id,
        program="02736",
        recipe="official",
        context="jwst_1464.pmap",
        state=RunState.FAILED,
        folder="",
        counts={"FAILED": 1},
        jobs=(JobLine(KEY, JobState.FAILED, "cut", None, None, ()),),
        caveats=(),
        notes=(),
        products=(),
        peak_bytes=0,
    )
    print_summary(planned)
    shown = capsys.readouterr().out
    assert f"{KEY}  {word}  cut" in " ".join(shown.split("\n"))
    assert shown.endswith(f"1 {word}\n")
    assert ("FAILED" in shown) is (word == "FAILED")
