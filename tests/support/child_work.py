"""Work for children of tests; a module that a child can import."""

import errno
import os
import resource
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from config.faults import FaultKind
from workers.child import make_sender
from workers.faults import strike

__all__ = [
    "Deadly",
    "add",
    "allocate_as_spec2",
    "allocate_too_much",
    "allocate_within",
    "burn",
    "fail_while_handling",
    "fill_memory",
    "leave",
    "let_burn",
    "list_flags",
    "list_variables",
    "map_too_much",
    "raise_error",
    "raise_unprintable",
    "raise_unstorable",
    "sleep_beside",
    "speak_of_memory",
    "start_child_that_sleeps",
    "stay_after_answering",
    "tell_and_answer",
]


class Deadly:
    """Kills the child that it is sent to."""

    def __reduce__(self) -> tuple[Callable[[FaultKind], None], tuple[FaultKind]]:
        """Be made again by dying."""
        return strike, (FaultKind.KILL_CHILD,)


def add(one: int, other: int) -> int:
    """Answer."""
    return one + other


def burn(seconds: float) -> int:
    """Use the processor for a while; tell who did."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
    return os.getpid()


def let_burn(seconds: float) -> float:
    """Let a child of its own use the processor for a while; tell how long it did."""
    code = f"import time\nwhile time.process_time() < {seconds}: pass"
    subprocess.run([sys.executable, "-c", code], check=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def remove_and_sleep(note: Path, seconds: float) -> None:
    """Remove a file, and sleep."""
    note.unlink()
    time.sleep(seconds)


def leave(code: int) -> None:
    """End without an answer."""
    sys.exit(code)


def list_variables() -> list[dict[str, str]]:
    """Return the environment now, and that with which the fork server was started."""
    started = Path(f"/proc/{os.getppid()}/environ").read_text().strip("\0").split("\0")
    return [dict(os.environ), dict(each.split("=", 1) for each in started)]


def list_flags() -> list[Any]:
    """Return what the interpreter was told to leave out or to warn of."""
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


def allocate_too_much() -> int:
    """Ask numpy for more than there is."""
    return np.ones(1 << 60, np.uint8).size


def allocate_within() -> int:
    """Raise something else for want of memory."""
    try:
        return allocate_too_much()
    except MemoryError as error:
        raise RuntimeError("The cube cannot be built.") from error


def fail_while_handling() -> int:
    """Raise something else while handling a want of memory."""
    try:
        return allocate_too_much()
    except MemoryError:
        return {}["no such key"]


def allocate_as_spec2() -> int:
    """Raise the text of a traceback, as `calwebb_spec2` does for its products."""
    try:
        return allocate_too_much()
    except MemoryError:
        failures = [traceback.format_exc()]
    raise RuntimeError("\n".join(failures))


def map_too_much() -> None:
    """Lack memory as the system tells it."""
    raise OSError(errno.ENOMEM, "Cannot allocate memory")


def speak_of_memory() -> None:
    """Raise what only speaks of it."""
    raise ValueError("There was no MemoryError: nothing was allocated.")


def raise_unstorable() -> None:
    """Raise text that neither JSON nor PostgreSQL can hold."""
    raise ValueError("a\0b\udc80c")


def stay_after_answering(answer: int) -> int:
    """Answer, but leave a thread behind that never ends."""
    threading.Thread(target=threading.Event().wait).start()
    return answer


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


def tell_and_answer(sender: Connection) -> str:
    """Tell more than a pipe holds unread, then answer."""
    tell = make_sender(sender)
    for number in range(1000):
        tell(f"{number:1000}")
    return "done"
