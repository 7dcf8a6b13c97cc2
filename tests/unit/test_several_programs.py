"""Several programs in one command, without Prefect and Dask."""

import json
import threading
from pathlib import Path
from typing import NoReturn

import pytest
import typer
from typer.testing import CliRunner, Result

from config.settings import load_settings
from flows.cli import app
from flows.cli.run import _work_on_all
from flows.errors import PlanError
from flows.run import Shared


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "raw").mkdir()
    monkeypatch.setenv("REWEBB_ARCHIVE", "raw")
    monkeypatch.setenv("REWEBB_CRDS_PATH", str(tmp_path))
    return tmp_path


def plan(*arguments: str, text: str = "") -> Result:
    return CliRunner().invoke(app, ["plan", *arguments], input=text)


def read(text: str, *arguments: str) -> Result:
    """Plan the programs of a file."""
    Path("programs.txt").write_text(text)
    return plan(*arguments, "--from", "programs.txt")


def test_programs_of_a_file_follow_those_of_the_command() -> None:
    text = "# of the night\n\n 01345 # ours\r\n02736\n"
    told = json.loads(read(text, "04446", "--json").stdout)
    assert [end["program"] for end in told["programs"]] == ["04446", "01345", "02736"]


def test_programs_are_read_from_standard_input() -> None:
    told = json.loads(plan("--from", "-", "--json", text="01345\n02736\n").stdout)
    assert [end["program"] for end in told["programs"]] == ["01345", "02736"]


@pytest.mark.parametrize("text", ["01345\n2736\n", "01345\n02736 01345\n", "#\nx"])
def test_what_is_no_program_is_named_by_file_and_line(text: str) -> None:
    done = read(text)
    assert done.exit_code == 2
    assert "programs.txt, line 2: expected the id of a program" in done.output


def test_an_id_of_standard_input_is_named_by_line() -> None:
    assert "standard input, line 1: expected" in plan("--from", "-", text="1").output


def test_a_repetition_is_named_and_runs_once() -> None:
    done = read("02736\n01345\n02736\n", "01345")
    assert "programs.txt, line 2: program 01345 is named more than once" in done.output
    assert "programs.txt, line 3: program 02736 is named more than once" in done.output
    assert "0 of 2 programs" in done.output


@pytest.mark.parametrize("text", ["", "# nothing\n"])
def test_a_file_of_nothing_is_refused(text: str) -> None:
    done = read(text)
    assert done.exit_code == 2
    assert "names no program" in done.output


def test_a_file_that_cannot_be_read_is_refused() -> None:
    done = plan("--from", "missing.txt")
    assert done.exit_code == 2
    assert "missing.txt" in done.output


def test_each_program_of_which_nothing_can_be_done_is_named() -> None:
    done = plan("01345", "02736")
    assert done.exit_code == 2
    for program in ("01345", "02736"):
        assert f"error: program {program}: unknown program {program}" in done.stdout


def test_no_more_programs_are_under_way_at_once_than_asked_for(
    elsewhere: Path,
) -> None:
    under_way, most = 0, []
    counting, second = threading.Lock(), threading.Barrier(2)

    def work(*_: object) -> NoReturn:
        nonlocal under_way
        with counting:
            under_way += 1
            most.append(under_way)
        second.wait(60)
        with counting:
            under_way -= 1
        raise PlanError("seen")

    shared = Shared(load_settings(data_dir=elsewhere))
    with pytest.raises(typer.Exit):
        _work_on_all(
            work, [f"0000{n}" for n in range(6)], shared, as_json=True, at_once=2
        )
    assert len(most) == 6
    assert max(most) == 2


def test_each_step_is_announced_beside_the_output_unless_it_is_json() -> None:
    assert plan("01345").stderr.startswith("01345: finding exposures\n")
    assert plan("01345", "--json").stderr.startswith("error: ")
