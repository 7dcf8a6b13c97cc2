"""Work for children: slits of edited metafiles, and spectra of the real source."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from workers.contract import Edit
from workers.edits import apply_edits
from workers.references import pin

__all__ = ["Slit", "cut_slits"]

_CONTEXT = "jwst_0001.pmap"


class Slit(NamedTuple):
    """A slit as spec2 cuts it out."""

    name: str
    source: str
    kind: str
    """Source type."""
    shutters: str
    """State of the shutters."""
    column: int
    """Of the shutter in which the source is, or the middle one."""
    y: float
    """Source position across dispersion, in shutters off the middle."""


def cut_slits(
    rate: str, metafile: str, crds_path: str, folder: str, edits: Iterable[Edit]
) -> list[Slit]:
    """Cut out the slits of an exposure with an edited metafile, as spec2 does.

    By the steps of `jwst` up to the source type, in a folder of its own.
    """
    from jwst.assign_wcs import AssignWcsStep
    from jwst.extract_2d import Extract2dStep
    from jwst.srctype import SourceTypeStep

    pin(crds_path=crds_path, context=_CONTEXT)
    place = Path(folder)
    place.mkdir()
    (place / Path(metafile).name).symlink_to(metafile)
    apply_edits(edits, place)
    os.chdir(place)
    (place / Path(rate).name).symlink_to(rate)
    model: Any = Path(rate).name
    for step in (AssignWcsStep, Extract2dStep, SourceTypeStep):
        model = step().run(model)
    return [_describe(slit) for slit in model.slits]


def _describe(slit: Any) -> Slit:
    return Slit(
        name=slit.name,
        source=slit.source_name,
        kind=slit.source_type,
        shutters=slit.shutter_state,
        column=slit.ycen,
        y=round(slit.source_ypos, 3),
    )
