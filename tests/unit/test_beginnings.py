"""What is left of an attempt whose worker went away, and that begins again."""

import json
import socket
from pathlib import Path

from outcomes import make_job, make_outcome

from workers.beginnings import begin, find_beginning, find_earlier_end, get_scratch
from workers.contract import Status, to_json
from workers.job_layout import OUTCOME_NAME, get_attempt_folder, get_store_folder

JOB = make_job()


def find(data: Path) -> str | None:
    return find_earlier_end(
        JOB, attempt="one", data_dir=data, granted_bytes=9, patience_s=0.2
    )


def begin_in(data: Path) -> Path:
    scratch = get_scratch(data, JOB.program, "one")
    begin(scratch, "node-a")
    return scratch


def write_outcome(folder: Path, status: Status) -> str:
    text = to_json(make_outcome(JOB, attempt="one", status=status))
    folder.mkdir(parents=True)
    (folder / OUTCOME_NAME).write_text(text)
    return text


def test_a_first_beginning_has_none_before(tmp_path: Path) -> None:
    assert find(tmp_path) is None


def test_an_attempt_that_begins_again_was_lost_where_it_began(tmp_path: Path) -> None:
    scratch = begin_in(tmp_path)
    lost = json.loads(find(tmp_path) or "")
    assert (lost["status"], lost["host"]) == ("LOST", socket.gethostname())
    assert (lost["node"], lost["usage"]["granted_bytes"]) == ("node-a", 9)
    assert not scratch.exists()


def test_an_attempt_that_a_leaving_worker_has_ended_says_so(tmp_path: Path) -> None:
    begin_in(tmp_path)
    folder = tmp_path / get_attempt_folder(JOB.fingerprint, "one")
    assert write_outcome(folder, Status.PREEMPTED) == find(tmp_path)


def test_an_attempt_whose_products_are_there_is_left_to_them(tmp_path: Path) -> None:
    begin_in(tmp_path)
    write_outcome(tmp_path / get_store_folder(JOB.fingerprint), Status.SUCCEEDED)
    assert find(tmp_path) is None


def test_half_a_note_is_none(tmp_path: Path) -> None:
    scratch = begin_in(tmp_path)
    (scratch / "begun.json").write_text('["host"')
    assert find_beginning(scratch) is None
