"""Samples kept between runs of the tests, by what they are made of.

They are in ``rewebb-tests`` of the user's cache folder, and may be removed at any time.
Their files are read when they were made; a sample is used while nobody touches them.
"""

import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import grimp
from filelock import FileLock

import workers.sample
from workers.content import file_sha256
from workers.sample import Mode, SampleSet

__all__ = ["KEPT", "find_cache", "hash_sources", "list_sources", "provide"]

KEPT = 2
"""Samples that are kept: each is more than a gigabyte."""

SEEN = "seen.json"
"""Sizes and times of the files of a sample, when their bytes were read."""

_SAMPLE = workers.sample.__name__
_FOLDER = Path(workers.sample.__file__).parent
_LOCK = Path(__file__).parents[2] / "requirements.lock"
_PACKAGES = ("asdf", "astropy", "gwcs", "jwst", "numpy", "scipy", "stdatamodels")
"""What makes pixels, and may be newer here than in the lock."""

Make = Callable[[Path], SampleSet]


def find_cache() -> Path:
    """Find the folder of samples."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "rewebb-tests"


def list_sources() -> list[Path]:
    """List the modules of the sample programs and all that they import from us."""
    modules = grimp.build_graph("workers", "config", cache_dir=None)
    made_by = {_SAMPLE, *modules.find_descendants(_SAMPLE)}
    made_by |= modules.find_upstream_modules(_SAMPLE, as_package=True)
    files = (find_spec(name) for name in sorted(made_by))
    sources = [Path(file.origin) for file in files if file and file.origin]
    return [*sources, *sorted(_FOLDER.rglob("*.json"))]


def hash_sources(sources: Sequence[Path] | None = None, lock: Path = _LOCK) -> str:
    """Hash all that a sample may depend on."""
    digest = hashlib.sha256(sys.version.encode())
    for package in _PACKAGES:
        digest.update(f"{package} {version(package)}\n".encode())
    for path in (lock, *(list_sources() if sources is None else sources)):
        digest.update(f"{path.name} {file_sha256(path)}\n".encode())
    return digest.hexdigest()[:16]


def provide(directory: Path, *, cache: Path, key: str, make: Make) -> SampleSet:
    """Put a sample into a folder: that of the cache, made first if it is not there.

    Where no cache can be, the sample is made in the folder.
    """
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError:
        return make(directory)
    with FileLock(cache / ".lock"):
        entry = cache / key
        if not _is_whole(entry):
            shutil.rmtree(entry, ignore_errors=True)
            _make_entry(entry, make)
        os.utime(entry)
        _forget_oldest(cache)
        shutil.copytree(
            entry,
            directory,
            copy_function=_link,
            ignore=shutil.ignore_patterns(SEEN, "*.lock"),
        )
    return SampleSet(directory, tuple(Mode))


def _make_entry(entry: Path, make: Make) -> None:
    """Make a sample beside its place, read it, and move it there when it is whole."""
    draft = Path(tempfile.mkdtemp(prefix=".making-", dir=entry.parent))
    try:
        sample = make(draft)
        files = json.loads(sample.manifest.read_text("utf-8"))["files"]
        for name, facts in files.items():
            found = file_sha256(sample.folder / name)
            assert found == facts["sha256"], f"{name} is not as the manifest says"
        seen = {name: _look_at(draft / name) for name in _list_files(draft)}
        (draft / SEEN).write_text(json.dumps(seen))
        draft.rename(entry)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _is_whole(entry: Path) -> bool:
    """Whether each file is as it was when it was read; tests share it by links."""
    try:
        seen = json.loads((entry / SEEN).read_text("utf-8"))
        return {name: _look_at(entry / name) for name in _list_files(entry)} == seen
    except (OSError, ValueError):
        return False


def _list_files(directory: Path) -> list[str]:
    paths = [path for path in directory.rglob("*") if path.is_file()]
    names = [str(path.relative_to(directory)) for path in paths]
    return [name for name in names if name != SEEN and not name.endswith(".lock")]


def _look_at(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


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
