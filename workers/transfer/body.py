"""What a server gives of one file."""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from workers.errors import TransientTransferError

__all__ = ["Body", "Opener", "find_strong_etag", "first_bytes", "read_begin"]

_STRONG_ETAG: Final = re.compile(r'"[\x21\x23-\x7e\x80-\xff]*"')


def find_strong_etag(header: str | None) -> str | None:
    """Give an ETag that stands for bytes; None for a weak one, or for none."""
    is_strong = header is not None and _STRONG_ETAG.fullmatch(header) is not None
    return header if is_strong else None


@dataclass(frozen=True, slots=True)
class Body:
    """An answer that is being read."""

    start_byte: int
    """Where it starts in the file: what was asked for, or 0 where the server gives all
    of it, since it knows no ranges or the file is another one by now."""
    total_bytes: int | None
    """How long the whole file is, where the server says it."""
    entity: str | None
    """Strong validator (ETag), where the server gives one: same entity, same bytes."""
    modified: str | None
    """When the file was changed last, as the server says it."""
    chunks: Iterator[bytes]
    """The bytes from `start_byte` on."""
    is_dated: bool = False
    """Whether `modified` is a strong validator too (RFC 9110, 8.8.2.2)."""


class Opener(Protocol):
    """Opens one file at a server; one try.

    Raises, on opening or while chunks are read
    ------
    TransferError
        What went wrong, and whether to try again (`workers.errors`).
    """

    def __call__(
        self,
        *,
        start_byte: int = 0,
        end_byte: int | None = None,
        entity: str | None = None,
    ) -> AbstractContextManager[Body]:
        """Open the file.

        Parameters
        ----------
        start_byte, end_byte
            The bytes that are wanted; the end is not included. All may be given.
        entity
            A strong validator, ETag or date, of the version that is wanted; of another
            version all is given, from its begin. Without one, whatever the server has.
        """
        ...


def read_begin(opener: Opener, end_byte: int, size_bytes: int) -> bytes:
    """Read the begin of a file, or all of one that is shorter; one try."""
    with opener(end_byte=end_byte) as body:
        return first_bytes(body, min(end_byte, size_bytes))


def first_bytes(body: Body, end_byte: int) -> bytes:
    """Read so many bytes of a body, all of which must come."""
    begin = bytearray()
    for chunk in body.chunks:
        begin += chunk
        if len(begin) >= end_byte:  # a server may know no ranges
            return bytes(begin[:end_byte])
    if len(begin) < end_byte:
        raise TransientTransferError(
            f"expected {end_byte} bytes, the body ended after {len(begin)}"
        )
    return bytes(begin)
