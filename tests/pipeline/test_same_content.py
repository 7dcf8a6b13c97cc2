"""Products hold no path of the folder they were made in.

test_versus_plain_script.py makes them again elsewhere, with the same content.
"""

from pathlib import Path

import pytest
from processed import Processed

NOT_MADE_BY_THE_PIPELINE = {"job.log", "outcome.json"}
PROGRAMS = (
    *("bots", "fixed_slit", "lrs_slitless", "lrs_slit", "ifu"),
    *("mos", "mrs", "bots_pair", "gratings"),
)


@pytest.mark.parametrize("program", PROGRAMS)
def test_no_product_tells_where_it_was_made(
    request: pytest.FixtureRequest, program: str
) -> None:
    done: Processed = request.getfixturevalue(program)
    assert list_paths_in(done.settings.data_dir) == []


def list_paths_in(data_dir: Path) -> list[str]:
    """List the files of the store that hold the path of their data folder."""
    files = [path for path in (data_dir / "store").rglob("*") if path.is_file()]
    products = [path for path in files if path.name not in NOT_MADE_BY_THE_PIPELINE]
    assert products
    texts = (str(data_dir), "scratch/")
    encodings = ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
    needles = [text.encode(encoding) for text in texts for encoding in encodings]
    return [path.name for path in products if holds_any(path, needles)]


def holds_any(path: Path, needles: list[bytes]) -> bool:
    held = path.read_bytes()
    return any(needle in held for needle in needles)
