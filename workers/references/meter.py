"""Tells how far long work over many files is, a few times a second."""

import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from ..cache_contract import ReferenceProgress

__all__ = ["Meter", "Tell"]

Tell = Callable[[ReferenceProgress], None]
"""Is told how far it is."""

_EVERY_S = 0.2


class Meter:
    """Counts files and bytes, from any thread.

    Parameters
    ----------
    doing
        What goes on, in a few words.
    sizes
        Of the files, in bytes.
    """

    def __init__(self, doing: str, tell: Tell, sizes: Sequence[int]) -> None:
        self._doing = doing
        self._tell = tell
        self._total = len(sizes)
        self._total_bytes = sum(sizes)
        self._done = 0
        self._done_bytes = 0
        self._told_s = 0.0
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._tell_now()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._tell_now()

    def add_bytes(self, count: int) -> None:
        """Count bytes of a file that is on its way."""
        with self._lock:
            self._done_bytes += count
            self._tell_sometimes()

    def finish(self, size_bytes: int = 0) -> None:
        """Count a file, and those of its bytes that were not counted yet."""
        with self._lock:
            self._done += 1
            self._done_bytes += size_bytes
            self._tell_sometimes()

    def _tell_sometimes(self) -> None:
        if time.monotonic() - self._told_s >= _EVERY_S:
            self._tell_now()

    def _tell_now(self) -> None:
        self._told_s = time.monotonic()
        self._tell(
            ReferenceProgress(
                self._doing,
                self._done,
                self._total,
                self._done_bytes,
                self._total_bytes,
            )
        )
