"""Ctrl-C and SIGTERM end a command and its processes in two seconds, with one line.

On a machine with more to do than processors it takes longer, in proportion.

The first signal interrupts the command, which closes its cluster, tells the database
and lets go of its lease. A thread that watches ends it when that is done, or when it
takes too long; what is left of the command is below it, and is killed.
"""

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

import psutil
import typer

from ..companions import kill_below

__all__ = ["Interruptible", "count_lines_with", "end_at_once"]

_LIMIT_S = 1.5
"""How long a command may take to clean up on a machine with a free processor."""

_MOST = 10
"""How many times that at most."""

_AGAIN_S = 0.01
"""How long a finalizer that was interrupted may take to end."""

_SIGNALS: Final = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}

_ERASE: Final = "\r\x1b[2K"
"""Erases a line of a terminal, such as a progress bar."""

_UP: Final = "\x1b[1A"

_SHOW_CURSOR: Final = "\x1b[?25h"

_counters: list[Callable[[], int]] = []

_at_once = threading.Event()


def end_at_once() -> None:
    """Let the command end without the threads that wait for a server that is away.

    Prefect asks for minutes, at the exit of a process, for somebody to take the events
    that it still has.
    """
    _at_once.set()


def count_lines_with(counter: Callable[[], int]) -> None:
    """Erase as many lines as counted when the command is interrupted."""
    _counters[:] = [counter]


def _find_limit_s() -> float:
    """Find how long a command may take to clean up: longer where it waits its turn.

    A run that is killed before it could tell the database keeps its lease for minutes.
    """
    waiting = os.getloadavg()[0] / (os.cpu_count() or 1)
    return _LIMIT_S * min(max(1.0, waiting), _MOST)


class Interruptible(typer.Typer):
    """A command line that signals end."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command of `sys.argv`, and exit."""
        watch = _Watch()
        try:
            return super().__call__(*args, **kwargs)
        except SystemExit as end:
            if _at_once.is_set() and isinstance(end.code, int):
                sys.stdout.flush()
                kill_below(psutil.Process())
                os._exit(end.code)
            raise
        finally:
            watch.end_if_signalled()


class _Signalled(SystemExit):
    """Ends the main thread after a signal."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.number = number


class _Watch:
    """Waits for the first signal; stays until the process is over."""

    def __init__(self) -> None:
        self._seen = threading.Event()
        self._raised = False
        self._cleaned = threading.Event()
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # of nohup, say
                signal.signal(number, self._interrupt)
        self._main = threading.get_ident()
        self._unraisable = sys.unraisablehook
        sys.unraisablehook = self._raise_again
        self._thread = threading.Thread(target=self._watch, name="watch", daemon=True)
        self._thread.start()

    def end_if_signalled(self) -> None:
        """End the process now, if there was a signal."""
        if self._seen.is_set():
            self._cleaned.set()
            self._thread.join()

    def _interrupt(self, number: int, _: FrameType | None) -> None:
        """Unwind the main thread, once: the second Ctrl-C must not stop the cleanup."""
        self._seen.set()
        if not self._raised:
            self._raised = True
            raise _Signalled(number)

    def _raise_again(self, ignored: "sys.UnraisableHookArgs") -> None:
        """Signal again if a finalizer was interrupted: Python ignores it."""
        signalled = ignored.exc_value
        if not isinstance(signalled, _Signalled):
            self._unraisable(ignored)
            return
        self._raised = False
        send = (self._main, signalled.number)
        again = threading.Timer(_AGAIN_S, signal.pthread_kill, send)
        again.daemon = True
        again.start()

    def _watch(self) -> None:
        """See signals at once, whoever else handles them, whatever the command does."""
        number = 0
        while number not in _SIGNALS:
            number = self._reader.recv(1)[0]
        self._seen.set()
        _say_and_be_silent(f"{_SIGNALS[signal.Signals(number)]}: run again to go on")
        self._cleaned.wait(_find_limit_s())
        kill_below(psutil.Process())
        os._exit(128 + number)


def _say_and_be_silent(text: str) -> None:
    """Print the last line, and silence what other threads would print after it."""
    erase = ""
    if sys.stderr.isatty():
        lines = min(sum(count() for count in _counters), os.get_terminal_size(2).lines)
        erase = _ERASE + (_UP + _ERASE) * (lines - 1) + _SHOW_CURSOR
    stderr = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    os.write(stderr, f"{erase}{text}\n".encode())
