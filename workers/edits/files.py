"""Files of a job with edits: checked before it runs, and made in its scratch."""

import logging
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from astropy.io import fits

from config.edits import (
    ApertureEdit,
    CalibratedEdit,
    HeaderEdit,
    MetafileEdit,
    RecipeEdit,
    parse_edit,
)

from ..contract import EXTRACT1D, Caveat, CaveatKind, Edit
from ..errors import EditError
from .apertures import derive_apertures, edit_apertures, name_derived
from .calibrated import edit_slits
from .headers import list_cards
from .metafile import edit_tables
from .tables import read_tables, write_tables

__all__ = ["apply_edits", "check_edits"]

_log = logging.getLogger(__name__)


def apply_edits(
    edits: Iterable[Edit],
    inputs: Path,
    *,
    apertures: Path | None = None,
    exp_type: str = "",
) -> tuple[Caveat, ...]:
    """Replace links to files by edited copies; the files stay as they are.

    What is made of the apertures of the context is put beside the copies. Returns what
    could not be done, and what the products no longer hold.

    Parameters
    ----------
    apertures
        The ``extract1d`` reference of the job.
    exp_type
        EXP_TYPE of its science.

    Raises
    ------
    EditError
        An edit does not fit its file.
    """
    caveats: list[Caveat] = []
    for name, parsed in _group(edits).items():
        if name == EXTRACT1D:
            changes, parent = _pick_apertures(parsed), _expect(apertures)
            _log.info("edits of a copy of %s: %s", parent.name, parsed)
            target = inputs / name_derived(parent.name)
            derive_apertures(parent, target, changes, exp_type=exp_type)
            continue
        link = inputs / name
        source = link.resolve(strict=True)
        link.unlink()
        _log.info("edits of a copy of %s: %s", name, "; ".join(map(repr, parsed)))
        caveats += (
            replace(caveat, message=f"{name}: {caveat.message}")
            for caveat in _write(source, link, parsed)
        )
    return tuple(caveats)


def check_edits(
    edits: Iterable[Edit],
    *,
    metafile: Path | None,
    exposure: Path,
    apertures: Path | None = None,
    exp_type: str = "",
) -> None:
    """Refuse edits that do not fit the files of a job, before it runs.

    Parameters
    ----------
    metafile
        Metafile of the MSA, if the job reads one.
    exposure
        File of the first science exposure.
    apertures
        The ``extract1d`` reference of the job.
    exp_type
        EXP_TYPE of its science.

    Raises
    ------
    EditError
        An edit does not fit its file; the message says which.
    """
    for name, parsed in _group(edits).items():
        try:
            tables, cards = _part(parsed)
            if tables and metafile is not None:
                edit_tables(read_tables(metafile), tables)
            if name == EXTRACT1D:
                changes = _pick_apertures(parsed)
                edit_apertures(_expect(apertures), changes, exp_type=exp_type)
            if cards:
                header = fits.getheader(exposure)
                for edit in cards:
                    list_cards(header, edit)
        except EditError as error:
            raise EditError(f"the edits of {name}: {error}") from error


def _pick_apertures(edits: Iterable[RecipeEdit]) -> list[ApertureEdit]:
    return [edit for edit in edits if isinstance(edit, ApertureEdit)]


def _expect(apertures: Path | None) -> Path:
    if apertures is None:
        raise EditError("the context has no extract1d reference for this exposure")
    return apertures


def _group(edits: Iterable[Edit]) -> Mapping[str, list[RecipeEdit]]:
    found: dict[str, list[RecipeEdit]] = {}
    for each in edits:
        found.setdefault(each.file, []).append(parse_edit(each.edit, each.values))
    return found


def _part(
    edits: Iterable[RecipeEdit],
) -> tuple[list[MetafileEdit], list[HeaderEdit]]:
    listed = list(edits)
    return (
        [edit for edit in listed if isinstance(edit, MetafileEdit)],
        [edit for edit in listed if isinstance(edit, HeaderEdit)],
    )


def _write(
    source: Path, target: Path, edits: Iterable[RecipeEdit]
) -> tuple[Caveat, ...]:
    listed = list(edits)
    of_tables, of_header = _part(listed)
    if of_tables:
        tables, notes = edit_tables(read_tables(source), of_tables)
        write_tables(tables, source, target)
        return tuple(Caveat(CaveatKind.EDIT_INCOMPLETE, note) for note in notes)
    shutil.copyfile(source, target)
    caveats: list[Caveat] = []
    with fits.open(target, mode="update", memmap=False) as hdus:
        for edit in of_header:
            hdus[0].header.update(list_cards(hdus[0].header, edit))
        for each in listed:
            if isinstance(each, CalibratedEdit):
                caveats += edit_slits(hdus, each)
    return tuple(caveats)
