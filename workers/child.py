"""One piece of work in one child process: watched, and never the death of its parent.

Children are forked from a server process that has imported the calibration code
already, so a job starts in a fraction of a second and its memory is given back when
it ends. Server and children have an environment of their own (`environment`). A child
dies with its server and with the worker that asked for it; the server ends when worker
and children are gone.

A child is ended, with what it has started, when it outgrows its memory, makes no
progress, or takes too long; when its worker leaves; and when its run is over.
"""

import ctypes
import multiprocessing
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import psutil

from .contract import TimeLimits
from .environment import is_restarted

__all__ = [
    "ChildEnd",
    "Cut",
    "listening",
    "make_sender",
    "run_in_child",
    "set_leaving",
]

_PRELOAD = ["workers.restart", "workers.stages.preload", "workers.calls"]
_POLL_S = 0.05
_LOOK_S = 1.0
"""Between two looks at all processes of a job, and at whether it is still wanted."""
_PROGRESS_S = 0.1
"""CPU time in which its processes have made progress: what merely waits and wakes up
uses less of it in minutes."""
_SEARCH_S = 0.5
"""How often descendants of a child are looked for."""
_FAREWELL_S = 5.0
"""How long a child may take to end once it has answered."""
_LAST_NEWS_S = 2.0
"""How long a child may hold its end of the pipe open after its work."""
_PR_SET_PDEATHSIG = 1


_leaving = threading.Event()


def set_leaving(*, is_leaving: bool) -> None:
    """Say whether this worker leaves on purpose: then it ends all of its children."""
    if is_leaving:
        _leaving.set()
    else:
        _leaving.clear()


class Cut(StrEnum):
    """Why a child was ended from outside."""

    MEMORY = "MEMORY"
    """Its memory passed the limit."""
    STALL = "STALL"
    """Its processes used no processor for too long."""
    TIME = "TIME"
    """It took too long."""
    LEAVING = "LEAVING"
    """Its worker leaves on purpose."""
    UNWANTED = "UNWANTED"
    """The file that it was to go on with is not there any more."""


@dataclass(frozen=True, slots=True)
class ChildEnd:
    """How a child ended."""

    answer: Any
    """What the work returned; None when the child gave no answer."""
    exit_code: int
    """Exit code; minus the signal number when a signal ended it."""
    elapsed_s: float
    """Wall time."""
    cpu_s: float
    """User and system time."""
    peak_bytes: int
    """Largest resident memory of the child and of its descendants, together."""
    cut: Cut | None
    """Why it was ended from outside; None if it ended by itself, or somebody else has
    ended it."""


def run_in_child(
    work: Callable[..., Any],
    *args: Any,
    limit_bytes: int | None = None,
    limits: TimeLimits | None = None,
    wanted: Path | None = None,
) -> ChildEnd:
    """Run a function in a child process and wait for its end.

    Parameters
    ----------
    work
        A function of a module, with picklable arguments and answer. What it raises
        ends the child without an answer.
    limit_bytes
        Resident memory past which the child is ended, or None for no limit.
    limits
        Time after which it is ended, if any.
    wanted
        File without which it is ended.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOAD)
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_main, args=(sender, work, args))
    started = time.monotonic()
    process.start()
    sender.close()
    with receiver:
        watch = _Watch(process, limit_bytes, limits or TimeLimits(), wanted)
        message = watch.wait_for(receiver)
        process.join(_FAREWELL_S)
        if process.is_alive():  # a thread of it, or an exit handler, does not end
            process.kill()
            process.join()
    answer, cpu_s, peak_bytes = message or (None, watch.cpu_s, 0)
    end = ChildEnd(
        answer=answer,
        exit_code=process.exitcode or 0,
        elapsed_s=time.monotonic() - started,
        cpu_s=cpu_s,
        peak_bytes=max(peak_bytes, watch.peak_bytes),
        cut=watch.cut,
    )
    process.close()
    return end


@contextmanager
def listening(listener: Callable[[Any], None] | None) -> Iterator[Connection | None]:
    """Pass on what a child sends; gives the end of the pipe that the child takes.

    Parameters
    ----------
    listener
        Called in a thread of its own; without one there is no pipe.
    """
    if listener is None:
        yield None
        return
    receiver, sender = multiprocessing.Pipe(duplex=False)
    thread = threading.Thread(target=_pass_on, args=(receiver, listener), daemon=True)
    thread.start()
    try:
        yield sender
    finally:
        sender.close()
        thread.join(_LAST_NEWS_S)


def make_sender(sender: Connection | None) -> Callable[[Any], None]:
    """Make what the child calls with its progress; it works without a listener, too."""

    def send(message: object) -> None:
        if sender is not None:
            with suppress(OSError):
                sender.send(message)

    return send


def _pass_on(receiver: Connection, listener: Callable[[Any], None]) -> None:
    with receiver, suppress(EOFError, OSError):
        while True:
            listener(receiver.recv())


class _Watch:
    """Samples a child until it answers or ends, and ends it when it must."""

    def __init__(
        self,
        process: BaseProcess,
        limit_bytes: int | None,
        limits: TimeLimits,
        wanted: Path | None,
    ) -> None:
        self.peak_bytes = 0
        self.cpu_s = 0.0
        self.cut: Cut | None = None
        self._process = process
        self._limit_bytes = limit_bytes
        self._limits = limits
        self._wanted = wanted
        self._looked_s = time.monotonic()
        self._elapsed_s = 0.0
        self._stalled_s = 0.0
        self._own_cpu_s = 0.0
        self._tree_cpu_s = 0.0
        self._descendants: list[psutil.Process] = []
        self._next_search_s = 0.0

    def wait_for(self, receiver: Connection) -> tuple[Any, float, int] | None:
        """Wait for the answer; None when the child ends without one."""
        while not receiver.poll(_POLL_S):
            self._sample()
        try:
            message: tuple[Any, float, int] = receiver.recv()
        except (EOFError, OSError):  # none, or half of one
            return None
        return message

    def _sample(self) -> None:
        try:
            child = psutil.Process(self._process.pid)
            times = child.cpu_times()
            self.cpu_s = times.user + times.system
            resident = child.memory_info().rss
            if time.monotonic() >= self._next_search_s:
                # Listing processes costs more than all the rest on a busy node.
                self._next_search_s = time.monotonic() + _SEARCH_S
                self._descendants = _list_below(child)
        except psutil.NoSuchProcess:
            return
        for descendant in self._descendants:
            with suppress(psutil.NoSuchProcess):
                resident += descendant.memory_info().rss
        self.peak_bytes = max(self.peak_bytes, resident)
        if self._limit_bytes is not None and resident > self._limit_bytes:
            self._end(child, Cut.MEMORY)
        elif _leaving.is_set():
            self._end(child, Cut.LEAVING)
        elif time.monotonic() - self._looked_s >= _LOOK_S:
            self._look(child)

    def _look(self, child: psutil.Process) -> None:
        """Look at all processes of the child, and at whether it is still wanted."""
        # A worker that was stopped for an hour, with its child, has watched no hour.
        passed_s = min(time.monotonic() - self._looked_s, 2 * _LOOK_S)
        self._looked_s = time.monotonic()
        self._elapsed_s += passed_s
        self._stalled_s += passed_s
        if self._has_progressed(child):
            self._stalled_s = 0.0
        if _is_past(self._stalled_s, self._limits.stall_s):
            self._end(child, Cut.STALL)
        elif _is_past(self._elapsed_s, self._limits.elapsed_s):
            self._end(child, Cut.TIME)
        elif self._wanted is not None and not _is_there(self._wanted):
            self._end(child, Cut.UNWANTED)

    def _has_progressed(self, child: psutil.Process) -> bool:
        """Look whether the child, or what it has started, has worked since it had."""
        if self.cpu_s - self._own_cpu_s >= _PROGRESS_S:
            self._own_cpu_s = self.cpu_s
            return True
        used_s = _sum_cpu_s(child)  # costs more: looks at all processes there are
        # It is less when a process is gone that nobody has waited for.
        if 0 <= used_s - self._tree_cpu_s < _PROGRESS_S:
            return False
        self._tree_cpu_s = used_s
        return True

    def _end(self, child: psutil.Process, cut: Cut) -> None:
        """End the child with all that it has started; the first reason counts."""
        self.cut = self.cut or cut
        for process in (*_list_below(child), child):
            with suppress(psutil.NoSuchProcess):
                process.kill()


def _is_past(time_s: float, limit_s: float | None) -> bool:
    return limit_s is not None and time_s > limit_s


def _is_there(path: Path) -> bool:
    """Look at a file by opening it, for which NFS asks its server anew."""
    try:
        path.open().close()
    except FileNotFoundError:
        return False
    except OSError:  # a file system that is away for a while says nothing
        return True
    return True


def _list_below(child: psutil.Process) -> list[psutil.Process]:
    try:
        found: list[psutil.Process] = child.children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return found


def _sum_cpu_s(child: psutil.Process) -> float:
    """Sum what a child and all processes below it have used, with those that ended."""
    used_s = 0.0
    for process in (child, *_list_below(child)):
        with suppress(psutil.NoSuchProcess):
            used_s += sum(process.cpu_times()[:4])  # user and system, and of children
    return used_s


def _main(sender: Connection, work: Callable[..., Any], args: tuple[Any, ...]) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=_die_with_worker, daemon=True).start()
    if not is_restarted():
        sys.exit(
            "Something else started the fork server of this process before the first "
            "job, with its own environment; start workers of Rewebb alone."
        )
    answer = work(*args)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = usage.ru_utime + usage.ru_stime
    sender.send((answer, cpu_s, usage.ru_maxrss * 1024))
    sender.close()


def _die_with_worker() -> None:
    """End this process with the worker: the fork server outlives it while we live."""
    worker = multiprocessing.parent_process()
    assert worker is not None
    worker.join()
    os.kill(os.getpid(), signal.SIGKILL)
