"""Threads that ask an archive, and that stop when nobody waits for them any more."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from workers.transfer import Pacing

__all__ = ["Crew", "StoppedError", "assembled"]

_Given = ParamSpec("_Given")
_Answer = TypeVar("_Answer")


class StoppedError(Exception):
    """Nobody waits any more; what is here already is kept."""


class Crew:
    """Some threads, and what stops them."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._over = threading.Event()
        self.pacing = Pacing(sleep=self._sleep)

    def submit(
        self,
        work: Callable[_Given, _Answer],
        *args: _Given.args,
        **kwargs: _Given.kwargs,
    ) -> Future[_Answer]:
        """Let a thread do something."""
        return self._pool.submit(work, *args, **kwargs)

    def check(self) -> None:
        """Raise `StoppedError` if nobody waits any more."""
        if self._over.is_set():
            raise StoppedError

    def dismiss(self) -> None:
        """Stop: what has not begun never does, and nobody sleeps on."""
        self._over.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _sleep(self, seconds: float) -> None:
        if self._over.wait(seconds):
            raise StoppedError


@contextmanager
def assembled(threads: int) -> Iterator[Crew]:
    """Keep threads until the block is left, be it by Ctrl-C."""
    with ThreadPoolExecutor(threads) as pool:
        crew = Crew(pool)
        try:
            yield crew
        finally:
            crew.dismiss()
