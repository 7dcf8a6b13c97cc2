"""Products against those of a plain script, and of a second run from empty.

The last file of this folder, so that the plain scripts work while the others run.
"""

from pathlib import Path

import pytest
from fits_differences import list_differences
from processed import Processed

from workers.content import content_sha256

PRODUCTS = ("*.fits", "*.ecsv")
PROGRAMS = (
    *("bots", "fixed_slit", "lrs_slitless", "lrs_slit"),
    *("bots_pair", "ifu", "gratings", "mos", "mrs"),
)


def list_products(folder: Path) -> set[str]:
    found = {path.name for glob in PRODUCTS for path in folder.glob(glob)}
    # Beside its products the plain script has its inputs.
    return {name for name in found if not name.endswith("_msa.fits")}


def compare(here: Path, there: Path) -> list[str]:
    names = sorted(list_products(here))
    return [d for name in names for d in list_differences(here / name, there / name)]


def test_two_runs_from_empty_are_bitwise_equal(
    bots: Processed, bots_again: Path
) -> None:
    assert list_products(bots.folder) == list_products(bots_again)
    assert compare(bots.folder, bots_again) == []


@pytest.mark.parametrize("program", PROGRAMS)
def test_products_are_those_of_a_plain_script(
    request: pytest.FixtureRequest, program: str
) -> None:
    done: Processed = request.getfixturevalue(program)
    plain = done.wait_for_plain()
    assert list_products(done.folder) == list_products(plain)
    assert compare(done.folder, plain) == []


@pytest.mark.parametrize("program", PROGRAMS)
def test_content_hashes_are_those_of_a_plain_script(
    request: pytest.FixtureRequest, program: str
) -> None:
    """It is a second run from empty, elsewhere, that holds every kind of product."""
    done: Processed = request.getfixturevalue(program)
    plain = done.wait_for_plain()
    made = [each for one in done.list_outcomes().values() for each in one.products]
    found = {each.name: each.content_sha256 for each in made}
    assert found.keys() >= list_products(plain)
    assert found == {name: content_sha256(plain / name) for name in found}
