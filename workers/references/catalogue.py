"""What is known of the files of CRDS: from its server, or from memory without one."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from ..contract import ReferenceFile
from ..errors import CrdsCacheError, TransferError
from ..transfer import Opener
from .layout import read_server_config
from .verdict import FileFacts

__all__ = ["Catalogue", "RememberedCatalogue", "is_operational"]

_OPERATIONAL = {
    "latest",
    "operational",
    "jwst-latest",
    "jwst-operational",
}
"""Words of CRDS for the context that is in use at the archive."""


class Catalogue(Protocol):
    """Returns which files there are, what they must be, and where they come from."""

    @property
    def absence(self) -> str | None:
        """Why there is no server behind it, without a full stop; None if there is."""
        ...

    @property
    def config(self) -> Mapping[str, Any] | None:
        """What a cache keeps of it, or None to leave the cache as it is."""
        ...

    def name_context(self, wanted: str | None) -> str:
        """Return the final name of a context; None means the operational one."""
        ...

    def list_mappings(self, context: str) -> Sequence[str]:
        """List the mappings of a context."""
        ...

    def list_references(self, context: str) -> Sequence[str]:
        """List the references of a context."""
        ...

    def describe(self, names: Iterable[str]) -> Mapping[str, FileFacts]:
        """Tell what files must be; those that nothing is known of are left out."""
        ...

    def make_opener(self, name: str) -> Opener:
        """Make what opens a file; raises TransferError where there is nothing."""
        ...


class RememberedCatalogue:
    """What is known without a server: the cache's own word, and what was seen.

    And the reason why there is no server, without a full stop.
    """

    def __init__(self, root: Path, known: Iterable[ReferenceFile], reason: str) -> None:
        self._root = root
        self._known = {
            file.name: FileFacts(file.name, file.size_bytes, file.sha1)
            for file in known
        }
        self._reason = reason

    @property
    def absence(self) -> str:
        """Say why there is no server."""
        return self._reason

    @property
    def config(self) -> None:
        """Nothing new."""

    def name_context(self, wanted: str | None) -> str:
        """Return a name, or the one that was operational at the last sync."""
        if wanted is not None and not is_operational(wanted):
            if wanted.endswith(".pmap"):
                return wanted
            raise CrdsCacheError(
                f"{self._reason}, and only a server knows which context {wanted!r} is."
            )
        config = read_server_config(self._root)
        return str(config.get("latest_context") or config["operational_context"])

    def list_mappings(self, context: str) -> Sequence[str]:
        """List the context alone: what it refers to shows when it is used."""
        return [context]

    def list_references(self, context: str) -> Sequence[str]:
        """Refuse: only a server knows."""
        raise CrdsCacheError(
            f"{self._reason}, and only a server lists all references of {context}."
        )

    def describe(self, names: Iterable[str]) -> Mapping[str, FileFacts]:
        """Tell what files were when they were seen."""
        return {name: self._known[name] for name in names if name in self._known}

    def make_opener(self, name: str) -> Opener:  # noqa: ARG002  # signature is given
        """Refuse likewise."""
        raise TransferError(f"{self._reason}.")


def is_operational(context: str | None) -> bool:
    """Return whether the operational context is meant; None means it."""
    return context is None or context in _OPERATIONAL
