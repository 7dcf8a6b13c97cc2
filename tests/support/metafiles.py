"""Metafiles of the MSA, generated, and as the pipeline reads them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from hypothesis import strategies as st
from jwst.assign_wcs.nirspec import get_open_msa_slits

from workers.edits import MsaTables, write_tables

__all__ = ["Opened", "make_tables", "metafiles", "read_slits", "write_file"]

_SHUTTERS = [
    *((name, "i2") for name in ("slitlet_id", "msa_metadata_id", "shutter_quadrant")),
    *((name, "i2") for name in ("shutter_row", "shutter_column", "source_id")),
    *(("background", "S1"), ("shutter_state", "S6")),
    ("estimated_source_in_shutter_x", "f4"),
    ("estimated_source_in_shutter_y", "f4"),
    *(("dither_point_index", "i2"), ("primary_source", "S1"), ("fixed_slit", "S7")),
]
_SOURCES = [
    *(("program", "i4"), ("source_id", "i4"), ("source_name", "S20")),
    *(("alias", "S31"), ("ra", "f8"), ("dec", "f8")),
    *(("preimage_id", "S30"), ("stellarity", "f8")),
]


@dataclass(frozen=True)
class Opened:
    """A slitlet as it is planned."""

    slitlet: int
    """SLITLET_ID."""
    columns: tuple[int, ...]
    """Open shutters."""
    row: int = 100
    """SHUTTER_ROW."""
    quadrant: int = 3
    """Quadrant."""
    source: int = 0
    """SOURCE_ID; 0 for background."""
    places: tuple[int, ...] = ()
    """By nod, which of the columns has the source."""
    neighbour: int | None = None
    """Which of the columns has another source of the catalogue."""


def make_tables(
    slitlets: list[Opened], *, nods: int = 1, configs: int = 1
) -> MsaTables:
    """Make the tables of slitlets."""
    rows = [
        row
        for config in range(1, configs + 1)
        for nod in range(1, nods + 1)
        for each in slitlets
        for row in _list_rows(each, config, nod)
    ]
    sources = [
        (
            *(99004, each.source, f"99004_{each.source}", f"star-{each.source}"),
            *(150.0 + each.source / 1000, 2.0, "None", 0.2),
        )
        for each in slitlets
        if each.source > 0
    ]
    return MsaTables(np.array(rows, _SHUTTERS), np.array(sources, _SOURCES))


def _list_rows(each: Opened, config: int, nod: int) -> Iterator[tuple[Any, ...]]:
    here = each.columns[each.places[nod - 1]] if each.places else None
    other = None if each.neighbour is None else each.columns[each.neighbour]
    for column in each.columns:
        known = "N" if column in {here, other} else "Y"
        place = (0.25, 0.75) if column == here else (np.nan, np.nan)
        yield (
            *(each.slitlet, config, each.quadrant, each.row, column, each.source),
            *(known, "OPEN", *place, nod, "NY"[column == here], "NONE"),
        )


@st.composite
def metafiles(draw: st.DrawFn) -> MsaTables:
    """Draw tables of a few slitlets, close to each other and to the edges."""
    nods = draw(st.integers(1, 3))
    slitlets: list[Opened] = []
    for row in draw(st.sets(st.sampled_from([1, 100, 365]), min_size=1, max_size=2)):
        column = draw(st.integers(1, 4) | st.integers(140, 150))
        while column < 171 and len(slitlets) < 6:
            columns = _draw_columns(draw, column)
            slitlets.append(_draw_slitlet(draw, len(slitlets) + 1, row, columns, nods))
            column = columns[-1] + 1 + draw(st.integers(0, 3))
            if draw(st.booleans()):
                break
    return make_tables(slitlets, nods=nods, configs=draw(st.integers(1, 2)))


def _draw_columns(draw: st.DrawFn, first: int) -> tuple[int, ...]:
    """Draw the open shutters of a slitlet; some between them may be closed."""
    last = min(first + draw(st.integers(0, 8)), 171)
    closed = draw(st.sets(st.integers(first + 1, max(last - 1, first + 1)), max_size=2))
    return tuple(
        c for c in range(first, last + 1) if c in {first, last} or c not in closed
    )


def _draw_slitlet(
    draw: st.DrawFn, slitlet: int, row: int, columns: tuple[int, ...], nods: int
) -> Opened:
    inside = st.integers(0, len(columns) - 1)
    source = draw(st.sampled_from([0, slitlet, slitlet + 50, -slitlet]))
    places = tuple(draw(inside) for _ in range(nods)) if source else ()
    neighbour = draw(st.none() | inside) if source > 0 else None
    return Opened(slitlet, columns, row, 3, source, places, neighbour)


def write_file(tables: MsaTables, path: Path) -> Path:
    """Write tables as a metafile."""
    hdus = fits.HDUList(
        [
            fits.PrimaryHDU(),
            fits.ImageHDU(np.zeros((4, 3), np.float32), name="SHUTTER_IMAGE"),
            fits.BinTableHDU(tables.shutters, name="SHUTTER_INFO"),
            fits.BinTableHDU(tables.sources, name="SOURCE_INFO"),
        ]
    )
    hdus.writeto(path, overwrite=True)
    return path


def read_slits(tables: MsaTables, folder: Path) -> dict[tuple[int, int], list[Any]]:
    """Read the slits of each configuration and nod with the code of the pipeline."""
    path = folder / "metafile.fits"
    if not path.exists():
        write_file(make_tables([Opened(1, (1,))]), path)
    target = folder / "edited.fits"
    write_tables(tables, path, target)
    points = zip(
        tables.shutters["msa_metadata_id"].tolist(),
        tables.shutters["dither_point_index"].tolist(),
        strict=True,
    )
    return {
        (config, nod): get_open_msa_slits("99004", str(target), config, nod)
        for config, nod in sorted({*points})
    }
