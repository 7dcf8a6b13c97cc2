"""Ids are checked where they enter, before they name a path, a query or a run."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from prefect.exceptions import ParameterTypeError
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools import validate
from prefect.utilities.schema_tools.validation import ValidationError
from typer.testing import CliRunner

from config.settings import load_settings
from flows.archive import Query
from flows.cli import app
from flows.errors import IdError
from flows.factory import Services, open_services
from flows.reprocess import reprocess_program
from flows.run import Request, hold_lease

HOSTILE = [
    "",
    ".",
    "..",
    "/",
    "../runs",
    "1345",
    "0134\uff15",
    "01345\n",
    "01345/x",
    "%",
]
"""What is no program; the digit in one of them is of another script."""

OTHERS = st.one_of(
    st.text(max_size=8), st.sampled_from(HOSTILE), st.from_regex(r"[./0-9\n]{0,7}")
)


@pytest.fixture(scope="module")
def services() -> Any:
    with TemporaryDirectory() as name:
        folder = Path(name)
        settings = load_settings(
            archive=folder, crds_path=folder, data_dir=folder / "data"
        )
        with open_services(settings) as services:
            yield services


def is_program(text: str) -> bool:
    return len(text) == 5 and all(one in "0123456789" for one in text)


@given(program=OTHERS)
def test_a_program_that_is_not_five_digits_is_refused_and_nothing_is_removed(
    services: Services, program: str
) -> None:
    assume(not is_program(program))
    kept = services.data_dir / "scratch" / "01345" / "kept"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.touch()
    for named in (program, str(services.data_dir / program)):
        with pytest.raises(IdError), hold_lease(services, named):
            pass
        with pytest.raises(IdError):
            Request(named)
        with pytest.raises(IdError):
            Query(program=named)
    assert kept.exists()


@given(observation=st.one_of(st.text(max_size=4), st.from_regex(r"[./0-9\n]{0,4}")))
def test_an_observation_that_is_not_three_digits_is_refused(observation: str) -> None:
    assume(not (len(observation) == 3 and is_program(f"00{observation}")))
    with pytest.raises(IdError, match="three digits"):
        Request("01345", ("001", observation))
    with pytest.raises(IdError, match="three digits"):
        Query(program="01345", observations=(observation,))


def test_the_message_says_what_was_expected_got_and_is_to_be_done() -> None:
    with pytest.raises(IdError) as caught:
        Request("/some/folder")
    for part in ("five digits", "'/some/folder'", "--archive"):
        assert part in str(caught.value)


@pytest.mark.parametrize("program", HOSTILE)
def test_the_flow_run_is_refused_before_it_starts(program: str) -> None:
    with pytest.raises(ParameterTypeError, match="program"):
        reprocess_program.validate_parameters({"program": program})
    with pytest.raises(ParameterTypeError, match="observations"):
        reprocess_program.validate_parameters(
            {"program": "01345", "observations": ["001", program]}
        )


SCHEMA = parameter_schema(reprocess_program).model_dump_for_openapi()


@pytest.mark.parametrize("program", ["02736", "99002", 99002])
def test_an_id_that_looks_like_a_number_is_taken_as_a_string(program: object) -> None:
    given = {"program": program, "observations": [101, "007"]}
    validate(given, SCHEMA, raise_on_error=True)
    taken = reprocess_program.validate_parameters(given)
    assert taken["program"] == str(program)
    assert taken["observations"] == ["101", "007"]


@pytest.mark.parametrize("program", [2736, 123456, True, 99002.5, None])
def test_a_number_that_may_be_another_id_is_refused(program: object) -> None:
    with pytest.raises(ValidationError):
        validate({"program": program}, SCHEMA, raise_on_error=True)
    with pytest.raises(ParameterTypeError, match="program"):
        reprocess_program.validate_parameters({"program": program})


@pytest.mark.parametrize(
    "command",
    [
        *("plan {0} --archive raw", "run {0} --archive raw", "asn {0} --archive raw"),
        *("search {0} --archive raw", "fetch {0} --archive mast", "runs {0}"),
        "run {0} --archive raw --dry-run",
        "plan 01345 --archive raw --observations {0}",
        "search 01345 --archive raw --observations {0}",
    ],
)
def test_every_command_refuses_a_folder_as_an_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    precious = tmp_path / "precious"
    (precious / "more").mkdir(parents=True)
    (tmp_path / "raw").mkdir()
    arguments = command.format(precious).split()
    ended = CliRunner().invoke(app, arguments, env={"CRDS_PATH": str(tmp_path)})
    assert ended.exit_code == 2, ended.output
    assert "digits" in ended.output
    assert (precious / "more").is_dir()
