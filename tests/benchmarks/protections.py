"""Whether a test notices when a protection is taken out.

``python tests/benchmarks/protections.py [--only TEXT] [--jobs N]``: for each entry of
``protections.toml`` the packages and tests are copied to a temporary folder, the
protection is switched off there, and its tests are run. They must pass before, and
fail after. Prints a table; exit code 1 if a protection can go unnoticed.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["Protection", "load_protections", "main", "switch_off"]

ROOT: Final = Path(__file__).parents[2]
"""The checkout."""

_COPIED: Final = ("config", "flows", "workers", "tests", "pyproject.toml")
_LIMIT_S: Final = 900
"""After which the tests of a mutant are ended; that they hang is a way to notice."""

_TESTS_FAILED: Final = 1
"""Exit code of pytest when tests ran, and some failed."""


@dataclass(frozen=True, slots=True)
class Protection:
    """A protection, how it is switched off, and who should notice."""

    name: str
    """What is protected from what."""
    file: str
    """Where it is."""
    old: str
    """Its text, once in the file."""
    new: str
    """The text without the protection."""
    tests: tuple[str, ...]
    """Tests (node ids of pytest) of which one must fail."""


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What became of one protection."""

    protection: Protection
    passed_before: bool
    exit_code: int | None
    elapsed_s: float

    @property
    def word(self) -> str:
        if not self.passed_before:
            return "TESTS FAIL ANYWAY"
        if self.exit_code is None:
            return "noticed (hangs)"
        if self.exit_code == _TESTS_FAILED:
            return "noticed"
        return "UNNOTICED" if self.exit_code == 0 else f"BROKEN ({self.exit_code})"


def load_protections() -> tuple[Protection, ...]:
    """Load the table of protections."""
    text = Path(__file__).with_suffix(".toml").read_text()
    rows = tomllib.loads(text)["protection"]
    return tuple(Protection(**row | {"tests": tuple(row["tests"])}) for row in rows)


def switch_off(protection: Protection, root: Path) -> None:
    """Take a protection out of a copy of the checkout.

    Raises
    ------
    ValueError
        Its text is not exactly once in its file.
    """
    path = root / protection.file
    text = path.read_text()
    if (count := text.count(protection.old)) != 1:
        raise ValueError(
            f"{protection.name}: expected its text once in {protection.file}, "
            f"found it {count} times: {protection.old!r}"
        )
    path.write_text(text.replace(protection.old, protection.new))


def main() -> int:
    """Try all protections, or some; print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="part of the name or of the file")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time")
    given = parser.parse_args()
    chosen = [p for p in load_protections() if given.only in f"{p.name} {p.file}"]
    with ThreadPoolExecutor(given.jobs) as pool:
        verdicts = list(pool.map(_try, chosen))
    for verdict in verdicts:
        row = verdict.protection
        cells = (row.name, f"`{row.file}`", verdict.word, f"{verdict.elapsed_s:.0f} s")
        print(f"| {' | '.join(cells)} |")
    noticed = sum(verdict.word.startswith("noticed") for verdict in verdicts)
    print(f"{noticed} of {len(verdicts)} protections are noticed when taken out")
    return 0 if noticed == len(verdicts) else 1


def _try(protection: Protection) -> _Verdict:
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="rewebb-protection-") as folder:
        root = Path(folder)
        for name in _COPIED:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, root / name)
        passed_before = _run_tests(root, protection.tests) == 0
        switch_off(protection, root)
        exit_code = _run_tests(root, protection.tests) if passed_before else None
    elapsed_s = time.monotonic() - started
    print(f"{protection.name}: {elapsed_s:.0f} s", file=sys.stderr)
    return _Verdict(protection, passed_before, exit_code, elapsed_s)


def _run_tests(root: Path, tests: Iterable[str]) -> int | None:
    """Run tests of a copy; give the exit code of pytest, or None if they hang."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    environment = os.environ | {"PYTHONPATH": str(root)}
    try:
        return subprocess.run(
            [*command, *tests],
            cwd=root,
            env=environment,
            check=False,
            timeout=_LIMIT_S,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ).returncode
    except subprocess.TimeoutExpired:
        return None


if __name__ == "__main__":
    sys.exit(main())
