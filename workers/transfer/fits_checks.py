"""Whether a FITS file is whole: its structure, and the sums that it carries.

One pass over the file, in blocks; what is inside the data is not looked at. The sums
are those of appendix J of the FITS standard 4.0.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import BinaryIO, Final

from workers.errors import TransientTransferError

__all__ = ["FitsReport", "inspect_fits", "verify_fits"]

_BLOCK_BYTES: Final = 2880
"""FITS headers and data come in blocks of this size."""
_CARD_BYTES: Final = 80
_READ_BYTES: Final = 360 * _BLOCK_BYTES
"""How much is read at once; a megabyte, which caches hold."""
_LONGEST_HEADER_BYTES: Final = 10_000 * _BLOCK_BYTES
"""A header that does not end before is none."""
_ONES: Final = 0xFFFFFFFF

_VALUE: Final = re.compile(r"= +(?:'([^']*)'|([^ /]+))")
"""Value of a card: a text, or anything else."""


@dataclass(frozen=True, slots=True)
class FitsReport:
    """What a look at a FITS file gave."""

    checks: tuple[str, ...]
    """What was checked: ``fits structure``; ``CHECKSUM`` and ``DATASUM`` where the file
    has them, with a count where not all of its HDUs do."""
    defect: str | None
    """What is wrong with it, in one sentence."""


class _DefectError(Exception):
    """What is wrong; stays in this module."""


def verify_fits(path: Path) -> tuple[str, ...]:
    """Name the checks that a FITS file has passed; for `Expected.verify`.

    Raises
    ------
    TransientTransferError
        It is damaged.
    OSError
        It cannot be read.
    """
    report = inspect_fits(path)
    if report.defect is not None:
        raise TransientTransferError(f"expected a whole FITS file; {report.defect}")
    return report.checks


def inspect_fits(path: Path) -> FitsReport:
    """Look for damage in a FITS file.

    Raises
    ------
    OSError
        It cannot be read.
    """
    tally = _Tally()
    with path.open("rb", buffering=0) as stream:
        try:
            for number, hdu in enumerate(_read_hdus(stream)):
                tally.add(hdu, number)
            tally.check_kinds()
        except _DefectError as error:
            return FitsReport((), str(error))
    return FitsReport(tally.describe(), None)


@dataclass(frozen=True, slots=True)
class _Hdu:
    """An HDU that has been read: its sums, and those that it should have."""

    checksum: str | None
    datasum: str | None
    header_sum: int
    data_sum: int


class _Tally:
    """Which sums were there, and right."""

    def __init__(self) -> None:
        self._hdus = 0
        self._counts = {"CHECKSUM": 0, "DATASUM": 0}
        self._only_datasum: list[int] = []

    def add(self, hdu: _Hdu, number: int) -> None:
        """Count the sums of an HDU, or raise for a wrong one."""
        self._hdus += 1
        if hdu.datasum is not None:
            self._counts["DATASUM"] += 1
            if not hdu.datasum.isdecimal() or not _is_same(
                int(hdu.datasum), hdu.data_sum
            ):
                raise _DefectError(
                    f"DATASUM of HDU {number} is {hdu.datasum}, its data have "
                    f"{hdu.data_sum}"
                )
        if hdu.checksum is not None:
            self._counts["CHECKSUM"] += 1
            if not _is_same(hdu.header_sum + hdu.data_sum, 0):
                raise _DefectError(f"CHECKSUM of HDU {number} does not hold")
        elif hdu.datasum is not None:
            self._only_datasum.append(number)

    def check_kinds(self) -> None:
        """Raise for an HDU with DATASUM alone, if others have a CHECKSUM too.

        A byte changed in the word CHECKSUM itself shows in no other way.
        """
        if self._counts["CHECKSUM"] and self._only_datasum:
            raise _DefectError(
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


def _read_hdus(stream: BinaryIO) -> Iterator[_Hdu]:
    size_bytes = os.fstat(stream.fileno()).st_size
    position, number = 0, 0
    while position < size_bytes:
        header = _read_header(stream, number)
        if header is None:
            _check_rest(stream, position)
            return
        cards = _parse(header)
        length = _padded(_data_bytes(cards, number))
        position += len(header) + length
        if position > size_bytes:
            raise _DefectError(
                f"HDU {number} ends at byte {position}, the file at {size_bytes}"
            )
        yield _Hdu(
            checksum=cards.get("CHECKSUM") or None,
            datasum=cards.get("DATASUM") or None,
            header_sum=_fold(_sum(header)),
            data_sum=_sum_data(stream, length),
        )
        number += 1
    if number == 0:
        raise _DefectError("the file is empty")


def _read_header(stream: BinaryIO, number: int) -> bytes | None:
    """Read a header; None if something else is there, behind the last HDU."""
    header = bytearray()
    while len(header) < _LONGEST_HEADER_BYTES:
        block = _read(stream, _BLOCK_BYTES)
        if not header and not block.startswith(
            (b"SIMPLE  =", b"XTENSION=")[number > 0]
        ):
            if number > 0:
                return None
            raise _DefectError(f"the file begins with {block[:9]!r}, not with SIMPLE")
        header += block
        if len(block) < _BLOCK_BYTES:
            raise _DefectError(f"the file ends within the header of HDU {number}")
        if _has_end(block):
            return bytes(header)
    raise _DefectError(f"the header of HDU {number} has no END")


def _has_end(block: bytes) -> bool:
    starts = range(0, _BLOCK_BYTES, _CARD_BYTES)
    return any(block[start : start + 8] == b"END     " for start in starts)


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
        raise _DefectError(
            f"the header of HDU {number} does not say how long the data are: {error}"
        ) from error
    if size < 0:
        raise _DefectError(f"the header of HDU {number} announces {size} bytes")
    return size


def _check_rest(stream: BinaryIO, position: int) -> None:
    """See that behind the last HDU there is nothing but zeros."""
    stream.seek(position)
    while block := stream.read(_READ_BYTES):
        if block.strip(b"\0"):
            raise _DefectError(f"behind byte {position} there is what is no HDU")


def _sum_data(stream: BinaryIO, length: int) -> int:
    total = 0
    while length > 0:
        block = _read(stream, min(length, _READ_BYTES))
        if not block:
            raise _DefectError("the file became shorter while it was read")
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


def _padded(length: int) -> int:
    return -(-length // _BLOCK_BYTES) * _BLOCK_BYTES
