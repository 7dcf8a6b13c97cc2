"""Returns how far long work over many files is, a few times a second."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Self

from ..cache_contract import FileProgress

__all__ = ["Meter", "Tell"]

Tell = Callable[[FileProgress], None]
"""Is told how far it is."""

_EVERY_S = 0.1


class Meter:
    """Counts files and bytes, from any thread.

    Parameters
    ----------
    doing
        What goes on, in a few words.
    sizes
        Of the files, in bytes, by name.
    """

    def __init__(self, doing: str, tell: Tell, sizes: Mapping[str, int]) -> None:
        self._doing = doing
        self._tell = tell
        self._left_bytes = dict(sizes)
        self._total_bytes = sum(sizes.values())
        self._done = 0
        self._done_bytes = 0
        self._told_s = 0.0
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._tell_now()
        return self

    def __exit__(self, *_: object) -> None:
        self._tell_now()

    def add_bytes(self, name: str, count_bytes: int) -> None:
        """Count bytes of a file that is on its way."""
        with self._lock:
            self._add(name, count_bytes)

    def finish(self, name: str) -> None:
        """Count a file that is over, and those of its bytes that were not counted."""
        with self._lock:
            self._done += 1
            self._add(name, self._left_bytes[name])

    def _add(self, name: str, count_bytes: int) -> None:
        left_bytes = self._left_bytes[name]
        new_bytes = min(count_bytes, left_bytes)
        self._left_bytes[name] = left_bytes - new_bytes
        self._done_bytes += new_bytes
        if time.monotonic() - self._told_s >= _EVERY_S:
            self._tell_now()

    def _tell_now(self) -> None:
        self._told_s = time.monotonic()
        self._tell(
            FileProgress(
                self._doing,
                self._done,
                len(self._left_bytes),
                self._done_bytes,
                self._total_bytes,
            )
        )
