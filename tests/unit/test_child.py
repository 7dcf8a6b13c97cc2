import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import child_work
import psutil
import pytest

from workers.child import run_in_child
from workers.contract import ErrorInfo
from workers.run import _guarded

MIB = 1 << 20
PATIENCE_S = 60


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[tuple[psutil.Process, psutil.Process]]:
    """Give a process that waits for its child, and the child."""
    note = tmp_path / "pid"
    command = [sys.executable, child_work.__file__, str(note)]
    with subprocess.Popen(command) as process:
        try:
            wait_until(lambda: note.is_file() and note.read_text() != "")
            yield psutil.Process(process.pid), psutil.Process(int(note.read_text()))
        finally:
            process.kill()


def wait_until(is_true: object) -> None:
    end = time.monotonic() + PATIENCE_S
    while not is_true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def test_a_child_answers() -> None:
    end = run_in_child(child_work.add, 2, 3)
    assert (end.answer, end.exit_code, end.outgrew_limit) == (5, 0, False)


def test_a_child_is_another_process_and_its_time_is_measured() -> None:
    end = run_in_child(child_work.burn, 0.2)
    assert end.answer != os.getpid()
    assert end.cpu_s >= 0.2
    assert end.peak_bytes > MIB


def test_a_child_does_not_look_for_garbage_in_what_was_imported_before_it() -> None:
    assert run_in_child(gc.get_freeze_count).answer > 100_000


def test_a_child_keeps_memory_for_its_next_array_whatever_dask_sets() -> None:
    name = "MALLOC_TRIM_THRESHOLD_"
    code = "import os; from workers.child import run_in_child; "
    code += f"print(run_in_child(os.getenv, {name!r}).answer)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {name: "65536"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "None\n"


def test_an_exception_is_data_when_it_is_guarded() -> None:
    end = run_in_child(_guarded, child_work.raise_error, "It is odd.")
    assert isinstance(end.answer, ErrorInfo)
    assert (end.answer.type, end.answer.message) == ("ValueError", "It is odd.")
    assert "in raise_error" in end.answer.traceback


def test_an_exception_without_a_message_has_its_name() -> None:
    end = run_in_child(_guarded, child_work.raise_unprintable)
    assert end.answer.message == "RuntimeError"


def test_an_exception_ends_the_child_without_an_answer() -> None:
    end = run_in_child(child_work.raise_error, "It is odd.")
    assert end.answer is None
    assert end.exit_code != 0


def test_a_child_that_leaves_gives_no_answer() -> None:
    end = run_in_child(child_work.leave, 7)
    assert (end.answer, end.exit_code) == (None, 7)


def test_a_killed_child_is_not_the_death_of_its_parent() -> None:
    end = run_in_child(child_work.die)
    assert (end.answer, end.exit_code) == (None, -signal.SIGKILL)
    assert not end.outgrew_limit
    assert run_in_child(child_work.add, 1, 1).answer == 2


def test_a_child_that_outgrows_its_limit_is_ended() -> None:
    base = run_in_child(child_work.add, 1, 1).peak_bytes
    limit_bytes = base + 100 * MIB
    end = run_in_child(
        child_work.fill_memory, 300 * MIB, PATIENCE_S, limit_bytes=limit_bytes
    )
    assert end.outgrew_limit
    assert end.answer is None
    assert end.peak_bytes > limit_bytes


def test_a_child_within_its_limit_is_left_alone() -> None:
    end = run_in_child(
        child_work.fill_memory, 100 * MIB, 0.3, limit_bytes=64 * 1024 * MIB
    )
    assert end.answer == 100 * MIB
    assert end.peak_bytes > 100 * MIB


def test_a_child_dies_with_its_parent(
    parent: tuple[psutil.Process, psutil.Process],
) -> None:
    process, child = parent
    process.kill()
    wait_until(lambda: not child.is_running() or child.status() == "zombie")
