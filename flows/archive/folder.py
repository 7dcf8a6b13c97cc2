"""A folder of raw files as an archive."""

import filecmp
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Literal

from flows.errors import (
    ArchiveError,
    FileNameError,
    UnknownProgramError,
)
from flows.models import Exposure, Inventory, PoolFile, RejectedFile
from flows.names import ExposureName, parse_file_name

from .headers import reject, to_exposure
from .metafiles import with_metafiles
from .progress import FetchListener
from .rawfile import UnreadableHeaderError, read_raw_file
from .texts import read_text

__all__ = ["FolderArchive", "walk_files"]

Suffix = Literal["uncal", "rate"]
"""Suffix of the files that headers are read from."""


@dataclass(frozen=True, slots=True)
class _Raw:
    """A raw file, as its name tells."""

    path: Path
    name: ExposureName


class FolderArchive:
    """Raw files anywhere below a folder.

    Parameters
    ----------
    root
        The folder. It may be nested at will; symbolic links are followed.
    suffix
        Of the files: raw ones, or rates where only headers are wanted.
    """

    def __init__(self, root: Path, *, suffix: Suffix = "uncal") -> None:
        self._root = root
        self._suffix = suffix

    def programs(self) -> Mapping[str, int]:
        """Count the raw files of every program, by file name alone.

        Raises
        ------
        ArchiveError
            The folder is missing or cannot be read.
        """
        counts = Counter(
            raw.name.program for raw in _find_raw(self._root, self._suffix)
        )
        return dict(sorted(counts.items()))

    def find(self, program: str) -> Inventory:
        """Find the exposures of a program.

        Parameters
        ----------
        program
            Five digits.

        Raises
        ------
        UnknownProgramError
            There is no raw file of the program.
        ArchiveError
            The folder cannot be read, or one name stands for different files.
        """
        there = _find_raw(self._root, self._suffix)
        found = [raw for raw in there if raw.name.program == program]
        if not found:
            raise UnknownProgramError(self._unknown_program(program))
        inventory = _to_inventory(_without_twins(found))
        inventory = replace(inventory, pool=_find_pool(self._root, program))
        return with_metafiles(inventory, lambda: walk_files(self._root))

    def fetch(
        self,
        exposures: Iterable[Exposure],
        *,
        listener: FetchListener,  # noqa: ARG002  # there is nothing to tell
    ) -> tuple[Exposure, ...]:
        """Give the same exposures: files of a folder are used where they are."""
        return tuple(exposures)

    def _unknown_program(self, program: str) -> str:
        """Say what there is instead."""
        held = [f"{name} ({_count(n)})" for name, n in self.programs().items()]
        return (
            f"unknown program {program}: the archive at {self._root} holds "
            f"{', '.join(held) or 'no raw files'}"
        )


def _find_raw(root: Path, suffix: str) -> list[_Raw]:
    """Find the files of a suffix below a folder, by path."""
    ending = f"_{suffix}.fits"
    paths = (path for path in walk_files(root) if path.name.endswith(ending))
    named = ((path, _exposure_name(path.name)) for path in paths)
    return sorted(
        (_Raw(path, name) for path, name in named if name), key=lambda raw: raw.path
    )


def _exposure_name(file_name: str) -> ExposureName | None:
    """Take the name of a raw file apart, or give None for what only ends like one."""
    try:
        name = parse_file_name(file_name).of
    except FileNameError:
        return None
    return name if isinstance(name, ExposureName) else None


def walk_files(root: Path) -> Iterator[Path]:
    """Give all files below a folder; every folder once, however often it is linked."""
    seen: set[tuple[int, int]] = set()
    for folder, subfolders, files in os.walk(root, onerror=_refuse, followlinks=True):
        status = Path(folder).stat()
        if (status.st_dev, status.st_ino) in seen:
            subfolders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        subfolders.sort()
        yield from (Path(folder, name) for name in files)


def _refuse(error: OSError) -> None:
    """Stop at a folder that cannot be listed: what is in it would be lost silently."""
    raise ArchiveError(
        f"cannot read the archive folder {error.filename}: {error.strerror}"
    ) from error


def _find_pool(root: Path, program: str) -> PoolFile | None:
    """Find the newest pool of a program; its name tells the time it was made."""
    pattern = f"jw{program}_*_pool.csv"
    found = [path for path in walk_files(root) if fnmatch(path.name, pattern)]
    newest = max(found, key=lambda path: (path.name, str(path)), default=None)
    return None if newest is None else PoolFile(newest.name, read_text(newest))


def _without_twins(found: Iterable[_Raw]) -> list[_Raw]:
    """Keep one path per name; the paths of a name must lead to the same bytes."""
    kept: dict[str, _Raw] = {}
    for raw in found:
        first = kept.setdefault(raw.path.name, raw)
        if first is not raw and not _is_same_file(first.path, raw.path):
            raise ArchiveError(
                f"two different files are named {raw.path.name}: {first.path} and "
                f"{raw.path}; remove one"
            )
    return list(kept.values())


def _is_same_file(one: Path, other: Path) -> bool:
    """Compare by inode, then by content."""
    try:
        return one.samefile(other) or filecmp.cmp(one, other, shallow=False)
    except OSError:
        return False


def _to_inventory(found: Iterable[_Raw]) -> Inventory:
    """Read every file."""
    read = [_read(raw) for raw in found]
    exposures = [entry for entry in read if isinstance(entry, Exposure)]
    rejected = [entry for entry in read if isinstance(entry, RejectedFile)]
    return Inventory(
        tuple(sorted(exposures, key=lambda exposure: exposure.name)),
        tuple(sorted(rejected, key=lambda file: file.path)),
    )


def _read(raw: _Raw) -> Exposure | RejectedFile:
    """Turn a raw file into an exposure, or say why it is none."""
    try:
        status = raw.path.stat()
        if not stat.S_ISREG(status.st_mode):
            reason = "expected a regular file, got a device or a pipe"
            return reject(raw.path, raw.name, reason)
        file = read_raw_file(raw.path, status.st_size)
    except OSError as error:
        reason = f"expected a readable file, got {error.strerror or error}"
        return reject(raw.path, raw.name, reason)
    except UnreadableHeaderError as error:
        return reject(raw.path, raw.name, str(error))
    return to_exposure(
        raw.path,
        raw.name,
        file,
        size_bytes=status.st_size,
        mtime_ns=status.st_mtime_ns,
    )


def _count(exposures: int) -> str:
    """Say a number of exposures."""
    return f"{exposures} exposure" + ("s" if exposures != 1 else "")
