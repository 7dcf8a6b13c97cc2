"""A folder of files of exposures as an archive."""

import filecmp
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path

from flows.errors import (
    ArchiveError,
    FileNameError,
    UnknownProgramError,
)
from flows.models.exposures import (
    CalibratedFile,
    Exposure,
    Inventory,
    PoolFile,
    UnusableFile,
)
from flows.names import ExposureName, parse_file_name
from flows.stages import RAW_SUFFIX, STARTS, list_start_suffixes

from .headers import to_exposure, to_unusable
from .metafiles import with_metafiles
from .progress import FetchListener
from .rawfile import UnreadableHeaderError, read_raw_file
from .texts import read_text

__all__ = ["FolderArchive", "walk_files"]


@dataclass(frozen=True, slots=True)
class _Found:
    """A file of an exposure, as its name tells."""

    path: Path
    name: ExposureName
    suffix: str


class FolderArchive:
    """Files of exposures anywhere below a folder.

    Parameters
    ----------
    root
        The folder. It may be nested at will; symbolic links are followed.
    suffixes
        Of the files that tell of an exposure, the best first: raw ones, rates where
        only headers are wanted, or what a run starts from after detector1.
    """

    def __init__(self, root: Path, *, suffixes: Sequence[str] = (RAW_SUFFIX,)) -> None:
        self._root = root
        self._suffixes = tuple(suffixes)

    def programs(self) -> Mapping[str, int]:
        """Count the exposures of every program, by file name alone.

        Raises
        ------
        ArchiveError
            The folder is missing or cannot be read.
        """
        names = {file.name for file in _find_files(self._root, self._suffixes)}
        counts = Counter(name.program for name in names)
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
            There is no file of the program.
        ArchiveError
            The folder cannot be read, or one name stands for different files.
        """
        there = _find_files(self._root, self._suffixes)
        found = [file for file in there if file.name.program == program]
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
            f"{', '.join(held) or 'no ' + ' or '.join(self._suffixes) + ' files'}"
            f"{self._suggest_start(program)}"
        )

    def _suggest_start(self, program: str) -> str:
        """Name the stage that can start from the files of a program, if one can."""
        for start in STARTS:
            there = _find_files(self._root, list_start_suffixes(start))
            found = {file.suffix for file in there if file.name.program == program}
            if found:
                suffixes = ", ".join(sorted(found))
                return f"; to start from its {suffixes} files, give --start-at {start}"
        return ""


def _find_files(root: Path, suffixes: Sequence[str]) -> list[_Found]:
    """Find the files of some suffixes below a folder: the best first, then by path."""
    endings = tuple(f"_{suffix}.fits" for suffix in suffixes)
    paths = (path for path in walk_files(root) if path.name.endswith(endings))
    found = (file for path in paths if (file := _take_apart(path)))
    return sorted(found, key=lambda file: (suffixes.index(file.suffix), file.path))


def _take_apart(path: Path) -> _Found | None:
    """Take the name of a file apart, or give None for what only ends like one."""
    try:
        name = parse_file_name(path.name)
    except FileNameError:
        return None
    if name.suffix is None or not isinstance(name.of, ExposureName):
        return None
    return _Found(path, name.of, name.suffix)


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


def _without_twins(found: Iterable[_Found]) -> list[_Found]:
    """Keep one path per name; the paths of a name must lead to the same bytes."""
    kept: dict[str, _Found] = {}
    for file in found:
        first = kept.setdefault(file.path.name, file)
        if first is not file and not _is_same_file(first.path, file.path):
            raise ArchiveError(
                f"two different files are named {file.path.name}: {first.path} and "
                f"{file.path}; remove one"
            )
    return list(kept.values())


def _is_same_file(one: Path, other: Path) -> bool:
    """Compare by inode, then by content."""
    try:
        return one.samefile(other) or filecmp.cmp(one, other, shallow=False)
    except OSError:
        return False


def _to_inventory(found: Iterable[_Found]) -> Inventory:
    """Read every file."""
    by_name: dict[ExposureName, list[_Found]] = defaultdict(list)
    for file in found:
        by_name[file.name].append(file)
    read = [_read_all(files) for files in by_name.values()]
    exposures = [entry for entry in read if isinstance(entry, Exposure)]
    unusable = [entry for entry in read if isinstance(entry, UnusableFile)]
    return Inventory(
        tuple(sorted(exposures, key=lambda exposure: exposure.name)),
        tuple(sorted(unusable, key=lambda file: file.path)),
    )


def _read_all(files: Sequence[_Found]) -> Exposure | UnusableFile:
    """Turn the files of an exposure, the best first, into it, or say why it is none."""
    read = {file.suffix: _read(file) for file in files}
    exposures = [one for one in read.values() if isinstance(one, Exposure)]
    if not exposures:
        return read[files[0].suffix]
    calibrated = {
        suffix: _to_calibrated(one)
        for suffix, one in read.items()
        if suffix != RAW_SUFFIX
    }
    return replace(exposures[0], calibrated=calibrated)


def _to_calibrated(file: Exposure | UnusableFile) -> CalibratedFile:
    """Say what a file tells of its making."""
    if isinstance(file, UnusableFile):
        defect = file.reason.removeprefix(f"{file.path.name}: ")
        return CalibratedFile(file.path, defect=defect)
    return CalibratedFile(
        path=file.path,
        size_bytes=file.size_bytes,
        mtime_ns=file.mtime_ns,
        software=str(file.header.get("CAL_VER", "")),
        context=str(file.header.get("CRDS_CTX", "")),
        defect=file.defect,
    )


def _read(file: _Found) -> Exposure | UnusableFile:
    """Turn a file into an exposure, or say why it is none."""
    try:
        status = file.path.stat()
        extension = "EXTRACT1D" if file.suffix.startswith("x1d") else "SCI"
        read = read_raw_file(file.path, status.st_size, extension=extension)
    except OSError as error:
        reason = f"expected a readable file, got {error.strerror or error}"
        return to_unusable(file.path, file.name, reason)
    except UnreadableHeaderError as error:
        return to_unusable(file.path, file.name, str(error))
    return to_exposure(
        file.path,
        file.name,
        read,
        size_bytes=status.st_size,
        mtime_ns=status.st_mtime_ns,
    )


def _count(exposures: int) -> str:
    """Say a number of exposures."""
    return f"{exposures} exposure" + ("s" if exposures != 1 else "")
