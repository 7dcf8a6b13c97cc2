"""Ctrl-C in a real terminal, where it reaches every process of a command, and SIGTERM.

Today's shells send SIGINT to the whole foreground group: without care workers, servers
and jobs each print a traceback of their own.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from commands import Rewebb, find_processes, query, wait_until
from loopback import Fault, ScriptedFaults
from mast_server import mast_server
from small_files import name_exposure, write_small_files
from terminal import Terminal, in_terminal

MakeRewebb = Callable[..., Rewebb]

END_S = 20
"""How long a busy machine may take for two seconds."""


@pytest.fixture
def alone(rewebb: Rewebb) -> Rewebb:
    """Return the command no Prefect server: it starts one of its own."""
    return rewebb.given(PREFECT_API_URL="")


def a_job_runs(rewebb: Rewebb) -> bool:
    """Return whether a child is at work on a job."""
    return any((rewebb.data / "scratch/99002").glob("*/publish/job.log"))


def is_node(process: psutil.Process) -> bool:
    """Return whether a process is a Dask worker; a plan's has no folder to look for."""
    with suppress(psutil.Error):
        return "flows.execution.node" in process.cmdline()
    return False


def end(terminal: Terminal, stop: Callable[[], object]) -> str:
    """Stop a command, see all of its processes go, and give what was shown then."""
    below = terminal.list_below()
    before = len(terminal.get_text())
    stop()
    terminal.process.wait(END_S)
    psutil.wait_procs(below, timeout=END_S)
    assert [p for p in below if p.is_running() and p.status() != "zombie"] == []
    return terminal.get_text()[before:]


def assert_one_line(shown: str, word: str) -> None:
    """Check that nothing but one line stays; a terminal shows ^C itself.

    A progress bar that was drawn meanwhile is erased.
    """
    stays = [line.rpartition("\x1b[2K")[2] for line in shown.split("\n")]
    text = "\n".join(stays).replace("\x1b[?25h", "").replace("^C", "")
    assert text.strip() == f"{word}: run again to go on", shown


def test_ctrl_c_ends_a_run_in_one_line_and_leaves_nothing_behind(
    alone: Rewebb,
) -> None:
    with in_terminal(alone, "run", "99002") as terminal:
        wait_until(lambda: a_job_runs(alone))
        assert len(terminal.list_below()) >= 4  # server, worker, fork server, job
        shown = end(terminal, terminal.press_ctrl_c)
    assert terminal.process.returncode == 130
    assert_one_line(shown, "interrupted")
    assert query(alone.data, "select program from lease") == []
    assert query(alone.data, "select state from run") == [("CANCELLED",)]
    assert not find_processes(alone.data)


_INTERRUPTED_FINALIZER = """
import signal, time, weakref
from pathlib import Path
from flows.cli.interrupts import Interruptible

app = Interruptible()

class Freed: pass

@app.command()
def wait(cleaned: Path) -> None:
    freed = Freed()
    kept = weakref.ref(freed, lambda _: signal.raise_signal(signal.SIGINT))
    try:
        del freed
        time.sleep(20)
    finally:
        cleaned.touch()

app()
"""


def test_ctrl_c_in_a_finalizer_of_python_interrupts_the_command_all_the_same(
    tmp_path: Path,
) -> None:
    cleaned = tmp_path / "cleaned"
    command = [sys.executable, "-c", _INTERRUPTED_FINALIZER, str(cleaned)]
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=30, check=False
    )
    assert ended.returncode == 130
    assert ended.stderr == "interrupted: run again to go on\n"
    assert cleaned.exists()


_SLOW_CLEANUP = """
import os, signal, sys, time
from pathlib import Path
from flows.cli.interrupts import Interruptible

app = Interruptible()
load = float(sys.argv.pop()) * os.cpu_count()
os.getloadavg = lambda: (load, load, load)

@app.command()
def wait(cleaned: Path) -> None:
    try:
        signal.raise_signal(signal.SIGINT)
    finally:
        time.sleep(2.5)
        cleaned.touch()

app()
"""


@pytest.mark.parametrize(("load", "is_cleaned"), [(0.5, False), (4, True)])
def test_a_busy_machine_has_longer_to_clean_up(
    tmp_path: Path, load: float, *, is_cleaned: bool
) -> None:
    cleaned = tmp_path / "cleaned"
    command = [sys.executable, "-c", _SLOW_CLEANUP, str(cleaned), str(load)]
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=30, check=False
    )
    assert ended.returncode == 130
    assert cleaned.exists() is is_cleaned


@pytest.mark.slow
def test_a_second_ctrl_c_while_a_run_ends_changes_nothing(alone: Rewebb) -> None:
    def press_often() -> None:
        while terminal.process.poll() is None:
            terminal.press_ctrl_c()
            time.sleep(0.05)

    with in_terminal(alone, "run", "99002") as terminal:
        wait_until(lambda: query(alone.data, "select 1 from lease"))
        shown = end(terminal, press_often)
    assert terminal.process.returncode == 130
    assert_one_line(shown, "interrupted")


@pytest.mark.slow
def test_sigterm_ends_a_run_as_ctrl_c_does(rewebb: Rewebb) -> None:
    with in_terminal(rewebb, "run", "99002") as terminal:
        wait_until(lambda: a_job_runs(rewebb))
        pid = terminal.process.pid
        shown = end(terminal, lambda: os.kill(pid, signal.SIGTERM))
    assert terminal.process.returncode == 143
    assert_one_line(shown, "terminated")
    assert query(rewebb.data, "select program from lease") == []
    assert query(rewebb.data, "select state from run") == [("CANCELLED",)]


def test_ctrl_c_ends_a_plan_in_one_line(rewebb: Rewebb) -> None:
    with in_terminal(rewebb, "plan", "99002") as terminal:
        wait_until(lambda: any(map(is_node, terminal.list_below())))
        shown = end(terminal, terminal.press_ctrl_c)
    assert terminal.process.returncode == 130
    assert_one_line(shown, "interrupted")


@pytest.fixture
def hanging(rewebb: Rewebb) -> Iterator[Rewebb]:
    """Return the command with an archive of which one file never comes."""
    folder = rewebb.folder / "archive"
    write_small_files(folder, 3)
    with mast_server(folder) as mast:
        last = f"{name_exposure(2)}_uncal.fits"
        mast.loopback.faults = ScriptedFaults({last: [Fault.HANG]})
        yield rewebb.given(REWEBB_ARCHIVE="mast", REWEBB_MAST_URL=mast.url)


def test_ctrl_c_ends_a_fetch_in_one_line(hanging: Rewebb) -> None:
    with in_terminal(hanging, "fetch", "99100") as terminal:
        wait_until(lambda: len(list(hanging.data.glob("raw/*/v1/jw*.fits"))) == 2)
        shown = end(terminal, terminal.press_ctrl_c)
    assert terminal.process.returncode == 130
    assert_one_line(shown, "interrupted")


@pytest.mark.parametrize("arguments", [("sample", "make", "here"), ("demo",)])
def test_ctrl_c_ends_the_making_of_sample_programs_in_one_line(
    arguments: tuple[str, ...], rewebb: Rewebb
) -> None:
    with in_terminal(rewebb, *arguments) as terminal:
        wait_until(lambda: terminal.shown)
        shown = end(terminal, terminal.press_ctrl_c)
    assert terminal.process.returncode == 130
    assert_one_line(shown.strip().rsplit("\n", 1)[-1], "interrupted")
    assert "Traceback" not in shown
