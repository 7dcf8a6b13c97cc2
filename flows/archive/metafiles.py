"""Metafiles of the MSA, which exposures name in their headers (MSAMETFL)."""

import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final

from ..errors import ArchiveError, FileNameError
from ..models.exposures import Exposure, Inventory, Metafile
from ..names import check_file_name
from .selection import have_same_bytes, keep_one_of_each

__all__ = ["NO_SUCH_FILE", "name_metafile", "refuse_metafile", "with_metafiles"]

_NO_NAMES: Final = frozenset({"", "N/A", "NONE"})
"""What MSAMETFL holds where there is none."""

NO_SUCH_FILE: Final = "expected it in the archive, got no such file"
"""Why there is no metafile, most often."""

_NEEDED_BY: Final = "NRS_MSASPEC"
"""Exposure type that cannot be calibrated without."""


def with_metafiles(
    inventory: Inventory, walk: Callable[[], Iterable[Path]]
) -> Inventory:
    """Give exposures the metafiles that they name.

    A file beside the raw one goes before others of its name; for those all files of the
    archive are listed, at most once.
    """
    needy = [exposure for exposure in inventory.exposures if name_metafile(exposure)]
    if not needy:
        return inventory
    # A header may name a file that ends otherwise: edited copies do.
    list_files = cache(lambda: sorted(p for p in walk() if p.suffix == ".fits"))
    found = {exposure.name: _find(exposure, list_files) for exposure in needy}
    exposures = [
        replace(exposure, metafile=found.get(exposure.name))
        for exposure in inventory.exposures
    ]
    return replace(inventory, exposures=tuple(exposures))


def name_metafile(exposure: Exposure) -> str:
    """Name the metafile that an exposure needs; empty if it needs or names none.

    Without a name no rule of the MSA takes it, and the user is told so.
    """
    name = str(exposure.header.get("MSAMETFL", "")).strip()
    is_named = exposure.exp_type == _NEEDED_BY and name.upper() not in _NO_NAMES
    return name if is_named else ""


def refuse_metafile(exposure: Exposure, name: str, why: str) -> Metafile:
    """Say why there is no metafile to use."""
    defect = f"the MSA metafile {name} that {exposure.name} names (MSAMETFL): {why}"
    return Metafile(name, Path(name), defect=defect)


def _find(exposure: Exposure, list_files: Callable[[], Sequence[Path]]) -> Metafile:
    """Take a file; several of its name must be the same."""
    name = name_metafile(exposure)
    try:
        beside = exposure.path.parent / check_file_name(name)
    except FileNameError as error:
        return refuse_metafile(exposure, name, str(error))
    there = [beside] if beside.exists() else [p for p in list_files() if p.name == name]
    if not there:
        return refuse_metafile(exposure, name, NO_SUCH_FILE)
    try:
        [path] = keep_one_of_each(there, str, have_same_bytes)
        status = path.stat()
    except ArchiveError as error:
        return refuse_metafile(exposure, name, str(error))
    except OSError as error:
        why = f"expected a readable file, got {error.strerror}"
        return refuse_metafile(exposure, name, why)
    if not stat.S_ISREG(status.st_mode):
        why = "expected a regular file, got another kind"
        return refuse_metafile(exposure, name, why)
    return Metafile(name, path, status.st_size, status.st_mtime_ns)
