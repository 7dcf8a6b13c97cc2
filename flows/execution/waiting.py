"""A cluster without workers is a state, which is told now and then."""

from typing import Final

__all__ = ["Waiting"]

_FIRST_S: Final = 20.0
"""After which it is told for the first time: workers take some seconds to start."""

_AGAIN_S: Final = 60.0


class Waiting:
    """Says how long there has been no worker.

    Parameters
    ----------
    most
        Workers at most; None where others start them.
    """

    def __init__(self, most: int | None) -> None:
        self._of = "" if most is None else f" of {most}"
        self._since_s: float | None = None
        self._next_s = 0.0

    def note(self, workers: int, *, now_s: float) -> str:
        """Note how many workers there are, and return what is to be said, or nothing.

        Parameters
        ----------
        now_s
            Of a clock that does not jump.
        """
        since_s = self._since_s
        if workers:
            self._since_s = None
            was_told = since_s is not None and self._next_s > since_s + _FIRST_S
            return f"workers: {workers}{self._of}" if was_told else ""
        if since_s is None:
            self._since_s, self._next_s = now_s, now_s + _FIRST_S
            return ""
        if now_s < self._next_s:
            return ""
        self._next_s = now_s + _AGAIN_S
        minutes = int(now_s - since_s) // 60
        for_long = f"{minutes} min" if minutes else "less than a minute"
        return f"waiting for workers: 0{self._of}, {for_long}"
