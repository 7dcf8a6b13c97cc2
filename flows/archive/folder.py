"""A folder of raw files as an archive."""

import filecmp
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from flows.errors import (
    ArchiveError,
    FileNameError,
    UnknownProgramError,
)
from flows.models import Exposure, Inventory, RejectedFile
from flows.names import ExposureName, format_exposure_name, parse_file_name

from .metafiles import with_metafiles
from .rawfile import RawFile, UnreadableHeaderError, read_raw_file
from .roles import HeaderValue, role_of

__all__ = ["FolderArchive"]

Suffix = Literal["uncal", "rate"]
"""Suffix of the files that headers are read from."""

_IDENTITY: Final = (
    ("PROGRAM", "program"),
    ("OBSERVTN", "observation"),
    ("VISIT", "visit"),
)
"""Keywords that must agree with the part of the file name; only the first must be
there."""


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
        return with_metafiles(inventory, lambda: _walk(self._root))

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
    paths = (path for path in _walk(root) if path.name.endswith(ending))
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


def _walk(root: Path) -> Iterator[Path]:
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
            return _reject(raw, "expected a regular file, got a device or a pipe")
        file = read_raw_file(raw.path, status.st_size)
    except OSError as error:
        return _reject(raw, f"expected a readable file, got {error.strerror or error}")
    except UnreadableHeaderError as error:
        return _reject(raw, str(error))
    if objection := _objection(raw.name, file.header):
        return _reject(raw, objection)
    return _to_exposure(raw, status, file)


def _reject(raw: _Raw, reason: str) -> RejectedFile:
    """Set a file aside."""
    return RejectedFile(
        path=raw.path,
        program=raw.name.program,
        observation=raw.name.observation,
        reason=f"{raw.path.name}: {reason}",
    )


def _objection(name: ExposureName, header: Mapping[str, HeaderValue]) -> str | None:
    """Say what in the header forbids to take the file for what its name says."""
    for keyword, part in _IDENTITY:
        expected, got = getattr(name, part), header.get(keyword)
        if got != expected and (got is not None or keyword == "PROGRAM"):
            return f"expected {keyword} {expected!r} as in the file name, got {got!r}"
    if not isinstance(header.get("EXP_TYPE"), str):
        return f"expected EXP_TYPE in the header, got {header.get('EXP_TYPE')!r}"
    return None


def _to_exposure(raw: _Raw, status: os.stat_result, file: RawFile) -> Exposure:
    """Put together what name, file and header tell."""
    return Exposure(
        name=format_exposure_name(raw.name),
        program=raw.name.program,
        observation=raw.name.observation,
        visit=raw.name.visit,
        path=raw.path,
        size_bytes=status.st_size,
        mtime_ns=status.st_mtime_ns,
        exp_type=str(file.header["EXP_TYPE"]).upper(),
        role=role_of(file.header),
        header=file.header,
        defect=file.defect,
    )


def _count(exposures: int) -> str:
    """Say a number of exposures."""
    return f"{exposures} exposure" + ("s" if exposures != 1 else "")
