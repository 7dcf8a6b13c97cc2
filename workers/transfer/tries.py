"""When a transfer is given up or tried again, and how long it waits before that."""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from workers.errors import TransferError, TransientTransferError

__all__ = [
    "Pacing",
    "RateWatch",
    "RetryPolicy",
    "TooSlowError",
    "Tries",
    "retry",
    "wait_s",
]

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how long one file is tried."""

    fruitless_tries: int = 6
    """Tries in a row that bring not one byte before it is given up."""
    wrong_contents: int = 3
    """Whole files with wrong bytes before it is given up."""
    tries: int = 100
    """Tries in all that bring no byte more before it is given up. Those that do count
    for nothing: they end with the file, or with the time."""
    deadline_s: float = 6 * 3600.0
    """Time for all tries."""
    first_wait_s: float = 1.0
    """Longest wait after the first failure; it doubles with each one in a row."""
    longest_wait_s: float = 60.0
    """Longest wait, unless the server asks for more."""
    longest_retry_after_s: float = 300.0
    """Longest wait that a server may ask for."""
    slowest_bytes_per_s: float = 1024.0
    """A body that comes slower than this is given up and asked for again."""
    slow_window_s: float = 30.0
    """Over how long the rate is taken."""
    lock_wait_s: float = 600.0
    """How long to wait for another process that fetches the same file."""


@dataclass(frozen=True, slots=True)
class Pacing:
    """Clock, bed and dice; tests have their own."""

    sleep: Callable[[float], object] = time.sleep
    """Waits for some seconds; may raise to stop."""
    clock: Callable[[], float] = time.monotonic
    """Seconds since any moment."""
    dice: Callable[[], float] = random.random
    """A number from 0 to 1."""


def retry(
    what: str,
    question: Callable[[], _Answer],
    *,
    policy: RetryPolicy,
    pacing: Pacing = Pacing(),  # frozen
) -> _Answer:
    """Ask a short question until there is an answer; messages call it by `what`."""
    tries = Tries(what, policy, pacing)
    while True:
        tries.begin()
        try:
            return question()
        except TransientTransferError as error:
            tries.fail(error, is_fruitful=False, is_wrong=False)


def wait_s(
    policy: RetryPolicy, *, fruitless: int, dice: float, retry_after_s: float | None
) -> float:
    """Decide how long to wait: exponential, with full jitter, as the server asks.

    After so many fruitless tries in a row, with dice from 0 to 1.
    """
    doubled_s = policy.first_wait_s * 2.0 ** min(max(fruitless - 1, 0), 30)
    jitter_s = dice * min(doubled_s, policy.longest_wait_s)
    return max(jitter_s, min(retry_after_s or 0.0, policy.longest_retry_after_s))


class Tries:
    """The tries at one file, which messages call by `what`."""

    def __init__(self, what: str, policy: RetryPolicy, pacing: Pacing) -> None:
        self._what = what
        self._policy = policy
        self._pacing = pacing
        self._start_s = pacing.clock()
        self._made = 0
        self._fruitless = 0
        self._fruitless_in_all = 0
        self._wrong = 0

    @property
    def made(self) -> int:
        """How many there were."""
        return self._made

    def begin(self) -> None:
        """Count one more."""
        self._made += 1

    def fail(
        self, error: TransientTransferError, *, is_fruitful: bool, is_wrong: bool
    ) -> None:
        """Wait for the next try, or raise if there is none.

        Parameters
        ----------
        is_fruitful
            It brought more of the file than any before.
        is_wrong
            What it brought was not the file.
        """
        self._fruitless = 0 if is_fruitful else self._fruitless + 1
        self._fruitless_in_all += not is_fruitful
        self._wrong += is_wrong
        wait = wait_s(
            self._policy,
            fruitless=self._fruitless,
            dice=self._pacing.dice(),
            retry_after_s=error.retry_after_s,
        )
        if self._is_over(wait):
            raise TransferError(self._explain(error)) from error
        self._pacing.sleep(wait)

    def is_late(self) -> bool:
        """Tell whether the time for all tries is over."""
        return self._elapsed_s() > self._policy.deadline_s

    def _is_over(self, wait: float) -> bool:
        policy = self._policy
        return (
            self._fruitless_in_all >= policy.tries
            or self._fruitless >= policy.fruitless_tries
            or self._wrong >= policy.wrong_contents
            or self._elapsed_s() + wait > policy.deadline_s
        )

    def _elapsed_s(self) -> float:
        return self._pacing.clock() - self._start_s

    def _explain(self, last: object) -> str:
        tries = "1 try" if self._made == 1 else f"{self._made} tries"
        return (
            f"{self._what} is given up after {tries} in {self._elapsed_s():.1f} s; "
            f"the last one: {last}"
        )


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
