"""Metafiles of the MSA, which exposures name in their headers (MSAMETFL)."""

import filecmp
import stat
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

from flows.errors import FileNameError
from flows.models.exposures import Exposure, Inventory, Metafile
from flows.names import check_file_name

__all__ = ["name_metafile", "refuse_metafile", "with_metafiles"]

_NO_NAMES: Final = frozenset({"", "N/A", "NONE"})
"""What MSAMETFL holds where there is none."""

_NEEDED_BY: Final = "NRS_MSASPEC"
"""Exposure type that cannot be calibrated without."""


def with_metafiles(
    inventory: Inventory, walk: Callable[[], Iterable[Path]]
) -> Inventory:
    """Give exposures the metafiles that they name.

    A file beside the raw one goes before others of its name.

    Parameters
    ----------
    walk
        Lists all files of the archive; asked at most once.
    """
    needy = [exposure for exposure in inventory.exposures if name_metafile(exposure)]
    if not needy:
        return inventory
    there = _Shelf(walk)
    found = {exposure.name: _find(exposure, there) for exposure in needy}
    exposures = [
        replace(exposure, metafile=found.get(exposure.name))
        for exposure in inventory.exposures
    ]
    return replace(inventory, exposures=tuple(exposures))


class _Shelf:
    """Metafiles anywhere in the archive, listed when one is first asked for."""

    def __init__(self, walk: Callable[[], Iterable[Path]]) -> None:
        self._walk = walk
        self._paths: list[Path] | None = None

    def find(self, name: str) -> list[Path]:
        """Find all files of a name."""
        if self._paths is None:
            # A header may name a file that ends otherwise: edited copies do.
            self._paths = sorted(p for p in self._walk() if p.suffix == ".fits")
        return [path for path in self._paths if path.name == name]


def name_metafile(exposure: Exposure) -> str:
    """Name the metafile that an exposure needs; empty if it needs or names none.

    Without a name no rule of the MSA takes it, and the user is told so.
    """
    name = str(exposure.header.get("MSAMETFL", "")).strip()
    is_named = exposure.exp_type == _NEEDED_BY and name.upper() not in _NO_NAMES
    return name if is_named else ""


def _find(exposure: Exposure, shelf: _Shelf) -> Metafile:
    name = name_metafile(exposure)
    try:
        beside = exposure.path.parent / check_file_name(name)
    except FileNameError as error:
        return refuse_metafile(exposure, name, str(error))
    return _choose(exposure, name, [beside] if beside.exists() else shelf.find(name))


def _choose(exposure: Exposure, name: str, paths: list[Path]) -> Metafile:
    """Take a file; several must be the same."""
    if not paths:
        return refuse_metafile(
            exposure, name, "expected it in the archive, got no such file"
        )
    first, *others = paths
    try:
        for other in others:
            if not filecmp.cmp(first, other, shallow=False):
                why = f"expected one file of this name, got {first} and {other}"
                return refuse_metafile(exposure, name, why)
        status = first.stat()
    except OSError as error:
        return refuse_metafile(
            exposure, name, f"expected a readable file, got {error.strerror}"
        )
    if not stat.S_ISREG(status.st_mode):
        return refuse_metafile(
            exposure, name, "expected a regular file, got another kind"
        )
    return Metafile(name, first, status.st_size, status.st_mtime_ns)


def refuse_metafile(exposure: Exposure, name: str, why: str) -> Metafile:
    """Say why there is no metafile to use."""
    defect = f"the MSA metafile {name} that {exposure.name} names (MSAMETFL): {why}"
    return Metafile(name, Path(name), defect=defect)
