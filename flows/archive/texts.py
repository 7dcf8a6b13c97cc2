"""Small text files: association documents and pools, read and written whole."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from workers.outside import read_outside
from workers.publishing import replace, sync

from ..errors import ArchiveError
from ..names import check_file_name

__all__ = ["read_text", "read_texts", "write_texts"]

_MOST_BYTES: Final = 1 << 28
"""More than the pool of any program has."""


def read_text(path: Path) -> str:
    """Read a text file: regular, not too large, and text; else `ArchiveError`."""
    try:
        return read_outside(path, most_bytes=_MOST_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise ArchiveError(f"{path} cannot be read: {error}") from error


def read_texts(path: Path, pattern: str) -> Mapping[str, str]:
    """Read a file, or those of a folder whose names fit a pattern, if there are any."""
    paths = sorted(path.glob(pattern)) if path.is_dir() else [path]
    if not paths:
        raise ArchiveError(f"{path} holds no {pattern}")
    return {one.name: read_text(one) for one in paths}


def write_texts(folder: Path, texts: Mapping[str, str]) -> tuple[str, ...]:
    """Write those texts as files that are new or differ from what is there; name them.

    Raises
    ------
    ArchiveError
        The folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return tuple(name for name, text in texts.items() if _write(folder, name, text))
    except OSError as error:
        raise ArchiveError(f"cannot write to {folder}: {error}") from error


def _write(folder: Path, name: str, text: str) -> bool:
    """Write a file if it changes; nobody ever sees half of it."""
    path, data = folder / check_file_name(name), text.encode()
    if path.is_file() and path.read_bytes() == data:
        return False

    def write(draft: Path) -> None:
        draft.write_bytes(data)
        sync(draft)

    replace(path, write)
    return True
