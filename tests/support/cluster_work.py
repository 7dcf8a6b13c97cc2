"""Work for Dask workers of tests; a module that a worker can import."""

import os
import signal
import time
from pathlib import Path

from distributed import get_worker

from workers.contract import CHILD_LOST, ErrorInfo

__all__ = [
    "OddError",
    "answer_name",
    "die_once_read",
    "die_until",
    "lose_child_until",
    "raise_odd",
    "tell_worker",
]

_PATIENCE_S = 30.0
"""How long a call waits for a file."""


class OddError(Exception):
    """Can be sent to another process, but not be made there."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(first)
        self.second = second

    def __reduce__(self) -> tuple[type, tuple[str]]:
        """Forget an argument."""
        return type(self), (str(self),)


def answer_name(path: Path) -> str:
    """Answer."""
    return path.name


def raise_odd(path: Path) -> str:
    """Raise what cannot be made again elsewhere."""
    raise OddError(path.name, "odd")


def die_until(path: Path) -> str:
    """Kill the worker, as often as the name of the file says."""
    if _count(path) <= int(path.stem.split("-")[1]):
        os.kill(os.getpid(), signal.SIGKILL)
    return path.name


def die_once_read(path: Path) -> str:
    """Answer; the first call for ``first`` kills the worker once ``read`` is there."""
    if _count(path) == 1 and path.name == "first":
        _wait_for(path.with_name("read"))
        os.kill(os.getpid(), signal.SIGKILL)
    return path.name


def tell_worker(path: Path) -> None:
    """Note the worker, and wait until ``go`` is there."""
    with path.open("a") as stream:
        stream.write(f"{get_worker().name}\n")
    _wait_for(path.with_name("go"))


def lose_child_until(path: Path) -> str | ErrorInfo:
    """Lose the child, as often as the name of the file says."""
    if _count(path) <= int(path.stem.split("-")[1]):
        return ErrorInfo(CHILD_LOST, "The child ended.", "")
    return path.name


def _wait_for(path: Path) -> None:
    end_s = time.monotonic() + _PATIENCE_S
    while not path.exists() and time.monotonic() < end_s:
        time.sleep(0.02)


def _count(path: Path) -> int:
    """Count the calls for a file."""
    with path.open("a") as stream:
        stream.write("x")
    return path.stat().st_size
