"""Files that anybody may have put there: only regular ones, and only so much of them.

A pipe never answers, a device never ends, and what was a file a moment ago may be
either: so a file is opened without waiting, and looked at once it is open.
"""

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import Final

__all__ = ["OutsideFileError", "open_outside", "read_outside"]

_KINDS: Final = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class OutsideFileError(OSError):
    """A file is not a regular one, or too large; its `strerror` says what it is."""


def open_outside(path: Path) -> BufferedReader:
    """Open a regular file to be read; never waits for what is something else.

    Raises
    ------
    OutsideFileError
        It is something else.
    OSError
        It cannot be opened.
    """
    _check(path, path.stat())
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    stream = os.fdopen(descriptor, "rb")
    try:
        _check(path, os.fstat(descriptor))
    except OutsideFileError:
        stream.close()
        raise
    return stream


def read_outside(path: Path, *, most_bytes: int) -> bytes:
    """Read a regular file that is no larger than it can sanely be.

    Raises
    ------
    OutsideFileError
        It is not regular, or too large.
    OSError
        It cannot be read.
    """
    with open_outside(path) as stream:
        data = stream.read(most_bytes + 1)
    if len(data) > most_bytes:
        why = f"it is larger than {most_bytes} bytes"
        raise OutsideFileError(errno.EFBIG, why, str(path))
    return data


def _check(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kinds = (kind for is_one, kind in _KINDS if is_one(status.st_mode))
        why = f"{next(kinds, 'something else')} instead of a regular file"
        raise OutsideFileError(errno.EINVAL, why, str(path))
