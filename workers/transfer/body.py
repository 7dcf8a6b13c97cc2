"""What a server gives of one file."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Body", "Opener"]


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


class Opener(Protocol):
    """Opens one file at a server; one try.

    Raises, on opening or while chunks are read
    ------
    TransferError
        What went wrong, and whether to try again (`workers.errors`).
    """

    def __call__(
        self, *, start_byte: int = 0, entity: str | None = None
    ) -> AbstractContextManager[Body]:
        """Open the file.

        Parameters
        ----------
        start_byte
            First byte that is wanted.
        entity
            The version that the bytes before belong to; of another version all is
            given, from its begin.
        """
        ...
