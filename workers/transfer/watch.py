"""Whether a body comes fast enough."""

from collections.abc import Iterator

from workers.errors import TransientTransferError

from .tries import Pacing, RetryPolicy, Tries

__all__ = ["RateWatch", "TooSlowError"]


class TooSlowError(TransientTransferError):
    """The body drips; what it brings does not count as progress."""


class RateWatch:
    """Ends a body that comes too slowly; only waiting for the server counts."""

    def __init__(self, policy: RetryPolicy, pacing: Pacing, tries: Tries) -> None:
        self._policy = policy
        self._clock = pacing.clock
        self._tries = tries
        self._waited_s = 0.0
        self._came_bytes = 0

    def over(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Pass chunks on."""
        while True:
            asked_s = self._clock()
            chunk = next(chunks, None)
            self._waited_s += self._clock() - asked_s
            if chunk is None:
                return
            yield chunk
            self._came_bytes += len(chunk)
            self._judge()

    def _judge(self) -> None:
        if self._tries.is_late():
            raise TransientTransferError("it takes longer than it may")
        if self._waited_s < self._policy.slow_window_s:
            return
        rate = self._came_bytes / self._waited_s
        if rate < self._policy.slowest_bytes_per_s:
            raise TooSlowError(
                f"the body came with {rate:.0f} bytes/s over {self._waited_s:.0f} s"
            )
        self._waited_s, self._came_bytes = 0.0, 0
