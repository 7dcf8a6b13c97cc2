"""Exceptions as data, since their classes cannot cross the wire."""

import errno
import re
import traceback
from pathlib import Path

from .contract import ErrorInfo

__all__ = ["MEMORY_ERROR", "PREEMPTED", "TIMED_OUT", "to_info"]

MEMORY_ERROR = "MemoryError"
"""Type of every error for want of memory: numpy's has a name of its own, and spec2
raises a RuntimeError whose text is the traceback."""

TIMED_OUT = "TimedOut"
"""Type of the error of a job that made no progress, or took far too long."""

PREEMPTED = "Preempted"
"""Type of the error of a job whose worker left on purpose."""

_OF_MEMORY = re.compile(r"^(?:\w+\.)*\w*MemoryError\b", re.MULTILINE)
"""The line of a traceback that names a MemoryError."""


def to_info(error: Exception) -> ErrorInfo:
    """Turn an exception into data; whatever ran out of memory has one type.

    The last line is the message, since spec2 raises the text of tracebacks.
    """
    text = str(error).strip() or type(error).__name__
    where = "".join(traceback.format_exception(error))
    message = text.splitlines()[-1].strip()
    if isinstance(error, OSError) and error.filename is None:
        message = f"{message} (in {Path.cwd()})"
    lacks_memory = any(map(_is_of_memory, _list_causes(error)))
    name = MEMORY_ERROR if lacks_memory else type(error).__qualname__
    return ErrorInfo(name, _storable(message), _storable(where))


def _list_causes(error: BaseException) -> list[BaseException]:
    """List an error and all that it was raised from, or while handling."""
    found: list[BaseException] = []
    due: list[BaseException | None] = [error]
    while due:
        one = due.pop()
        if one is not None and one not in found:
            found.append(one)
            due += [one.__cause__, one.__context__]
    return found


def _is_of_memory(error: BaseException) -> bool:
    """Return whether memory was short, also by the traceback that is its text."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, MemoryError) or bool(_OF_MEMORY.search(str(error)))


def _storable(text: str) -> str:
    """Make text one that JSON and every database can hold."""
    return text.encode(errors="backslashreplace").decode().replace("\0", r"\x00")
