"""Whether a FITS file is whole: its structure, and the sums that it carries.

One pass over the file, in blocks; what is inside the data is not looked at. The sums
are those of appendix J of the FITS standard 4.0.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import BinaryIO, Final

from ..errors import TransientTransferError
from ..outside import open_outside

__all__ = [
    "FitsError",
    "FitsReport",
    "Hdu",
    "inspect_fits",
    "read_hdus",
    "read_header",
    "verify_fits",
    "verify_structure",
]

_BLOCK_BYTES: Final = 2880
"""FITS headers and data come in blocks of this size."""
_CARD_BYTES: Final = 80
_READ_BYTES: Final = 360 * _BLOCK_BYTES
"""How much is read at once; a megabyte, which caches hold."""
_LONGEST_HEADER_BYTES: Final = 1456 * _BLOCK_BYTES
"""4 MiB, or 52 000 cards: a header that does not end before is none."""
_ONES: Final = 0xFFFFFFFF

_VALUE: Final = re.compile(r"= +(?:'([^']*)'|([^ /]+))")
"""Value of a card: a text, or anything else."""


class FitsError(Exception):
    """What is wrong with a FITS file, in one sentence; an archive never lets it out."""


@dataclass(frozen=True, slots=True)
class FitsReport:
    """What a look at a FITS file gave."""

    checks: tuple[str, ...]
    """What was checked: ``fits structure``; ``CHECKSUM`` and ``DATASUM`` where the file
    has them, with a count where not all of its HDUs do."""
    defect: str | None
    """What is wrong with it, in one sentence."""


@dataclass(frozen=True, slots=True)
class Hdu:
    """An HDU that is all there; the stream is at the begin of its data."""

    number: int
    """From 0."""
    header: bytes
    """Its header, in whole blocks."""
    cards: Mapping[str, str]
    """Keywords and values; of a keyword given twice the first counts."""
    data_bytes: int
    """Length of its data, in whole blocks."""

    @property
    def name(self) -> str:
        """EXTNAME, as astropy has it."""
        first = "an unnamed one" if self.number else "PRIMARY"
        return self.cards.get("EXTNAME", first).strip().upper()


def verify_fits(path: Path) -> tuple[str, ...]:
    """Name the checks that a FITS file has passed; for `Expected.verify`."""
    report = inspect_fits(path)
    if report.defect is not None:
        raise TransientTransferError(f"expected a whole FITS file; {report.defect}")
    return report.checks


def verify_structure(path: Path) -> None:
    """Check that a FITS file does not end before its last header says (`FitsError`)."""
    with open_outside(path) as stream:
        for _ in read_hdus(stream):
            pass


def inspect_fits(path: Path) -> FitsReport:
    """Look for damage in a FITS file."""
    tally = _Tally()
    with path.open("rb", buffering=0) as stream:
        try:
            for hdu in read_hdus(stream, whole=True):
                tally.add(hdu, _sum_data(stream, hdu.data_bytes))
            tally.check_kinds()
        except FitsError as error:
            return FitsReport((), str(error))
    return FitsReport(tally.describe(), None)


def read_hdus(stream: BinaryIO, *, whole: bool = False) -> Iterator[Hdu]:
    """Read headers, one after the other, of HDUs that are all there.

    Parameters
    ----------
    whole
        Whether behind the last HDU there may be nothing but zeros.
    """
    size_bytes = os.fstat(stream.fileno()).st_size
    position, number = 0, 0
    while position < size_bytes or number == 0:
        stream.seek(position)
        header = read_header(stream, is_first=number == 0)
        if header is None:
            if whole:
                _check_rest(stream, position)
            return
        cards = _parse(header)
        data_bytes = -(-_data_bytes(cards, number) // _BLOCK_BYTES) * _BLOCK_BYTES
        position += len(header) + data_bytes
        if position > size_bytes:
            raise FitsError(f"expected at least {position} bytes, got {size_bytes}")
        yield Hdu(number, header, cards, data_bytes)
        number += 1


def read_header(stream: BinaryIO, *, is_first: bool) -> bytes | None:
    """Read a header; None if something else is there, behind the last HDU."""
    position, header = stream.tell(), bytearray()
    while len(header) < _LONGEST_HEADER_BYTES:
        block = _read(stream, _BLOCK_BYTES)
        if not header and not block.startswith((b"XTENSION=", b"SIMPLE  =")[is_first]):
            if not is_first:
                return None
            raise FitsError(
                f"expected a FITS file, which starts with SIMPLE, got {block[:9]!r}"
            )
        header += block
        if len(block) < _BLOCK_BYTES:
            raise FitsError(f"expected a FITS header at byte {position}, got: the end")
        starts = range(0, _BLOCK_BYTES, _CARD_BYTES)
        if any(block[start : start + 8] == b"END     " for start in starts):
            return bytes(header)
    raise FitsError(f"expected a FITS header at byte {position}, got one without END")


class _Tally:
    """Which sums were there, and right."""

    def __init__(self) -> None:
        self._hdus = 0
        self._counts = {"CHECKSUM": 0, "DATASUM": 0}
        self._only_datasum: list[int] = []

    def add(self, hdu: Hdu, data_sum: int) -> None:
        """Count the sums of an HDU, or raise for a wrong one."""
        checksum, datasum = hdu.cards.get("CHECKSUM"), hdu.cards.get("DATASUM")
        self._hdus += 1
        if datasum:
            self._counts["DATASUM"] += 1
            if not datasum.isdecimal() or not _is_same(int(datasum), data_sum):
                raise FitsError(
                    f"DATASUM of HDU {hdu.number} is {datasum}, its data have "
                    f"{data_sum}"
                )
        if checksum:
            self._counts["CHECKSUM"] += 1
            if not _is_same(_fold(_sum(hdu.header)) + data_sum, 0):
                raise FitsError(f"CHECKSUM of HDU {hdu.number} does not hold")
        elif datasum:
            self._only_datasum.append(hdu.number)

    def check_kinds(self) -> None:
        """Raise for an HDU with DATASUM alone, if others have a CHECKSUM too.

        A byte changed in the word CHECKSUM itself shows in no other way.
        """
        if self._counts["CHECKSUM"] and self._only_datasum:
            raise FitsError(
                f"HDU {self._only_datasum[0]} has a DATASUM and no CHECKSUM, as "
                f"{self._counts['CHECKSUM']} other HDUs have"
            )

    def describe(self) -> tuple[str, ...]:
        """Name the checks."""
        sums = [
            name if count == self._hdus else f"{name} ({count} of {self._hdus} HDUs)"
            for name, count in self._counts.items()
            if count
        ]
        return ("fits structure", *sums)


def _parse(header: bytes) -> dict[str, str]:
    """Read keywords and values; of a keyword given twice the first counts."""
    text, cards = header.decode("latin1"), dict[str, str]()
    for start in range(0, len(text), _CARD_BYTES):
        value = _VALUE.match(text, start + 8, start + _CARD_BYTES)
        if value:
            keyword = text[start : start + 8].rstrip()
            cards.setdefault(keyword, (value[1] or value[2] or "").strip())
    return cards


def _data_bytes(cards: dict[str, str], number: int) -> int:
    """Count the bytes of data that a header announces (FITS standard 4.0, eq. 2)."""
    try:
        shape = [int(cards[f"NAXIS{i + 1}"]) for i in range(int(cards["NAXIS"]))]
        if shape and shape[0] == 0 and cards.get("GROUPS") == "T":
            shape = shape[1:]  # random groups, eq. 4
        values = int(cards.get("PCOUNT", 0)) + (prod(shape) if shape else 0)
        size = abs(int(cards["BITPIX"])) // 8 * int(cards.get("GCOUNT", 1)) * values
    except (KeyError, ValueError) as error:
        raise FitsError(
            f"expected BITPIX and NAXIS in the header of HDU {number}, got: {error}"
        ) from error
    if size < 0:
        raise FitsError(f"expected data in HDU {number}, got {size} bytes")
    return size


def _check_rest(stream: BinaryIO, position: int) -> None:
    """See that behind the last HDU there is nothing but zeros."""
    stream.seek(position)
    while block := stream.read(_READ_BYTES):
        if block.strip(b"\0"):
            raise FitsError(f"behind byte {position} there is what is no HDU")


def _sum_data(stream: BinaryIO, length: int) -> int:
    total = 0
    while length > 0:
        block = _read(stream, min(length, _READ_BYTES))
        if not block:
            raise FitsError("the file became shorter while it was read")
        total += _sum(block)
        length -= len(block)
    return _fold(total)


def _sum(block: bytes) -> int:
    """Add big-endian words of 32 bits."""
    import numpy as np

    return int(np.frombuffer(block, ">u4").sum(dtype=np.uint64))


def _fold(total: int) -> int:
    """Turn a sum into one of ones' complement: carries are added at the end."""
    while total > _ONES:
        total = (total & _ONES) + (total >> 32)
    return total


def _is_same(one: int, other: int) -> bool:
    """Compare sums of ones' complement, which has two zeros."""
    return (one - other) % _ONES == 0


def _read(stream: BinaryIO, length: int) -> bytes:
    """Read so many bytes, less only at the end."""
    block = stream.read(length)
    while 0 < len(block) < length and (more := stream.read(length - len(block))):
        block += more
    return block
