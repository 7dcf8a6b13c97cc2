"""The one place that removes folders with all that is in them, and says who uses them.

A name that leads elsewhere (absolute, ``..``, a link that somebody put in the way) must
never make a removal reach what is not ours. So the way down is gone folder by folder,
each opened relative to the one above and never through a link: what was checked is what
is removed, whatever is renamed meanwhile.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from .errors import TreeError

__all__ = ["IN_USE", "in_use", "remove_tree"]

IN_USE: Final = "rewebb-in-use.lock"
"""In a folder of a command, which holds it: of one that was killed nobody does."""


@contextmanager
def in_use(folder: Path) -> Iterator[None]:
    """Hold a folder; those beside it whose commands were killed are removed.

    Raises
    ------
    OSError
        It cannot be written.
    """
    with FileLock(folder / IN_USE):
        for lock in folder.parent.glob(f"*/{IN_USE}"):
            # What is held, by us or by others, is not to be had.
            with suppress(TreeError, Timeout), FileLock(lock, timeout=0):
                remove_tree(lock.parent, below=folder.parent)
        yield


def remove_tree(path: Path, *, below: Path) -> None:
    """Remove a folder and all that is in it; nothing happens if it is not there.

    Links in it are removed, and not followed. What cannot be removed (a file that is
    still open on NFS, say) is left. The other folder may be reached through links.

    Raises
    ------
    TreeError
        The folder is not strictly below the other one, or is a link or a file, or is
        reached through one. Nothing was removed.
    """
    parts = _list_parts(path, below)
    with ExitStack() as opened:
        folder: int | None = None
        for name in (str(below), *parts):
            parent, folder = folder, _open_folder(name, folder, path, below)
            if folder is None:
                return
            opened.callback(os.close, folder)
        shutil.rmtree(parts[-1], ignore_errors=True, dir_fd=parent)


def _list_parts(path: Path, below: Path) -> tuple[str, ...]:
    """List the names on the way down."""
    if path.is_relative_to(below):
        parts = path.relative_to(below).parts
        if parts and ".." not in parts and "\0" not in str(path):
            return parts
    raise TreeError(
        f"Refused to remove {str(path)!r}: expected a folder below {below}, reached "
        "without '..'; nothing was removed."
    )


def _open_folder(name: str, parent: int | None, path: Path, below: Path) -> int | None:
    """Open a folder on the way down; None if it is not there."""
    flags = os.O_RDONLY | os.O_DIRECTORY | (0 if parent is None else os.O_NOFOLLOW)
    try:
        return os.open(name, flags, dir_fd=parent)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise TreeError(
            f"Refused to remove {path}: expected folders all the way from {below}, but "
            f"{name} cannot be opened as one ({error.strerror}) and may be a link or a "
            "file; nothing was removed. Look at it, and move it away."
        ) from error
