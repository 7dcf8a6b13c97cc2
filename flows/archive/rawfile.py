"""A raw file: its primary header, and whether it is as long as its HDUs say.

Only headers are read, never data.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from workers.outside import open_outside

from .roles import HeaderValue

if TYPE_CHECKING:
    from astropy.io.fits import Header

__all__ = ["RawFile", "UnreadableHeaderError", "read_raw_file", "read_raw_header"]

_BLOCK_BYTES: Final = 2880
"""FITS headers and data come in blocks of this size."""

_LONGEST_HEADER_BYTES: Final = 1456 * _BLOCK_BYTES
"""4 MiB, or 52 000 cards: a header that does not end before is none."""

_COMMENTARY: Final = frozenset({"", "COMMENT", "HISTORY"})
"""Keywords without a value."""


class UnreadableHeaderError(Exception):
    """The primary header cannot be read; a sentence says why. Stays in the archive."""


@dataclass(frozen=True, slots=True)
class RawFile:
    """What the headers of a file tell."""

    header: dict[str, HeaderValue]
    """Primary header; undefined and commentary cards left out."""
    defect: str | None
    """What is wrong with the rest of the file, in one sentence."""


def read_raw_file(path: Path, size_bytes: int, *, extension: str = "SCI") -> RawFile:
    """Read the primary header of a FITS file and check its structure.

    Parameters
    ----------
    path
        The file.
    size_bytes
        How long it is.
    extension
        Name of the extension that it must have.

    Raises
    ------
    UnreadableHeaderError
        It is no FITS file, or its primary header is damaged.
    OSError
        The file cannot be opened or read.
    """
    with open_outside(path) as stream:
        primary = _read_primary(stream)
        defect = _defect(stream, primary, size_bytes, extension)
        return RawFile(_values(primary), defect)


def read_raw_header(stream: BinaryIO) -> RawFile:
    """Read the primary header of a FITS file of which only the begin is there.

    Raises
    ------
    UnreadableHeaderError
        It is no FITS file, or its primary header is damaged or longer than this.
    """
    return RawFile(_values(_read_primary(stream)), None)


def _read_primary(stream: BinaryIO) -> "Header":
    """Read the first header, which must start as FITS does."""
    start = stream.read(_BLOCK_BYTES)[:30]
    if not start.startswith(b"SIMPLE  ="):
        raise UnreadableHeaderError(
            f"expected a FITS file, which starts with SIMPLE, got {start[:9]!r}"
        )
    stream.seek(0)
    return _read_header(stream)


def _read_header(stream: BinaryIO) -> "Header":
    """Read the header at the present position; leave the stream behind it."""
    from astropy.io.fits import Header  # 0.3 s: only when needed

    with _expecting(f"a FITS header at byte {stream.tell()}"):
        return Header.fromfile(_Bounded(stream, _LONGEST_HEADER_BYTES))


class _Bounded:
    """The begin of a binary stream, which seems to end there."""

    def __init__(self, stream: BinaryIO, left_bytes: int) -> None:
        self._stream = stream
        self._left_bytes = left_bytes
        self.mode = "rb"

    def read(self, length: int) -> bytes:
        """Read on, as far as one may."""
        data = self._stream.read(min(length, self._left_bytes))
        self._left_bytes -= len(data)
        return data


def _values(header: "Header") -> dict[str, HeaderValue]:
    """Turn a header into plain values; of a keyword given twice the first counts."""
    values: dict[str, HeaderValue] = {}
    with _expecting("readable cards in the primary header"):
        for card in header.cards:
            value = card.value  # once: every look costs as much as the parsing
            if isinstance(value, str | int | float):
                values.setdefault(card.keyword.upper(), value)
    for keyword in _COMMENTARY:
        values.pop(keyword, None)
    return values


def _defect(
    stream: BinaryIO, primary: "Header", size_bytes: int, extension: str
) -> str | None:
    """Say what is wrong with the file behind its primary header."""
    names: list[str] = []
    try:
        for name, end in _extents(stream, primary, size_bytes):
            names.append(name)
            if end > size_bytes:
                return f"expected at least {end} bytes, got {size_bytes}"
    except UnreadableHeaderError as error:
        return str(error)
    if extension not in names:
        return f"expected an {extension} extension, got only {', '.join(names)}"
    return None


def _extents(
    stream: BinaryIO, header: "Header", size_bytes: int
) -> Iterator[tuple[str, int]]:
    """Walk over the HDUs: the name of each and the byte behind it."""
    while True:
        end = stream.tell() + _padded(_data_bytes(header))
        yield _name(header), end
        if end >= size_bytes:
            return
        stream.seek(end)
        header = _read_header(stream)


def _name(header: "Header") -> str:
    """Name an HDU as astropy does."""
    first = "PRIMARY" if "SIMPLE" in header else "an unnamed one"
    with _expecting("a readable EXTNAME"):
        return str(header.get("EXTNAME", first)).strip().upper()


def _data_bytes(header: "Header") -> int:
    """Count the bytes of data that a header announces (FITS standard 4.0, eq. 2)."""
    with _expecting("BITPIX and NAXIS in the header of an HDU"):
        shape = [int(header[f"NAXIS{axis + 1}"]) for axis in range(header["NAXIS"])]
        values = math.prod(shape) if shape else 0
        item_bytes = abs(int(header["BITPIX"])) // 8
        groups = int(header.get("GCOUNT", 1))
        length_bytes = item_bytes * groups * (int(header.get("PCOUNT", 0)) + values)
        if length_bytes < 0:
            raise ValueError(f"{length_bytes} bytes")
    return length_bytes


def _padded(length_bytes: int) -> int:
    """Round up to whole FITS blocks."""
    return -(-length_bytes // _BLOCK_BYTES) * _BLOCK_BYTES


@contextmanager
def _expecting(what: str) -> Iterator[None]:
    """Turn what astropy raises, or warns of, into one error of ours."""
    from astropy.io.fits import VerifyError
    from astropy.utils.exceptions import AstropyUserWarning

    try:
        yield
    except (
        AstropyUserWarning,
        EOFError,
        LookupError,
        OSError,
        TypeError,
        ValueError,
        VerifyError,
    ) as error:
        raise UnreadableHeaderError(
            f"expected {what}, got: {error or 'the end'}"
        ) from error
