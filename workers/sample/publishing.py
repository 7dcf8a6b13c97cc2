"""Files of a sample: the same bytes every time."""

import json
import re
from pathlib import Path
from typing import Any

from ..publishing import publish

__all__ = ["DATE", "publish_text", "to_json_text", "write_model"]

_HEADING = b"\nhistory:\n  extensions:\n"
"""What comes before the extensions that an ASDF file was written with."""
_EXTENSION = re.compile(rb"  - .*\n(?:    .*\n)*")
"""One of them."""

DATE = "2026-11-20T00:00:00.000"
"""Creation date of every file, so that a sample made again is the same."""


def publish_text(path: Path, text: str) -> Path:
    """Publish a text file."""
    return publish(path, lambda draft: draft.write_text(text, encoding="utf-8"))


def write_model(path: Path, model: Any, *, inline: bool = False) -> None:
    """Write a data model, as FITS or ASDF by the suffix of the path.

    Parameters
    ----------
    inline
        Keep the arrays of an ASDF file in its text: they outlive the open file.
    """
    if inline:
        model.to_asdf(str(path), all_array_storage="inline")
    else:
        model.save(str(path))
    # Saving stamps the clock; the constant has the same length.
    stamp = model.meta.date.encode()
    data = path.read_bytes().replace(stamp, DATE.encode())
    path.write_bytes(_sort_extensions(data))


def _sort_extensions(data: bytes) -> bytes:
    """Sort what asdf lists in the order of a set, another one in each process."""
    before, heading, after = data.partition(_HEADING)
    entries, end = [], 0
    while entry := _EXTENSION.match(after, end):
        entries.append(entry[0])
        end = entry.end()
    return before + heading + b"".join(sorted(entries)) + after[end:]


def to_json_text(tree: Any) -> str:
    """Turn a tree into the JSON text of a file."""
    return json.dumps(tree, indent=1) + "\n"
