"""Products made again: the same content, and no path of the folder they came from."""

from pathlib import Path

import pytest
from processed import Processed

from workers.contract import Status
from workers.run import run_job

NOD = "spec2:jw99004001001_03101_00001_nrs1"
NOT_MADE_BY_THE_PIPELINE = {"job.log", "outcome.json"}
PROGRAMS = (
    *("bots", "fixed_slit", "lrs_slitless", "lrs_slit", "ifu"),
    *("mos", "mrs", "bots_pair", "gratings"),
)


def test_slits_made_again_elsewhere_have_the_same_content(
    mos: Processed, tmp_path: Path
) -> None:
    """Each slit of a product keeps a log, a date and a file name of its own."""
    first = mos.list_outcomes()[NOD]
    again = run_job(
        first.job, attempt="again", data_dir=tmp_path, granted_bytes=1 << 33
    )
    assert again.status is Status.SUCCEEDED
    found, expected = (
        {product.name: product.content_sha256 for product in outcome.products}
        for outcome in (again, first)
    )
    assert len(found) == 3
    assert found == expected
    assert list_paths_in(tmp_path) == []


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
