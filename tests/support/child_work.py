"""Work for children of tests; a module that a child can import."""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

__all__ = [
    "add",
    "burn",
    "die",
    "fill_memory",
    "leave",
    "list_flags",
    "list_variables",
    "raise_error",
    "raise_unprintable",
    "sleep_beside",
    "start_child_that_sleeps",
]


def add(one: int, other: int) -> int:
    """Answer."""
    return one + other


def burn(seconds: float) -> int:
    """Use the processor for a while; tell who did."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
    return os.getpid()


def die() -> None:
    """End as by ``kill -9``."""
    os.kill(os.getpid(), signal.SIGKILL)


def leave(code: int) -> None:
    """End without an answer."""
    sys.exit(code)


def list_variables() -> list[dict[str, str]]:
    """Give the environment now, and that with which the fork server was started."""
    started = Path(f"/proc/{os.getppid()}/environ").read_text().strip("\0").split("\0")
    return [dict(os.environ), dict(each.split("=", 1) for each in started)]


def list_flags() -> list[Any]:
    """Give what the interpreter was told to leave out or to warn of."""
    return [sys.flags.optimize, sys.warnoptions]


def raise_error(message: str) -> None:
    """Raise."""
    raise ValueError(message)


def raise_unprintable() -> None:
    """Raise what has no message."""
    raise RuntimeError


def fill_memory(size_bytes: int, seconds: float) -> int:
    """Hold memory for a while."""
    held = np.ones(size_bytes, np.uint8)
    time.sleep(seconds)
    return held.size


def sleep_beside(note: str) -> None:
    """Leave a note with the process id, and sleep."""
    Path(note).write_text(str(os.getpid()))
    time.sleep(600)


def start_child_that_sleeps(note: str) -> None:
    """Be the parent of a child that sleeps."""
    from workers.child import run_in_child  # only in the parent

    run_in_child(sleep_beside, note)


if __name__ == "__main__":
    from child_work import start_child_that_sleeps as start

    start(sys.argv[1])
