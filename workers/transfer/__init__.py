"""Bytes from a server to a file: resumed, verified, published by one rename."""

from .body import Body, Opener

__all__ = ["Body", "Opener"]
