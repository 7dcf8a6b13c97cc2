"""Bytes from a server to a file: resumed, verified, published by one rename.

HTTP is in `workers.transfer.http`, which loads httpx; what is here loads nothing.
"""

from .body import Body, Opener, find_strong_etag
from .receive import Expected, Received, receive
from .tries import Pacing, RetryPolicy, retry

__all__ = [
    "Body",
    "Expected",
    "Opener",
    "Pacing",
    "Received",
    "RetryPolicy",
    "find_strong_etag",
    "receive",
    "retry",
]
