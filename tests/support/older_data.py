"""A data folder that an older version made: its index and records, without pixels.

`tools/record_data_folder.py` has written it down, and says how.
"""

import gzip
import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

__all__ = ["PROGRAM", "RECIPE", "RUN", "lay_out"]

_RECORD = Path(__file__).parents[1] / "data" / "data_folder_dc83555.json.gz"

PROGRAM, RECIPE = "99002", "official"
"""What was run: the time series with the prism."""

RUN = "14e06044-d274-4808-9978-4fa478f345a2"
"""The one run of the folder."""


def lay_out(data: Path) -> Path:
    """Lay the folder out; products are empty files of the recorded size and time."""
    held = json.loads(gzip.decompress(_RECORD.read_bytes()))
    for name, text in held["files"].items():
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_text(text)
    with closing(sqlite3.connect(data / "rewebb.db")) as connection:
        connection.executescript(held["database"])
    for outcome in data.glob("store/*/*/outcome.json"):
        for product in json.loads(outcome.read_text())["products"]:
            _place(outcome.with_name(product["name"]), product)
    return data


def _place(path: Path, product: dict[str, int]) -> None:
    path.touch()
    os.truncate(path, product["size_bytes"])
    os.utime(path, ns=(product["mtime_ns"], product["mtime_ns"]))
