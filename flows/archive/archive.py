"""What a run needs of an archive, be it a folder or far away."""

from collections.abc import Iterable
from typing import Protocol

from flows.models.exposures import Exposure, Inventory

from .progress import FetchListener

__all__ = ["Archive"]


class Archive(Protocol):
    """Where exposures come from."""

    def find(self, program: str) -> Inventory:
        """Find the exposures of a program.

        Raises
        ------
        UnknownProgramError
            There is no raw exposure of it.
        ArchiveError
            The archive cannot be read.
        """
        ...

    def fetch(
        self, exposures: Iterable[Exposure], *, listener: FetchListener
    ) -> tuple[Exposure, ...]:
        """Make the files of exposures local.

        Returns
        -------
        tuple of Exposure
            The same ones, with where they are; one that could not be fetched has that
            as its defect.

        Raises
        ------
        ArchiveError
            There is no room for them.
        """
        ...
