"""A folder of files of exposures: an archive, and a source that is searched."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from email.utils import formatdate
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

from workers.errors import (
    AccessDeniedError,
    NotHeldError,
    TransferError,
    TransientTransferError,
)
from workers.outside import OutsideFileError, open_outside
from workers.transfer import Body, Opener
from workers.transfer.fits_checks import FitsError

from ..errors import ArchiveError, FileNameError, UnknownProgramError
from ..models.exposures import (
    CalibratedFile,
    Exposure,
    Inventory,
    PoolFile,
    UnusableFile,
)
from ..names import ExposureName, parse_file_name
from ..stages import RAW_SUFFIX, STARTS, list_start_suffixes
from .headers import to_unusable
from .known_headers import HeaderMemory, ReadFile, remembering
from .metafiles import with_metafiles
from .selection import (
    HeldFile,
    have_same_bytes,
    keep_one_of_each,
    screen,
    to_listing,
)
from .source import FetchListener, Listing, Query, RemoteFile, Source
from .texts import read_text

__all__ = ["FolderArchive"]

_BLOCK_BYTES: Final = 1 << 20
"""How much is read at once."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A file of an exposure, as its name tells."""

    path: Path
    name: ExposureName
    suffix: str


class FolderArchive(Source):
    """Files of exposures anywhere below a folder; the sample programs are one.

    Parameters
    ----------
    root
        The folder. It may be nested at will; symbolic links are followed.
    suffixes
        Of the files that tell of an exposure, the best first: raw ones, rates where
        only headers are wanted, or what a run starts from after detector1.
    headers
        What is remembered of headers; None to read all.
    """

    def __init__(
        self,
        root: Path,
        *,
        suffixes: Sequence[str] = (RAW_SUFFIX,),
        headers: HeaderMemory | None = None,
    ) -> None:
        self._root = root.absolute()
        self._suffixes = tuple(suffixes)
        self._headers = headers

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"the folder {self._root}"

    def search(self, query: Query) -> Listing:
        """List what the folder holds of what is asked for."""
        screened = screen(map(_hold, _walk_files(self._root)), query)
        held = {file.uri: file for file in screened.exposures}
        archive = FolderArchive(self._root, suffixes=(query.kind,))
        programs = [p for p in archive.programs() if query.program in {None, p}]
        inventories = [archive.find(program) for program in programs]
        found: list[Exposure | UnusableFile] = []
        for inventory in inventories:
            found += [*inventory.exposures, *inventory.unusable]
        return to_listing(
            query,
            [(held[u], one) for one in found if (u := one.path.as_uri()) in held],
            companions=keep_one_of_each(
                sorted(screened.companions, key=lambda file: file.uri),
                lambda file: file.uri,
                lambda a, b: have_same_bytes(_path_of(a.uri), _path_of(b.uri)),
            ),
            refused=screened.refused,
        )

    def opener(self, file: RemoteFile) -> Opener:
        """Return what opens a file; see `Source`."""
        path = _path_of(file.uri)
        if not path.is_relative_to(self._root) or ".." in path.parts:
            raise NotHeldError(f"{file.uri} is not in {self.name}")
        return partial(_open, path)

    def programs(self) -> Mapping[str, int]:
        """Count the exposures of every program, by file name alone."""
        names = {file.name for file in _find_files(self._root, self._suffixes)}
        counts = Counter(name.program for name in names)
        return dict(sorted(counts.items()))

    def find(self, program: str) -> Inventory:
        """Find the exposures of a program; see `Archive`.

        One name that stands for different files is an error.
        """
        there = _find_files(self._root, self._suffixes)
        found = [file for file in there if file.name.program == program]
        if not found:
            raise UnknownProgramError(self._unknown_program(program))
        found = keep_one_of_each(
            found,
            lambda file: str(file.path),
            lambda one, other: have_same_bytes(one.path, other.path),
        )
        with remembering(self._headers, [file.path for file in found]) as read_file:
            inventory = _to_inventory(found, read_file)
        inventory = replace(inventory, pool=_find_pool(self._root, program))
        return with_metafiles(inventory, lambda: _walk_files(self._root))

    def fetch(
        self,
        exposures: Iterable[Exposure],
        *,
        listener: FetchListener,  # noqa: ARG002  # there is nothing to tell
    ) -> tuple[Exposure, ...]:
        """Return the same exposures: files of a folder are used where they are."""
        return tuple(exposures)

    def _unknown_program(self, program: str) -> str:
        """Say what there is instead."""
        held = [
            f"{name} ({n} exposure{'s' * (n != 1)})"
            for name, n in self.programs().items()
        ]
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
    paths = (path for path in _walk_files(root) if path.name.endswith(endings))
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


def _walk_files(root: Path) -> Iterator[Path]:
    """List the files below a folder; every folder once, however often it is linked."""
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
    found = [path for path in _walk_files(root) if fnmatch(path.name, pattern)]
    newest = max(found, key=lambda path: (path.name, str(path)), default=None)
    return None if newest is None else PoolFile(newest.name, read_text(newest))


def _to_inventory(found: Iterable[_Found], read_file: ReadFile) -> Inventory:
    """Read every file that is not remembered."""
    by_name: dict[ExposureName, list[_Found]] = defaultdict(list)
    for file in found:
        by_name[file.name].append(file)
    read = [_read_all(files, read_file) for files in by_name.values()]
    exposures = [entry for entry in read if isinstance(entry, Exposure)]
    unusable = [entry for entry in read if isinstance(entry, UnusableFile)]
    return Inventory(
        tuple(sorted(exposures, key=lambda exposure: exposure.name)),
        tuple(sorted(unusable, key=lambda file: file.path)),
    )


def _read_all(files: Sequence[_Found], read_file: ReadFile) -> Exposure | UnusableFile:
    """Turn the files of an exposure, the best first, into it, or say why it is none."""
    read = {file.suffix: _read(file, read_file) for file in files}
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


def _read(file: _Found, read_file: ReadFile) -> Exposure | UnusableFile:
    """Turn a file into an exposure, or say why it is none."""
    try:
        extension = "EXTRACT1D" if file.suffix.startswith("x1d") else "SCI"
        return read_file(file.path, file.name, extension)
    except OSError as error:
        reason = f"expected a readable file, got {error.strerror or error}"
        return to_unusable(file.path, file.name, reason)
    except FitsError as error:
        return to_unusable(file.path, file.name, str(error))


def _hold(path: Path) -> HeldFile:
    """Say what is known of a file without reading it; of a broken link not much."""
    try:
        size_bytes = path.stat().st_size
    except OSError:
        size_bytes = 0
    return HeldFile(path.name, path.as_uri(), size_bytes)


def _path_of(uri: str) -> Path:
    """Take the URI of a file apart."""
    return Path(url2pathname(urlsplit(uri).path))


@contextmanager
def _open(
    path: Path,
    *,
    start_byte: int = 0,
    end_byte: int | None = None,
    entity: str | None = None,
) -> Iterator[Body]:
    """Open a file as `workers.transfer.Opener` says."""
    try:
        stream = open_outside(path)
    except OSError as error:
        raise _transfer_error(error) from error
    with stream:
        status = os.fstat(stream.fileno())
        now = _entity(status)
        if entity not in {None, now} or start_byte > status.st_size:
            start_byte, end_byte = 0, None
        stream.seek(start_byte)
        end = status.st_size if end_byte is None else min(end_byte, status.st_size)
        yield Body(
            start_byte=start_byte,
            total_bytes=status.st_size,
            entity=now,
            modified=formatdate(status.st_mtime, usegmt=True),
            chunks=_read_blocks(stream, end - start_byte, now),
        )


def _read_blocks(stream: BinaryIO, left_bytes: int, entity: str) -> Iterator[bytes]:
    """Read blocks; at the end the file must still be the one that was opened."""
    while left_bytes > 0:
        try:
            block = stream.read(min(left_bytes, _BLOCK_BYTES))
            status = os.fstat(stream.fileno())
        except OSError as error:
            raise _transfer_error(error) from error
        if not block or _entity(status) != entity:
            raise TransientTransferError(f"{stream.name} was changed while it was read")
        yield block
        left_bytes -= len(block)


def _entity(status: os.stat_result) -> str:
    """Name a version of a file: whoever writes or replaces it changes this."""
    return f'"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"'


def _transfer_error(error: OSError) -> TransferError:
    """Sort an error of the file system by what should happen next."""
    message = f"{error.filename}: {error.strerror or error}"
    match error:
        case FileNotFoundError() | NotADirectoryError() | OutsideFileError():
            return NotHeldError(message)
        case PermissionError():
            return AccessDeniedError(message)
        case _:
            return TransientTransferError(message)
