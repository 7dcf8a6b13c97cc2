"""Bytes from a server to a file: resumed, verified, published by one rename.

HTTP is in `workers.transfer.http`, which loads httpx; what is here loads nothing.
"""

from .body import Body, Opener
from .receive import Expected, Received, receive
from .tries import Pacing, RetryPolicy, retry

__all__ = [
    "Body",
    "Expected",
    "Opener",
    "Pacing",
    "Received",
    "RetryPolicy",
    "receive",
    "retry",
]
