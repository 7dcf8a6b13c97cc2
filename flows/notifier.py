"""Listeners are called in a thread of their own, so that they can stop no run.

What a listener raises is logged, once until it works again, and the run goes on; nor
does the run wait for it.
"""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Generic, TypeVar

from .logs import get_logger

__all__ = ["Notifier"]

_News = TypeVar("_News")

_PATIENCE_S = 15.0
"""How long the end of a run waits for a listener that is still busy."""


class Notifier(Generic[_News]):
    """Passes news on to a listener, while the block goes on.

    Parameters
    ----------
    listener
        Called by one thread, in the context in which this was made.
    to
        Who that is, for the log.
    interval_s
        None to pass on all news, in order. With an interval, only the newest is passed
        on, not more often than that, and again until it succeeded or there is newer.
    """

    def __init__(
        self,
        listener: Callable[[_News], object],
        *,
        to: str,
        interval_s: float | None = None,
    ) -> None:
        self._listener = listener
        self._to = to
        self._interval_s = interval_s
        self._waiting: deque[_News] = deque(maxlen=None if interval_s is None else 1)
        self._context = copy_context()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="notifier")
        self._lock = threading.Lock()
        self._idle = threading.Event()
        self._idle.set()
        self._over = threading.Event()
        self._fails = False

    def __enter__(self) -> "Notifier[_News]":
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        self._over.set()
        is_interrupted = error is not None and not issubclass(error, Exception)
        self._idle.wait(0 if is_interrupted else _PATIENCE_S)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def __call__(self, news: _News) -> None:
        """Pass news on; this returns at once and raises nothing."""
        with self._lock:
            self._waiting.append(news)
            if self._idle.is_set() and not self._over.is_set():
                self._idle.clear()
                self._pass_on()

    def _pass_on(self) -> None:
        news, is_last = self._waiting.popleft(), self._over.is_set()
        told = self._pool.submit(self._context.run, self._listener, news)
        # Not a callback of `told`, which may be called here and now, by this thread.
        self._pool.submit(self._go_on, told, news, is_last=is_last)

    def _go_on(self, told: "Future[object]", news: _News, *, is_last: bool) -> None:
        failed = told.exception()
        self._log(failed)
        self._over.wait(self._interval_s or 0)
        with self._lock:
            again = failed is not None and self._interval_s is not None and not is_last
            if again and not self._waiting:
                self._waiting.append(news)
            if self._waiting:
                self._pass_on()
            else:
                self._idle.set()

    def _log(self, failed: BaseException | None) -> None:
        if failed is not None and not self._fails:
            why = f"{type(failed).__name__}: {failed}"
            get_logger().warning("telling.failed", to=self._to, error=why)
        elif failed is None and self._fails:
            get_logger().info("telling.resumed", to=self._to)
        self._fails = failed is not None
