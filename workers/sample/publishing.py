"""Files of a sample: whole or not there, the same bytes every time, never changed."""

import json
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = [
    "DATE",
    "publish",
    "publish_model",
    "publish_text",
    "replace_text",
    "to_json_text",
]

_EXTENSION = re.compile(rb"  - .*\n(?:    .*\n)*")
"""One of the extensions that an ASDF file was written with."""

_EXTENSIONS = re.compile(
    rb"(?<=\nhistory:\n  extensions:\n)(?:%s)+" % _EXTENSION.pattern
)
"""All of them; sorted they take as many bytes."""

DATE = "2026-11-20T00:00:00.000"
"""Creation date of every file, so that a sample made again is the same."""


def publish(path: Path, write: Callable[[Path], object]) -> Path:
    """Write a file under its own name in a side folder, then move it into place.

    A file that is there stays: what was made with it must be found the same.

    Parameters
    ----------
    path
        Where the file belongs; its folder is made.
    write
        Called with the path to write.
    """
    return path if path.exists() else _replace(path, write)


def _replace(path: Path, write: Callable[[Path], object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".making-") as folder:
        draft = Path(folder, path.name)
        write(draft)
        return draft.replace(path)


def publish_text(path: Path, text: str) -> Path:
    """Publish a text file."""
    return publish(path, lambda draft: draft.write_text(text, encoding="utf-8"))


def replace_text(path: Path, text: str) -> Path:
    """Publish a text file in the place of what is there."""
    return _replace(path, lambda draft: draft.write_text(text, encoding="utf-8"))


def publish_model(path: Path, model: Any, *, inline: bool = False) -> Path:
    """Publish a data model, as FITS or ASDF by the suffix of the path.

    Parameters
    ----------
    path
        Where the file belongs.
    model
        A data model of `stdatamodels`.
    inline
        Keep the arrays of an ASDF file in its text: they outlive the open file.
    """

    def write(draft: Path) -> None:
        if inline:
            model.to_asdf(str(draft), all_array_storage="inline")
        else:
            model.save(str(draft))
        # Saving stamps the clock; the constant has the same length.
        stamp = model.meta.date.encode()
        data = draft.read_bytes().replace(stamp, DATE.encode())
        draft.write_bytes(_sort_extensions(data))

    return publish(path, write)


def _sort_extensions(data: bytes) -> bytes:
    """Sort what asdf lists in the order of a set, another one in each process."""
    listed = _EXTENSIONS.search(data)
    if listed is None:
        return data
    entries = sorted(_EXTENSION.findall(listed[0]))
    return data[: listed.start()] + b"".join(entries) + data[listed.end() :]


def to_json_text(tree: Any) -> str:
    """Turn a tree into the JSON text of a file."""
    return json.dumps(tree, indent=1) + "\n"
