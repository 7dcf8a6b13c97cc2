"""One piece of work in one child process: watched, and never the death of its parent.

Children are forked from a server process that has imported the calibration code
already, so a job starts in a fraction of a second and its memory is given back when
it ends. Server and children have an environment of their own (`environment`). A child
dies with its server and with the worker that asked for it; the server ends when worker
and children are gone.
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
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import psutil

from .environment import is_restarted

__all__ = ["ChildEnd", "listening", "make_sender", "run_in_child"]

_PRELOAD = ["workers.restart", "workers.stages.preload", "workers.run"]
_POLL_S = 0.05
_FAREWELL_S = 5.0
"""How long a child may take to end once it has answered."""
_LAST_NEWS_S = 2.0
"""How long a child may hold its end of the pipe open after its work."""
_PR_SET_PDEATHSIG = 1


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
    """Largest resident memory."""
    outgrew_limit: bool
    """Whether it was ended because its memory passed the limit."""


def run_in_child(
    work: Callable[..., Any], *args: Any, limit_bytes: int | None = None
) -> ChildEnd:
    """Run a function in a child process and wait for its end.

    Parameters
    ----------
    work
        A function of a module, with picklable arguments and answer. What it raises
        ends the child without an answer.
    limit_bytes
        Resident memory past which the child is ended, or None for no limit.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOAD)
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_main, args=(sender, work, args))
    started = time.monotonic()
    process.start()
    sender.close()
    with receiver:
        watch = _Watch(process, limit_bytes)
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
        outgrew_limit=watch.outgrew_limit,
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
    """Samples the memory of a child until it answers or ends."""

    def __init__(self, process: BaseProcess, limit_bytes: int | None) -> None:
        self.peak_bytes = 0
        self.cpu_s = 0.0
        self.outgrew_limit = False
        self._process = process
        self._limit_bytes = limit_bytes

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
        except psutil.NoSuchProcess:
            return
        self.peak_bytes = max(self.peak_bytes, resident)
        if self._limit_bytes is not None and resident > self._limit_bytes:
            self.outgrew_limit = True
            self._process.kill()


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
