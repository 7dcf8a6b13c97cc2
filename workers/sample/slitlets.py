"""Slitlets of the shutter array: which shutters are open, where they look, and on what.

Rows of shutters are counted along dispersion and columns across it, as in metafiles.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from astropy.modeling import models
from jwst.assign_wcs.pointing import v23tosky

from .exposures import RawExposure
from .geometry import Geometry
from .raw_files import make_model
from .scene import Position, Spectrum

__all__ = ["Slitlet", "Source", "find_nods", "locate_sources"]

_WAVELENGTH_M = 2.5e-6
"""Where the refraction of the filter is taken for the position in the sky."""


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


def _look(
    raw: RawExposure, geometry: Geometry, slitlet: Slitlet, column: int
) -> Position:
    """Tell where the middle of a shutter looks."""
    quadrant = geometry.quadrants[slitlet.quadrant - 1]
    turn = models.Rotation2D(np.rad2deg(quadrant.rotation))
    x, y = turn((slitlet.row - 1) * quadrant.pitch[0], (column - 1) * quadrant.pitch[1])
    focus = geometry.fore(quadrant.x + x, quadrant.y + y, _WAVELENGTH_M)
    ra, dec = v23tosky(make_model(raw))(*geometry.ote(*focus))
    return Position(float(ra), float(dec))


def locate_sources(
    raw: RawExposure, geometry: Geometry, slitlets: Sequence[Slitlet]
) -> Mapping[int, Position]:
    """Give where sources are that an exposure has in the middle of their slitlets.

    Returns
    -------
    positions
        By source id.
    """
    return {
        slitlet.source.number: _look(raw, geometry, slitlet, slitlet.middle)
        for slitlet in slitlets
        if slitlet.source
    }


def find_nods(
    raw: RawExposure, geometry: Geometry, slitlet: Slitlet, steps: Sequence[int]
) -> list[tuple[float, float]]:
    """Tell how far east and north to point for sources to move by some shutters.

    Parameters
    ----------
    raw
        The exposure that has them in the middle.
    slitlet
        The one that is looked at; others differ by less than a hundredth of a shutter.
    steps
        Shutters to move by.
    """
    middle = _look(raw, geometry, slitlet, slitlet.middle)
    nods = []
    for step in steps:
        there = _look(raw, geometry, slitlet, slitlet.middle + step)
        east, north = middle.offsets_arcsec(np.array(there.ra), np.array(there.dec))
        nods.append((float(east), float(north)))
    return nods
