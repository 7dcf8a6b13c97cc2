"""Makes go wrong in a job what a test asks for."""

import multiprocessing
import os
import signal
import threading
import time
from typing import NoReturn, assert_never

from config.faults import FaultKind

__all__ = ["EXIT_CODE", "strike"]

EXIT_CODE = 7
"""With which a process exits."""

_BITE_BYTES = 1 << 26
_PAUSE_S = 0.02


def strike(kind: FaultKind) -> None:
    """Let something go wrong in this process, the child of a worker.

    Raises
    ------
    RuntimeError
        It is asked for.
    """
    match kind:
        case FaultKind.EXIT:
            os._exit(EXIT_CODE)
        case FaultKind.RAISE:
            raise RuntimeError("A test has asked for this error.")
        case FaultKind.EAT_MEMORY:
            _eat()
        case FaultKind.HANG:
            threading.Event().wait()
        case FaultKind.KILL_CHILD:
            os.kill(os.getpid(), signal.SIGKILL)
        case FaultKind.KILL_WORKER:
            worker = multiprocessing.parent_process()
            assert worker is not None
            assert worker.pid is not None
            os.kill(worker.pid, signal.SIGKILL)
            threading.Event().wait()  # it takes this process with it
        case _:
            assert_never(kind)


def _eat() -> NoReturn:
    held = []
    while True:
        held.append(b"x" * _BITE_BYTES)  # zeros would take no memory yet
        time.sleep(_PAUSE_S)
