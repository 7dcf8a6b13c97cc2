"""A folder of files as a source: searched by headers, opened as local files."""

import filecmp
import os
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

from flows.models.exposures import Exposure, Inventory, UnusableFile
from workers.errors import (
    AccessDeniedError,
    NotHeldError,
    TransferError,
    TransientTransferError,
)
from workers.outside import OutsideFileError, open_outside
from workers.transfer import Body

from .folder import FolderArchive, walk_files
from .held import ExaminedFile, HeldFile, keep_one_of_each, screen, to_listing
from .listing import Listing, Query, RemoteFile

__all__ = ["FolderSource"]

_BLOCK_BYTES: Final = 1 << 20
"""How much is read at once."""


class FolderSource:
    """Files anywhere below a folder; the sample programs are one.

    Parameters
    ----------
    root
        The folder. It may be nested at will; symbolic links are followed.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"the folder {self._root}"

    def search(self, query: Query) -> Listing:
        """List what the folder holds of what is asked for.

        Raises
        ------
        ArchiveError
            The folder cannot be read, one name stands for different files, or neither
            raw exposures nor countrates are asked for.
        """
        screened = screen(map(_hold, walk_files(self._root)), query)
        return to_listing(
            query,
            [one for found in self._find(query) for one in _examined(found)],
            companions=keep_one_of_each(screened.companions, _is_same),
            refused=screened.refused,
        )

    @contextmanager
    def open(
        self,
        file: RemoteFile,
        *,
        start_byte: int = 0,
        end_byte: int | None = None,
        entity: str | None = None,
    ) -> Iterator[Body]:
        """Open a file as `workers.transfer.Opener` says."""
        with _open(self._path_of(file)) as stream:
            status = os.fstat(stream.fileno())
            now = _entity(status)
            if entity not in {None, now} or start_byte > status.st_size:
                start_byte, end_byte = 0, None
            stream.seek(start_byte)
            end = status.st_size if end_byte is None else end_byte
            end = min(end, status.st_size)
            yield Body(
                start_byte=start_byte,
                total_bytes=status.st_size,
                entity=now,
                modified=formatdate(status.st_mtime, usegmt=True),
                chunks=_read(stream, end - start_byte, now),
            )

    def _find(self, query: Query) -> Iterator[Inventory]:
        """Read the headers of what may be asked for, program by program."""
        archive = FolderArchive(self._root, suffixes=(query.kind,))
        for program in archive.programs():
            if query.program in {None, program}:
                yield archive.find(program)

    def _path_of(self, file: RemoteFile) -> Path:
        """Give the path of a file, which is below the folder."""
        path = _path_of(file.uri)
        if not path.is_relative_to(self._root) or ".." in path.parts:
            raise NotHeldError(f"{file.uri} is not in {self.name}")
        return path


def _hold(path: Path) -> HeldFile:
    """Say what is known of a file without reading it; of a broken link not much."""
    try:
        size_bytes = path.stat().st_size
    except OSError:
        size_bytes = 0
    return HeldFile(path.name, path.as_uri(), size_bytes)


def _is_same(one: HeldFile, other: HeldFile) -> bool:
    """Compare two files by content."""
    return filecmp.cmp(_path_of(one.uri), _path_of(other.uri), shallow=False)


def _path_of(uri: str) -> Path:
    """Take the URI of a file apart."""
    return Path(url2pathname(urlsplit(uri).path))


def _examined(inventory: Inventory) -> list[ExaminedFile]:
    """List every exposure of an inventory with its file."""
    found: tuple[Exposure | UnusableFile, ...]
    found = (*inventory.exposures, *inventory.unusable)
    return [ExaminedFile(_hold(one.path), one) for one in found]


@contextmanager
def _open(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file."""
    try:
        stream = open_outside(path)
    except OSError as error:
        raise _transfer_error(error) from error
    with stream:
        yield stream


def _read(stream: BinaryIO, left_bytes: int, entity: str) -> Iterator[bytes]:
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
