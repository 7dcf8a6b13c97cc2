"""What comes from servers and headers does nothing to a terminal."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import mast_server
import pytest
from hypothesis import given
from hypothesis import strategies as st
from loopback import Answer
from mast_files import write_archive
from typer.testing import CliRunner

from flows.cli import app, output
from flows.cli.plain import to_plain

ESC = "\x1b[2J\x1b]0;owned\x07"
BIDI = "\u202egnp.exe\u2066"
EVIL = f"{ESC}{BIDI}\x9b31m\r\n\u2028error: all is well\x7f\u200b\ud800[red]:bomb:"

_OBEYED = re.compile("[^\\x20-\\x7e\\n]")


@given(st.text())
def test_plain_text_is_printable_and_loses_nothing(text: str) -> None:
    plain = to_plain(text)
    assert plain.isprintable()
    assert to_plain(plain) == plain
    if text.isprintable():
        assert plain == text


def test_what_a_terminal_obeys_is_shown() -> None:
    plain = to_plain(EVIL)
    for part in (r"\x1b[2J", r"\x07", r"\u202e", r"\x9b31m", r"\r\n", r"\u2028"):
        assert part in plain
    assert to_plain("Å é 星 'plain' [x]") == "Å é 星 'plain' [x]"


def print_a_line() -> None:
    output.say(EVIL)


def print_a_table() -> None:
    output.print_rows(("file", "why"), [(EVIL, f"FAILED {EVIL}")])


def print_a_record() -> None:
    output.print_json({"why": EVIL.replace("\ud800", "")})


def print_an_error() -> None:
    output.fail(EVIL)


@pytest.mark.parametrize(
    "show", [print_a_line, print_a_table, print_a_record, print_an_error]
)
def test_nothing_that_a_terminal_obeys_is_printed(
    show: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    if show is print_an_error:
        with pytest.raises(Exception, match="2"):
            show()
    else:
        show()
    printed = "".join(capfd.readouterr())
    assert _OBEYED.search(printed) is None
    if show is print_a_record:
        assert json.loads(printed) == {"why": EVIL.replace("\ud800", "")}
    else:
        assert "[red]:bomb:" in printed
        assert not any(line.startswith("error: all") for line in printed.splitlines())


def test_a_server_cannot_reach_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MAST is made to give the target such a name."""
    folder = write_archive(tmp_path / "archive")
    told = json.dumps(EVIL.replace("\ud800", ""))[1:-1].encode()
    answer = mast_server._json

    def forge(value: Any) -> Answer:
        answered = answer(value)
        assert isinstance(answered.body, bytes)
        return replace(answered, body=answered.body.replace(b"ORION", told))

    monkeypatch.setattr(mast_server, "_json", forge)
    with mast_server.mast_server(folder) as server:
        monkeypatch.setenv("REWEBB_MAST_URL", server.url)
        ended = CliRunner().invoke(app, ["search", "99021", "--archive", "mast"])
    assert ended.exit_code == 0, ended.output
    assert "owned" in ended.output
    assert _OBEYED.search(ended.output) is None


def test_a_folder_cannot_reach_the_terminal(tmp_path: Path) -> None:
    folder = tmp_path / ESC
    folder.mkdir()
    command = ["search", "99001", "--archive", str(folder)]
    ended = CliRunner().invoke(app, command)
    assert "owned" in ended.output
    assert _OBEYED.search(ended.output) is None
