import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import child_work
import psutil
import pytest
from outcomes import make_job

from config.faults import FaultKind
from workers.cache_contract import PrefetchRequest, VerifyRequest
from workers.calls import (
    hash_files,
    prefetch_references,
    resolve_jobs,
    verify_references,
)
from workers.child import Cut, run_in_child, set_leaving
from workers.contract import (
    CHILD_LOST,
    ErrorInfo,
    ResolveRequest,
    Status,
    TimeLimits,
)
from workers.faults import strike
from workers.run import (
    _Answer,
    _judge,
    guarded,
)

MIB = 1 << 20
PATIENCE_S = 60


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[tuple[psutil.Process, psutil.Process]]:
    """Return a process that waits for its child, and the child."""
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
    assert (end.answer, end.exit_code, end.cut) == (5, 0, None)


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


def test_an_exception_is_data_when_it_isguarded() -> None:
    end = run_in_child(guarded, child_work.raise_error, "It is odd.")
    assert isinstance(end.answer, ErrorInfo)
    assert (end.answer.type, end.answer.message) == ("ValueError", "It is odd.")
    assert "in raise_error" in end.answer.traceback


def test_an_exception_without_a_message_has_its_name() -> None:
    end = run_in_child(guarded, child_work.raise_unprintable)
    assert end.answer.message == "RuntimeError"


def test_an_exception_ends_the_child_without_an_answer() -> None:
    end = run_in_child(child_work.raise_error, "It is odd.")
    assert end.answer is None
    assert end.exit_code != 0


def test_a_child_that_leaves_gives_no_answer() -> None:
    end = run_in_child(child_work.leave, 7)
    assert (end.answer, end.exit_code) == (None, 7)


def test_a_killed_child_is_not_the_death_of_its_parent() -> None:
    end = run_in_child(strike, FaultKind.KILL_CHILD)
    assert (end.answer, end.exit_code) == (None, -signal.SIGKILL)
    assert end.cut is None
    assert run_in_child(child_work.add, 1, 1).answer == 2


DEADLY = (child_work.Deadly(),)


@pytest.mark.parametrize(
    ("work", "request_"),
    [
        (resolve_jobs, ResolveRequest(DEADLY, None, "crds")),
        (prefetch_references, PrefetchRequest(DEADLY, None, "crds", None)),
        (verify_references, VerifyRequest("crds", None, None, known=DEADLY)),
        (hash_files, DEADLY),
    ],
    ids=["resolve", "prefetch", "verify", "hash"],
)
def test_work_whose_child_is_killed_says_so(
    work: Callable[[object], object], request_: object
) -> None:
    answer = work(request_)
    assert isinstance(answer, ErrorInfo)
    assert answer.type == CHILD_LOST
    assert str(-signal.SIGKILL) in answer.message


@pytest.mark.parametrize(
    "work",
    [
        child_work.allocate_too_much,
        child_work.allocate_within,
        child_work.fail_while_handling,
        child_work.allocate_as_spec2,
        child_work.map_too_much,
    ],
)
def test_want_of_memory_has_one_name_however_it_is_raised(
    work: Callable[[], object],
) -> None:
    end = run_in_child(guarded, work)
    error = end.answer
    assert error.type == "MemoryError"
    answered = replace(end, answer=_Answer(error=error))
    _, status = _judge(make_job(), answered, granted_bytes=1 << 40)
    assert status is Status.OUT_OF_MEMORY


def test_an_error_that_only_speaks_of_memory_is_none() -> None:
    assert run_in_child(guarded, child_work.speak_of_memory).answer.type == (
        "ValueError"
    )


def test_a_job_that_somebody_else_kills_is_out_of_memory() -> None:
    answer, status = _judge(
        make_job(), run_in_child(strike, FaultKind.KILL_CHILD), 1 << 40
    )
    assert status is Status.OUT_OF_MEMORY
    assert answer.error is not None
    assert f"of the {1 << 40} bytes" in answer.error.message


@pytest.mark.parametrize("code", [1, 137])
def test_a_job_that_leaves_by_itself_is_lost(code: int) -> None:
    _, status = _judge(make_job(), run_in_child(child_work.leave, code), 1 << 40)
    assert status is Status.LOST


def test_an_error_is_told_in_text_that_can_be_stored() -> None:
    error = run_in_child(guarded, child_work.raise_unstorable).answer
    assert error.message == r"a\x00b\udc80c"
    assert "\0" not in error.traceback
    error.traceback.encode()


def test_an_answer_counts_though_the_child_does_not_end() -> None:
    end = run_in_child(child_work.stay_after_answering, 7)
    assert (end.answer, end.exit_code) == (7, -signal.SIGKILL)


def test_a_child_that_outgrows_its_limit_is_ended() -> None:
    base = run_in_child(child_work.add, 1, 1).peak_bytes
    limit_bytes = base + 100 * MIB
    end = run_in_child(
        child_work.fill_memory, 300 * MIB, PATIENCE_S, limit_bytes=limit_bytes
    )
    assert end.cut is Cut.MEMORY
    assert end.answer is None
    assert end.peak_bytes > limit_bytes


def test_a_child_within_its_limit_is_left_alone() -> None:
    end = run_in_child(
        child_work.fill_memory, 100 * MIB, 0.3, limit_bytes=64 * 1024 * MIB
    )
    assert end.answer == 100 * MIB
    assert end.peak_bytes > 100 * MIB


def test_a_child_that_uses_no_processor_is_ended() -> None:
    end = run_in_child(time.sleep, PATIENCE_S, limits=TimeLimits(stall_s=1.5))
    assert (end.cut, end.answer) == (Cut.STALL, None)
    _, status = _judge(make_job(), end, 1 << 40)
    assert status is Status.TIMED_OUT


def test_a_child_whose_own_child_works_is_not_ended() -> None:
    end = run_in_child(child_work.let_burn, 6.0, limits=TimeLimits(stall_s=3))
    assert (end.cut, end.exit_code) == (None, 0)
    assert end.answer >= 6


def test_a_child_that_takes_too_long_is_ended_with_its_own_child() -> None:
    limits = TimeLimits(elapsed_s=1.5)
    end = run_in_child(child_work.let_burn, PATIENCE_S, limits=limits)
    assert end.cut is Cut.TIME
    below = psutil.Process().children(recursive=True)
    assert [p for p in below if "process_time" in " ".join(p.cmdline())] == []


def test_a_child_of_a_worker_that_leaves_is_ended() -> None:
    set_leaving(is_leaving=True)
    try:
        end = run_in_child(time.sleep, PATIENCE_S)
    finally:
        set_leaving(is_leaving=False)
    assert end.cut is Cut.LEAVING
    _, status = _judge(make_job(), end, 1 << 40)
    assert status is Status.PREEMPTED


def test_a_child_ends_when_nobody_wants_it_any_more(tmp_path: Path) -> None:
    note = tmp_path / "note"
    note.touch()
    end = run_in_child(child_work.remove_and_sleep, note, PATIENCE_S, wanted=note)
    assert end.cut is Cut.UNWANTED
    assert end.elapsed_s < PATIENCE_S


def test_a_child_dies_with_its_parent(
    parent: tuple[psutil.Process, psutil.Process],
) -> None:
    process, child = parent
    process.kill()
    wait_until(lambda: not child.is_running() or child.status() == "zombie")


def test_a_child_does_not_run_the_main_module_of_its_worker_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    main = tmp_path / "main.py"
    main.write_text("raise AssertionError")
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(main), raising=False)
    assert run_in_child(child_work.add, 2, 3).answer == 5
