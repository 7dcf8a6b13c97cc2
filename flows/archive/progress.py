"""What a fetch tells whoever watches it."""

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["FetchListener", "FetchProgress"]


@dataclass(frozen=True, slots=True)
class FetchProgress:
    """How far a fetch is."""

    files: int
    """How many there are to fetch."""
    done_files: int
    """How many of them are here, or have failed."""
    total_bytes: int
    """Size of all."""
    done_bytes: int
    """How much of it is here, or will not come."""


FetchListener = Callable[[FetchProgress], None]
"""Called from a thread of its own, with the newest alone (`Notifier`)."""
