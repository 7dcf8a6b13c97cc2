"""Where apertures look, and how to point for sources to move there."""

from collections.abc import Sequence

import numpy as np
from jwst.assign_wcs.pointing import v23tosky
from stdatamodels.jwst.transforms.models import IdealToV2V3

from .exposures import RawExposure
from .headers import PARITY
from .nirspec_geometry import Geometry
from .raw_files import make_model
from .scene import Position

__all__ = ["Place", "find_dither", "find_offsets", "look_at", "look_through"]

_WAVELENGTH_M = 2.5e-6
"""Where the refraction of the filter is taken."""

Place = tuple[float, float]
"""Along and across dispersion in the MSA plane, in metres."""


def look_through(raw: RawExposure, geometry: Geometry, place: Place) -> Position:
    """Return where a place in the MSA plane looks in an exposure."""
    focus = geometry.fore(*place, _WAVELENGTH_M)
    ra, dec = v23tosky(make_model(raw))(*geometry.ote(*focus))
    return Position(float(ra), float(dec))


def find_offsets(
    raw: RawExposure, geometry: Geometry, middle: Place, places: Sequence[Place]
) -> list[tuple[float, float]]:
    """Return how far east and north to point for a source to move to other places.

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


def look_at(raw: RawExposure, ideal_arcsec: tuple[float, float]) -> Position:
    """Return where a place in the ideal frame of the aperture looks in an exposure."""
    aperture = raw.aperture
    ideal = IdealToV2V3(aperture.angle_deg, aperture.v2, aperture.v3, PARITY)
    ra, dec = v23tosky(make_model(raw))(*ideal(*ideal_arcsec))
    return Position(float(ra), float(dec))


def find_dither(
    raw: RawExposure, ideal_arcsec: tuple[float, float]
) -> tuple[float, float]:
    """Return how far east and north to point for the target to move in the aperture.

    Parameters
    ----------
    raw
        The exposure that has the target at the reference point.
    ideal_arcsec
        Where it is to be in the ideal frame of the aperture.
    """
    target, there = raw.target.position, look_at(raw, ideal_arcsec)
    east, north = there.offsets_arcsec(np.array(target.ra), np.array(target.dec))
    return float(east), float(north)
