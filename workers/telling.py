"""What long work in a child process tells while it goes on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from threading import Thread
from typing import Any

__all__ = ["listening", "make_tell"]

_PATIENCE_S = 2.0
"""How long a child may hold its end open after its work."""


@contextmanager
def listening(listener: Callable[[Any], None] | None) -> Iterator[Connection | None]:
    """Pass on what a child sends; gives the end of the pipe that the child takes.

    Parameters
    ----------
    listener
        Called in a thread of its own; None, and there is no pipe.
    """
    if listener is None:
        yield None
        return
    receiver, sender = Pipe(duplex=False)
    thread = Thread(target=_pass_on, args=(receiver, listener), daemon=True)
    thread.start()
    try:
        yield sender
    finally:
        sender.close()
        thread.join(_PATIENCE_S)


def make_tell(sender: Connection | None) -> Callable[[Any], None]:
    """Make what the work in the child calls; that nobody listens is no matter of it."""

    def tell(message: object) -> None:
        if sender is not None:
            with suppress(OSError):
                sender.send(message)

    return tell


def _pass_on(receiver: Connection, listener: Callable[[Any], None]) -> None:
    with receiver, suppress(EOFError, OSError):
        while True:
            listener(receiver.recv())
