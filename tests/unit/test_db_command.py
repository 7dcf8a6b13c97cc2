"""`rewebb db`, in this process."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result
from outcomes import make_job, make_outcome, make_product
from typer.testing import CliRunner

from config.settings import load_settings
from flows.cli import app
from flows.factory import open_database
from workers.content import file_sha256
from workers.contract import to_json
from workers.installed import describe_environment, keep_environment
from workers.run import OUTCOME_NAME, get_store_folder

PRODUCT = "a_rate.fits"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a data folder with the products of two jobs."""
    for fingerprint in ("a" * 64, "b" * 64):
        folder = tmp_path / "data" / get_store_folder(fingerprint)
        folder.mkdir(parents=True)
        path = folder / PRODUCT
        path.write_text(fingerprint)
        product = replace(make_product(path.name), sha256=file_sha256(path))
        job = replace(make_job(), fingerprint=fingerprint)
        outcome = make_outcome(job, attempt=fingerprint[:4], products=[product])
        (folder / OUTCOME_NAME).write_text(to_json(outcome))
    return tmp_path / "data"


def verify(data: Path, *arguments: str) -> Result:
    command = ["db", "verify", "--data-dir", str(data), *arguments]
    return CliRunner().invoke(app, command)


def test_sound_products_are_left_where_they_are(data: Path) -> None:
    verified = verify(data, "--set-aside")
    assert (verified.exit_code, verified.stdout) == (0, "0 damaged products.\n")
    assert len(list(data.glob(f"store/*/*/{PRODUCT}"))) == 2
    assert not (data / "damaged").exists()


def test_a_damaged_job_is_only_told_unless_it_is_to_be_set_aside(data: Path) -> None:
    bad = data / get_store_folder("a" * 64) / PRODUCT
    bad.write_text("rot")
    told = verify(data, "--json")
    assert told.exit_code == 1
    [line] = json.loads(told.stdout)["damaged"]
    assert str(bad) in line
    assert bad.is_file()


def test_a_damaged_job_is_set_aside_whole_and_the_others_stay(data: Path) -> None:
    folders = [data / get_store_folder(letter * 64) for letter in "ab"]
    (folders[0] / PRODUCT).write_text("rot")
    assert verify(data, "--set-aside").exit_code == 1
    assert [folder.exists() for folder in folders] == [False, True]
    [aside] = (data / "damaged").iterdir()
    assert aside.name.startswith("a" * 64)
    assert {path.name for path in aside.iterdir()} == {PRODUCT, OUTCOME_NAME}
    assert (aside / PRODUCT).read_text() == "rot"
    assert verify(data).exit_code == 0


def test_what_was_installed_is_recorded_again_from_the_data_folder(data: Path) -> None:
    sha256 = keep_environment(data)
    rebuilt = CliRunner().invoke(app, ["db", "rebuild", "--data-dir", str(data)])
    assert rebuilt.exit_code == 0
    with open_database(load_settings(data_dir=data)) as database:
        assert database.environments.get(sha256) == describe_environment()
