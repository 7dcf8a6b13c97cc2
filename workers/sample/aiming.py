"""Where apertures in the MSA plane look, and how to point for sources to move there."""

from collections.abc import Sequence

import numpy as np
from jwst.assign_wcs.pointing import v23tosky

from .exposures import RawExposure
from .geometry import Geometry
from .raw_files import make_model
from .scene import Position

__all__ = ["Place", "find_offsets", "look_through"]

_WAVELENGTH_M = 2.5e-6
"""Where the refraction of the filter is taken."""

Place = tuple[float, float]
"""Along and across dispersion in the MSA plane, in metres."""


def look_through(raw: RawExposure, geometry: Geometry, place: Place) -> Position:
    """Tell where a place in the MSA plane looks in an exposure."""
    focus = geometry.fore(*place, _WAVELENGTH_M)
    ra, dec = v23tosky(make_model(raw))(*geometry.ote(*focus))
    return Position(float(ra), float(dec))


def find_offsets(
    raw: RawExposure, geometry: Geometry, middle: Place, places: Sequence[Place]
) -> list[tuple[float, float]]:
    """Tell how far east and north to point for a source to move to other places.

    Parameters
    ----------
    raw
        The exposure that has the source in the middle.
    """
    here, offsets = look_through(raw, geometry, middle), []
    for place in places:
        there = look_through(raw, geometry, place)
        # The telescope moves against the source.
        east, north = there.offsets_arcsec(np.array(here.ra), np.array(here.dec))
        offsets.append((float(east), float(north)))
    return offsets
