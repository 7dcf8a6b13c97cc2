"""The metafile of the shutter array, as the ground system writes it for a visit."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from ..publishing import publish
from .nirspec_slitlets import Slitlet
from .publishing import DATE
from .scene import Position

__all__ = ["write_metafile"]

_IMAGE_SHAPE = (730, 342)
_SHUTTER_COLUMNS = [
    ("slitlet_id", "i2"),
    ("msa_metadata_id", "i2"),
    ("shutter_quadrant", "i2"),
    ("shutter_row", "i2"),
    ("shutter_column", "i2"),
    ("source_id", "i2"),
    ("background", "S1"),
    ("shutter_state", "S6"),
    ("estimated_source_in_shutter_x", "f4"),
    ("estimated_source_in_shutter_y", "f4"),
    ("dither_point_index", "i2"),
    ("primary_source", "S1"),
    ("fixed_slit", "S7"),
]
_SOURCE_COLUMNS = [
    ("program", "i4"),
    ("source_id", "i4"),
    ("source_name", "S20"),
    ("alias", "S31"),
    ("catalog_id", "S20"),
    ("ra", "f8"),
    ("dec", "f8"),
    ("preimage_id", "S30"),
    ("stellarity", "f8"),
]


def _shutter_rows(
    slitlet: Slitlet, nod: int, step: int
) -> Iterator[tuple[object, ...]]:
    """Return the open shutters of a slitlet at a nod; the source is in one of them."""
    source = slitlet.source.number if slitlet.source else 0
    for column in slitlet.opened:
        is_primary = bool(source) and column == slitlet.middle + step
        place = (0.5, 0.5) if is_primary else (np.nan, np.nan)
        here = slitlet.quadrant, slitlet.row, column
        background, primary = ("N", "Y") if is_primary else ("Y", "N")
        yield (
            *(slitlet.number, 1, *here, source, background, "OPEN"),
            *(*place, nod, primary, "NONE"),
        )


def _header(program: str, observation: str, name: str) -> fits.Header:
    cards = {
        "ORIGIN": "REWEBB",
        "TELESCOP": "JWST",
        "INSTRUME": "NIRSPEC",
        "DATE": DATE,
        "FILENAME": name,
        "PPSDBVER": "PPSDB68",
        "PROGRAM": program,
        "VISIT": "001",
        "OBSERVTN": observation,
        "VISIT_ID": f"{program}{observation}001",
        "PNTG_SEQ": 1,
        "MSACFG10": 1,
        "MSACFG36": "01",
    }
    return fits.Header(cards.items())


def _list_shutters(
    slitlets: Sequence[Slitlet], steps: Sequence[int]
) -> NDArray[np.void]:
    rows = [
        row
        for nod, step in enumerate(steps, start=1)
        for slitlet in slitlets
        for row in _shutter_rows(slitlet, nod, step)
    ]
    return np.array(rows, _SHUTTER_COLUMNS)


def _list_sources(
    program: int, slitlets: Sequence[Slitlet], positions: Mapping[int, Position]
) -> NDArray[np.void]:
    rows = [
        (
            *(program, source.number, f"{program}_{source.number}"),
            *(str(source.number), str(source.number)),
            *(positions[source.number].ra, positions[source.number].dec),
            *("None", source.stellarity),
        )
        for source in (slitlet.source for slitlet in slitlets)
        if source
    ]
    return np.array(rows, _SOURCE_COLUMNS)


def write_metafile(
    path: Path,
    slitlets: Sequence[Slitlet],
    positions: Mapping[int, Position],
    steps: Sequence[int],
) -> Path:
    """Publish the metafile of a visit.

    Parameters
    ----------
    path
        ``jwPPPPPOOOVVV_NN_msa.fits`` in the folder of the archive.
    slitlets
        What is open.
    positions
        Where the sources are, by source id.
    steps
        Of each nod, by how many shutters sources are off the middle.
    """
    program, observation = path.name[2:7], path.name[7:10]
    shutters = _list_shutters(slitlets, steps)
    sources = _list_sources(int(program), slitlets, positions)
    hdus = fits.HDUList(
        [
            fits.PrimaryHDU(header=_header(program, observation, path.name)),
            fits.ImageHDU(np.zeros(_IMAGE_SHAPE, np.float32), name="SHUTTER_IMAGE"),
            fits.BinTableHDU(shutters, name="SHUTTER_INFO"),
            fits.BinTableHDU(sources, name="SOURCE_INFO"),
        ]
    )
    return publish(path, hdus.writeto)
