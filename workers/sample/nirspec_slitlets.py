"""Slitlets of the shutter array: which shutters are open, and what is in them.

Rows of shutters are counted along dispersion and columns across it, as in metafiles.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from astropy.modeling import models

from .aiming import Place, find_offsets, look_through
from .exposures import RawExposure
from .nirspec_geometry import Geometry, load_msa_geometry
from .scene import Position, Spectrum

__all__ = ["Slitlet", "Source", "find_nods", "locate_sources"]


@dataclass(frozen=True, slots=True)
class Source:
    """A source as the catalogue of the proposer has it, and what it shines."""

    number: int
    """Source id."""
    spectrum: Spectrum
    """What it shines."""
    sigma_arcsec: float
    """Width of its image, a Gaussian."""
    stellarity: float
    """From 0 (extended) to 1 (a point); the pipeline parts them at 0.75."""


@dataclass(frozen=True, slots=True)
class Slitlet:
    """Open shutters beside each other in one row."""

    number: int
    """Slitlet id."""
    quadrant: int
    """Quadrant of the array."""
    row: int
    """Shutter along dispersion."""
    columns: tuple[int, int]
    """First and last shutter across dispersion."""
    source: Source | None = None
    """What is in the middle at the first nod; None for background."""

    @property
    def middle(self) -> int:
        """Column of the shutter in the middle."""
        return sum(self.columns) // 2

    @property
    def opened(self) -> range:
        """Columns of the open shutters."""
        first, last = self.columns
        return range(first, last + 1)


def _place(geometry: Geometry, slitlet: Slitlet, column: int) -> Place:
    """Return where a shutter is in the MSA plane."""
    quadrant = geometry.quadrants[slitlet.quadrant - 1]
    turn = models.Rotation2D(np.rad2deg(quadrant.rotation))
    x, y = turn((slitlet.row - 1) * quadrant.pitch[0], (column - 1) * quadrant.pitch[1])
    return float(quadrant.x + x), float(quadrant.y + y)


def locate_sources(
    raw: RawExposure, slitlets: Sequence[Slitlet]
) -> Mapping[int, Position]:
    """Return where sources are that an exposure has in the middle of their slitlets.

    Returns
    -------
    positions
        By source id.
    """
    geometry = load_msa_geometry()
    return {
        slitlet.source.number: look_through(
            raw, geometry, _place(geometry, slitlet, slitlet.middle)
        )
        for slitlet in slitlets
        if slitlet.source
    }


def find_nods(
    raw: RawExposure, slitlet: Slitlet, steps: Sequence[int]
) -> list[tuple[float, float]]:
    """Return how far east and north to point for sources to move by some shutters.

    Parameters
    ----------
    raw
        The exposure that has them in the middle.
    slitlet
        The one that is looked at; others differ by less than a hundredth of a shutter.
    steps
        Shutters to move by, to higher columns.
    """
    geometry, middle = load_msa_geometry(), slitlet.middle
    columns = [_place(geometry, slitlet, middle + step) for step in steps]
    return find_offsets(raw, geometry, _place(geometry, slitlet, middle), columns)
