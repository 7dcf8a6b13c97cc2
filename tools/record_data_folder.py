"""Writes down a data folder as text, for a test that newer code still reads it.

    python tools/record_data_folder.py DATA_FOLDER SAMPLE_FOLDER COMMIT RECORD.json.gz

Of the products only what the outcomes say of them is kept. How the record of the tests
was made, with a checkout of the commit and an environment of its own:

    rewebb sample make --mode nirspec-bots-prism sample
    CRDS_PATH=sample/v5/crds REWEBB_ARCHIVE=sample/v5/archive REWEBB_DATA_DIR=data \
        rewebb run 99002
    python tools/record_data_folder.py data sample/v5 dc83555 \
        tests/data/data_folder_dc83555.json.gz
"""

import gzip
import json
import platform
import socket
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

KEPT = ("store/*/*/outcome.json", "runs/*/*/run.json")
"""Files of a data folder that are kept beside its database."""


def record(data: Path, sample: Path, commit: str) -> dict[str, object]:
    """Read a data folder; nothing of this machine is left in it."""
    with closing(sqlite3.connect(data / "rewebb.db")) as connection:
        statements = "\n".join(connection.iterdump())
    paths = sorted(path for glob in KEPT for path in data.glob(glob))
    ours = {
        str(sample.resolve()): "/sample",
        str(data.resolve()): "/data",
        platform.platform(): "Linux",
        f'"host": "{socket.gethostname()}"': '"host": "host"',
        f"'{socket.gethostname()}'": "'host'",
    }

    def clean(text: str) -> str:
        for here, there in ours.items():
            text = text.replace(here, there)
        return text

    files = {str(path.relative_to(data)): clean(path.read_text()) for path in paths}
    return {"commit": commit, "database": clean(statements), "files": files}


if __name__ == "__main__":
    data_folder, sample_folder, made_by, target = sys.argv[1:]
    held = record(Path(data_folder), Path(sample_folder), made_by)
    text = json.dumps(held, indent=1)
    Path(target).write_bytes(gzip.compress(text.encode(), mtime=0))
