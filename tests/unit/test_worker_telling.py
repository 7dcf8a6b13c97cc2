from typing import NoReturn

import child_work
import pytest

from workers.child import listening, run_in_child


def refuse(_: object) -> NoReturn:
    raise BrokenPipeError("nobody reads it")


def test_work_in_a_child_goes_on_when_its_listener_has_gone() -> None:
    with listening(refuse) as sender:
        end = run_in_child(child_work.tell_and_answer, sender)
    assert end.answer == "done"


def test_a_listener_is_told_all_in_order(capfd: pytest.CaptureFixture[str]) -> None:
    heard: list[str] = []
    with listening(heard.append) as sender:
        end = run_in_child(child_work.tell_and_answer, sender)
    assert end.answer == "done"
    assert list(map(int, heard)) == list(range(1000))
    assert capfd.readouterr().err == ""
