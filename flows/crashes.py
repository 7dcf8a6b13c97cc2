"""Errors that nobody foresaw: told in a sentence, their traceback kept in a file."""

import tempfile
import traceback
from pathlib import Path

from config.errors import ConfigError
from workers.errors import WorkerError

from .errors import BugError, RewebbError

__all__ = ["is_known", "to_bug"]


def is_known(error: BaseException) -> bool:
    """Return whether the message of an error says what to mend."""
    return isinstance(error, RewebbError | ConfigError | WorkerError)


def to_bug(error: Exception, folder: Path | None = None) -> BugError:
    """Keep the traceback of an error in a file of a folder, or of the temporary one."""
    return BugError(
        f"Rewebb met an error that it does not know, which is a fault in Rewebb: "
        f"{type(error).__name__}: {error}. {_keep(error, folder)} Report it with the "
        "command that you ran, and run it again after an update."
    )


def _keep(error: Exception, folder: Path | None) -> str:
    """Write the traceback, readable by its owner alone, and say where it is."""
    text = "".join(traceback.format_exception(error))
    try:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=folder, prefix="rewebb-", suffix=".txt", delete=False
        ) as file:
            file.write(text)
    except OSError as failed:
        return f"Its traceback could not be kept ({failed.strerror})."
    return f"Its traceback is in {file.name}."
