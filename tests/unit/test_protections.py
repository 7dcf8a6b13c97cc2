"""The table of protections stays true to the code."""

import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "tests" / "benchmarks"))

from protections import Protection, load_protections, switch_off  # noqa: E402

PROTECTIONS = load_protections()


def test_there_are_enough_of_them_and_each_has_a_name() -> None:
    assert len({protection.name for protection in PROTECTIONS}) == len(PROTECTIONS)
    assert len(PROTECTIONS) >= 25


@pytest.mark.parametrize("protection", PROTECTIONS, ids=lambda each: each.name)
def test_a_protection_can_be_switched_off(
    protection: Protection, tmp_path: Path
) -> None:
    copy = tmp_path / protection.file
    copy.parent.mkdir(parents=True)
    shutil.copy(ROOT / protection.file, copy)
    switch_off(protection, tmp_path)
    compile(copy.read_text(), protection.file, "exec")


@pytest.mark.parametrize("protection", PROTECTIONS, ids=lambda each: each.name)
def test_the_tests_of_a_protection_exist(protection: Protection) -> None:
    for test in protection.tests:
        path, _, name = test.partition("::")
        text = (ROOT / path).read_text()
        assert not name or f"def {name.partition('[')[0]}(" in text, test
