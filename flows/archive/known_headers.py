"""Headers that are remembered: a file that has not changed is not opened again."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..models.exposures import Exposure, UnusableFile
from ..models.resolutions import KnownHeader
from ..names import ExposureName
from .headers import RawFile, read_raw_file, to_exposure

__all__ = ["HeaderMemory", "ReadFile", "remembering"]

ReadFile = Callable[[Path, ExposureName, str], Exposure | UnusableFile]
"""Reads a file that must have an extension; raises what `read_exposure` does."""


@dataclass(frozen=True, slots=True)
class HeaderMemory:
    """What is remembered of headers, and how."""

    find: Callable[[Sequence[str]], Mapping[str, KnownHeader]]
    """Finds those of files, by path."""
    remember: Callable[[Sequence[KnownHeader]], object]
    """Remembers what was read."""
    software: str
    """Hash of the software that reads."""


@contextmanager
def remembering(
    memory: HeaderMemory | None, paths: Sequence[Path]
) -> Iterator[ReadFile]:
    """Give what reads files, and remember at the end what it had to open.

    A file is the same while its size and its time of modification stand. What cannot
    be read is not remembered.
    """
    known = memory.find([str(path) for path in paths]) if memory else {}
    new: list[KnownHeader] = []

    def read(path: Path, name: ExposureName, extension: str) -> Exposure | UnusableFile:
        status = path.stat()
        size_bytes, mtime_ns = status.st_size, status.st_mtime_ns
        found = known.get(str(path))
        if found and (found.size_bytes, found.mtime_ns) == (size_bytes, mtime_ns):
            file = RawFile(dict(found.header), found.defect)
        else:
            file = read_raw_file(path, extension=extension)
            if memory:
                new.append(
                    KnownHeader(
                        *(str(path), size_bytes, mtime_ns, memory.software),
                        *(file.header, file.defect),
                    )
                )
        return to_exposure(path, name, file, size_bytes=size_bytes, mtime_ns=mtime_ns)

    yield read
    if memory:
        memory.remember(new)
