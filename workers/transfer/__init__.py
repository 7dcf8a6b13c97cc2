"""Bytes from a server to a file: resumed, verified, published by one rename.

HTTP is in `workers.transfer.http`, which loads urllib3; what is here loads nothing.
"""

from .body import Body, Opener, first_bytes, read_begin
from .meter import Meter, Tell
from .receive import Expected, Received, receive
from .tries import Pacing, RetryPolicy, retry

__all__ = [
    "Body",
    "Expected",
    "Meter",
    "Opener",
    "Pacing",
    "Received",
    "RetryPolicy",
    "Tell",
    "first_bytes",
    "read_begin",
    "receive",
    "retry",
]
