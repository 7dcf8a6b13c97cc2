"""Samples kept between runs of the tests, by what they are made of.

They are in ``rewebb-tests`` of the user's cache folder, and may be removed at any time.
A sample is used only if each of its files has the bytes of its manifest.
"""

import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock

import workers.sample
from workers.content import file_sha256
from workers.sample import Mode, SampleSet

__all__ = ["KEPT", "find_cache", "hash_sources", "provide"]

KEPT = 2
"""Samples that are kept: each is more than a gigabyte."""

_WORKERS = Path(workers.sample.__file__).parents[1]
_LOCK = _WORKERS.parent / "requirements.lock"
_PACKAGES = ("asdf", "astropy", "gwcs", "jwst", "numpy", "scipy", "stdatamodels")
"""What makes pixels, and may be newer here than in the lock."""

Make = Callable[[Path], SampleSet]


def find_cache() -> Path:
    """Find the folder of samples."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "rewebb-tests"


def hash_sources(workers_dir: Path = _WORKERS, lock: Path = _LOCK) -> str:
    """Hash all that a sample may depend on."""
    digest = hashlib.sha256(sys.version.encode())
    for package in _PACKAGES:
        digest.update(f"{package} {version(package)}\n".encode())
    for path in (lock, *_list_sources(workers_dir)):
        digest.update(f"{path.name} {file_sha256(path)}\n".encode())
    return digest.hexdigest()[:16]


def _list_sources(workers_dir: Path) -> Iterator[Path]:
    for suffix in (".py", ".json"):
        yield from sorted(workers_dir.rglob(f"*{suffix}"))


def provide(directory: Path, *, cache: Path, key: str, make: Make) -> SampleSet:
    """Put a sample into a folder: that of the cache, made first if it is not there."""
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / ".lock"):
        entry = cache / key
        if not _is_whole(entry):
            shutil.rmtree(entry, ignore_errors=True)
            _make_entry(entry, make)
        os.utime(entry)
        _forget_oldest(cache)
        shutil.copytree(entry, directory, copy_function=_link)
    return SampleSet(directory, tuple(Mode))


def _make_entry(entry: Path, make: Make) -> None:
    """Make a sample beside its place, and move it there when it is whole."""
    draft = Path(tempfile.mkdtemp(prefix=".making-", dir=entry.parent))
    try:
        make(draft)
        assert _is_whole(draft), f"the sample in {draft} is not as its manifest says"
        draft.rename(entry)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _is_whole(directory: Path) -> bool:
    """Read every file: a size tells nothing of a disk that failed, or of a bad test."""
    sample = SampleSet(directory, tuple(Mode))
    try:
        tree = json.loads(sample.manifest.read_text("utf-8"))
        return set(tree["modes"]) == set(Mode) and all(
            file_sha256(sample.folder / name) == facts["sha256"]
            for name, facts in tree["files"].items()
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _forget_oldest(cache: Path) -> None:
    """Remove what was not used for longest, and what a killed process left."""
    for left in cache.glob(".making-*"):
        shutil.rmtree(left, ignore_errors=True)
    entries = [path for path in cache.iterdir() if path.is_dir()]
    entries.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for old in entries[KEPT:]:
        shutil.rmtree(old, ignore_errors=True)


def _link(source: str, target: str) -> None:
    """Link a file, or copy it to another disk."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
