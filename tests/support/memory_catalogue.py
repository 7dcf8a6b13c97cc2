"""A catalogue of CRDS files in memory."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from workers.errors import NotHeldError, TransientTransferError
from workers.references.verdict import FileFacts
from workers.transfer import Body, Opener

__all__ = ["MemoryCatalogue", "sha1"]


class MemoryCatalogue:
    """A `workers.references.catalogue.Catalogue` that has its files in memory."""

    absence: str | None = None
    config = None

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = dict(files)
        self.claimed: dict[str, FileFacts] = {}
        self.opened: list[str] = []
        self.broken: set[str] = set()

    def name_context(self, wanted: str | None) -> str:
        """Take any name."""
        return wanted or "jwst_0001.pmap"

    def list_mappings(self, context: str) -> Sequence[str]:
        """List the context alone."""
        return [context]

    def list_references(self, context: str) -> Sequence[str]:  # noqa: ARG002  # given
        """List all files."""
        return sorted(self.files)

    def describe(self, names: Iterable[str]) -> Mapping[str, FileFacts]:
        """Tell what is true, or claimed."""
        known = {name: self.files[name] for name in names if name in self.files}
        facts = {
            name: FileFacts(name, len(data), sha1(data)) for name, data in known.items()
        }
        return facts | self.claimed

    def make_opener(self, name: str) -> Opener:
        """Make what opens a file, with ranges, unless it is broken."""
        if name not in self.files:
            message = f"{name} is not held"
            raise NotHeldError(message)

        @contextmanager
        def opened(
            *,
            start_byte: int = 0,
            end_byte: int | None = None,
            entity: str | None = None,
        ) -> Iterator[Body]:
            self.opened.append(name)
            if name in self.broken:
                message = "503"
                raise TransientTransferError(message)
            data = self.files[name]
            start = start_byte if entity == '"1"' else 0
            yield Body(start, len(data), '"1"', None, iter([data[start:end_byte]]))

        return opened


def sha1(data: bytes) -> str:
    """Hash as CRDS does."""
    return hashlib.sha1(data).hexdigest()  # noqa: S324  # what CRDS has
