"""Tags: names of runs, which are kept as long as they have one.

``tags/<name>`` holds the id of a run.
"""

import re
from pathlib import Path
from typing import Final

from workers.outside import read_outside
from workers.publishing import replace

from ..errors import DataFolderError, UnknownRecordError
from ..layout import TAGS
from ..models.runs import Run

__all__ = ["Tags"]

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""What a name can be."""

_ID_BYTES: Final = 100
"""More than the id of a run has."""


class Tags:
    """Names of runs, below the data folder."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir.absolute() / TAGS

    def put(self, run: Run, name: str) -> None:
        """Give a run a name; another run may have it until it is taken away there.

        Raises
        ------
        DataFolderError
            It cannot be a name, is that of another run, or cannot be written.
        """
        if not _NAME.fullmatch(name):
            raise DataFolderError(
                f"{name[:80]!r} cannot be a name of a run: expected letters, digits, "
                "dots, hyphens and underscores, 64 at most."
            )
        holder = self.list_all().get(name, run.id)
        if holder != run.id:
            raise DataFolderError(
                f"The run {holder} has the name {name}: take it away with `rewebb "
                f"untag {name}` first."
            )
        try:
            path = self._folder / name
            replace(path, lambda draft: draft.write_text(run.id + "\n"))
        except OSError as error:
            raise DataFolderError(
                f"The name cannot be written to {self._folder}: {error.strerror}"
            ) from error

    def remove(self, name: str) -> None:
        """Take a name away.

        Raises
        ------
        UnknownRecordError
            No run has it.
        """
        if name not in self.list_all():
            raise UnknownRecordError(f"No run has the name {name}; see `rewebb runs`.")
        (self._folder / name).unlink()

    def list_all(self) -> dict[str, str]:
        """List all names, each with the id of its run.

        Raises
        ------
        DataFolderError
            One cannot be read, so that what it keeps is not known.
        """
        try:
            return {
                path.name: read_outside(path, most_bytes=_ID_BYTES).decode().strip()
                for path in sorted(self._folder.glob("*"))
                if _NAME.fullmatch(path.name)
            }
        except (OSError, UnicodeDecodeError) as error:
            raise DataFolderError(
                f"The names of runs in {self._folder} cannot be read: {error}"
            ) from error

    def find(self, run_id: str) -> tuple[str, ...]:
        """Find the names of a run."""
        tags = self.list_all().items()
        return tuple(name for name, holder in tags if holder == run_id)
