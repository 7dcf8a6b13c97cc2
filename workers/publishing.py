"""Files that are whole or not there, and never change under their names."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

__all__ = ["publish", "replace", "sync"]


def publish(path: Path, write: Callable[[Path], object]) -> Path:
    """Let `write` make a file in a side folder, then move it into place.

    A file that is there stays: what was made with it must be found the same.
    """
    return path if path.exists() else replace(path, write)


def replace(path: Path, write: Callable[[Path], object]) -> Path:
    """Write a file in the same way, in the place of one that is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".making-") as folder:
        draft = Path(folder, path.name)
        write(draft)
        return draft.replace(path)


def sync(path: Path) -> None:
    """Let the disk have what was written to a file, or which names a folder holds."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
