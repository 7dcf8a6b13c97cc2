"""Files that users have brought."""

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from config.brought import BroughtKind

__all__ = ["FILE_NAME", "PutFile"]

FILE_NAME: Final = re.compile(
    r"(background-spectrum|extract1d|bad-pixels)-[0-9a-f]{16}\.(fits|asdf|json)"
)
"""Names of such files: products record them, and they say nothing of their owner."""


@dataclass(frozen=True, slots=True)
class PutFile:
    """A file that a user has brought, as it is kept."""

    sha256: str
    """Hash of its bytes."""
    kind: BroughtKind
    """What it is."""
    file: str
    """Bare name under which it is kept (`FILE_NAME`)."""
    brought_as: str
    """Bare name that it had."""
    about: str
    """What it holds, in a few words."""
    size_bytes: int
    """Its size."""
    put_at: datetime
    """When it was put, UTC."""
    span_um: tuple[float, float] | None = None
    """First and last wavelength of a spectrum, in um."""
    shape: tuple[int, int] | None = None
    """Rows and columns of a mask."""
    path: Path = Path()
    """Where it is; not part of its record."""
    mtime_ns: int = 0
    """Its time of last modification; likewise."""
