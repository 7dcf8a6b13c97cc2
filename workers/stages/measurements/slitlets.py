"""Measurements of slitlets beside each other: light that none of them should see."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ...errors import MeasurementError
from .robust import Flags, Measured, Values, sigma_of

__all__ = ["Slitlet", "measure_unexpected"]

_PARTS = 8
"""Parts of the spectrum, along wavelength, in which light is looked for."""

_FEWEST_PIXELS = 5
"""Pixels of a row in a part without which its level is not taken."""

_FEWEST_ROWS = 8
"""Rows of sky, of all slitlets, with which those of one are compared."""

_SOURCE_ROWS = 5
"""How far from the brightest row there is no light of a point source any more: the
distance of two shutters in pixels."""


@dataclass(frozen=True, slots=True)
class Slitlet:
    """The calibrated image of a slitlet, dispersed along x."""

    brightness: Values
    """Surface brightness in MJy/sr."""
    wavelength_um: Values
    """Of each pixel."""
    usable: Flags
    """Pixels that are lit, and good, and not lit by shutters known to be open."""
    has_source: bool
    """Whether there is a point source in it."""


def measure_unexpected(
    slitlets: Sequence[Slitlet], number: int
) -> tuple[Measured, Measured]:
    """Measure light in a slitlet that is neither its source nor sky.

    The spectrum is cut along wavelength into 8 parts. In each the level of a row is
    its median; rows within 5 of the brightest one do not count if there is a point
    source. What three neighbouring rows have more than the sky, the median over the
    rows of all slitlets of the exposure, is taken where it is most significant. A
    background that was subtracted from all of them does not matter.

    Parameters
    ----------
    slitlets
        All those of the exposure.
    number
        Which of them is measured, counted from 0.

    Returns
    -------
    tuple
        The excess in MJy/sr; the same over the scatter of the rows of sky.

    Raises
    ------
    MeasurementError
        There is too little sky.
    """
    wavelengths = [each.wavelength_um[each.usable] for each in slitlets]
    seen = np.concatenate(wavelengths) if wavelengths else np.empty(0)
    if not seen.size:
        raise MeasurementError("no pixel is usable")
    edges = np.linspace(seen.min(), np.nextafter(seen.max(), np.inf), _PARTS + 1)
    skies = [_find_sky(each, edges) for each in slitlets]
    found = [
        (excess / spread, excess)
        for part in range(_PARTS)
        for excess, spread in _find_excess([sky[part] for sky in skies], number)
    ]
    if not found:
        raise MeasurementError(
            f"expected {_FEWEST_ROWS} rows of sky or more, three of them in the slitlet"
        )
    significance, excess = max(found)
    return Measured(excess, len(found)), Measured(significance, len(found))


def _find_sky(slitlet: Slitlet, edges: Values) -> Values:
    """Find the levels of rows, as (part, row); NaN where there is the source."""
    levels = np.full((_PARTS, len(slitlet.brightness)), np.nan)
    for level, (low, high) in zip(levels, pairwise(edges), strict=True):
        inside = slitlet.usable & (slitlet.wavelength_um >= low)
        inside &= slitlet.wavelength_um < high
        for row in np.flatnonzero(inside.sum(axis=1) >= _FEWEST_PIXELS):
            level[row] = np.median(slitlet.brightness[row, inside[row]])
    if slitlet.has_source and np.isfinite(levels).any():
        white = np.where(np.isfinite(levels), levels, 0).sum(axis=0)
        brightest = int(np.argmax(white))
        first = max(brightest - _SOURCE_ROWS, 0)
        levels[:, first : brightest + _SOURCE_ROWS + 1] = np.nan
    return levels


def _find_excess(skies: Sequence[Values], number: int) -> list[tuple[float, float]]:
    """Find how much more than the sky three rows of a slitlet have, in one part.

    Returns
    -------
    found
        The excess, and the scatter of the rows of sky; none if there are too few.
    """
    rows = np.concatenate(skies)
    rows = rows[np.isfinite(rows)]
    if rows.size < _FEWEST_ROWS or not (spread := float(sigma_of(rows))) > 0:
        return []
    own = skies[number]
    triplets = np.stack([own[:-2], own[1:-1], own[2:]])
    triplets = triplets[:, np.isfinite(triplets).all(axis=0)]
    return [(float(np.median(t) - np.median(rows)), spread) for t in triplets.T]
