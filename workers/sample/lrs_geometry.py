"""Where light falls on MIRIMAGE: a compact model of the imager and its prism.

The numbers are fits to public references of the instrument team in the repository
STScI-MIRI/miricoord (BSD-3):

- places in the field: a linear fit to the imager distortion FLT-9, 40 pixels around
  the reference points of the LRS with and without slit, good to 0.05 arcsec (0.45
  pixel) there;
- wavelengths: the squares of those of ``MIRI_FM_MIRIMAGE_P750L_FULL_DISTORTION_
  9B.00.07`` (slit) and ``..._SLITLESSPRISM_DISTORTION_9B.00.08`` as polynomials of 5th
  order of the row, good to 0.8 pixel from 5 to 14 um; rows go to longer wavelengths
  downwards. Where the spectrum is in a row: the second order polynomials of the same
  files;
- the slit: the corners of MIRIM_SLIT in ``lrs_makesiaf.ipynb``.

Pixels are counted from 0, on the whole detector.
"""

from dataclasses import dataclass

import numpy as np
from astropy.modeling import Model
from numpy.polynomial.polynomial import polyval
from numpy.typing import NDArray

from .frames import Subarray
from .transforms import make_field

__all__ = [
    "FILTER_OFFSETS",
    "PIXEL_ARCSEC",
    "PIXEL_ARCSEC2",
    "SLIT",
    "SLITLESS",
    "SLIT_COLUMNS",
    "SLIT_ROWS",
    "Trace",
    "Values",
    "load_field",
]

Values = NDArray[np.float64]
"""One value for each row."""

PIXEL_ARCSEC = 0.1103
"""Width and height of a pixel in the sky."""
PIXEL_ARCSEC2 = PIXEL_ARCSEC**2
"""Sky that a pixel sees."""
SLIT_COLUMNS = (303.77, 346.49)
"""Left and right end of the slit."""
SLIT_ROWS = (297.38, 302.03)
"""Lower and upper edge of the slit."""
FILTER_OFFSETS = {"F560W": (-0.08, -0.06)}
"""Columns and rows from a place in an image to that of `load_field`, by filter
(filteroffset FLT-9)."""
_TOP, _BOTTOM = 94, -293
_MATRIX = ((-0.109797404, 0.008836360), (0.009304737, 0.110443114))
_CENTRE = (-381.798233, -436.548740)


@dataclass(frozen=True, slots=True)
class Trace:
    """Where the prism puts the light of one aperture."""

    exp_type: str
    """Exposure type of its spectra."""
    column: float
    """Reference point."""
    row: float
    """Reference point."""
    squares_um2: tuple[float, ...]
    """Coefficients of the squared wavelength by hundreds of rows above the reference
    point."""
    bend: tuple[float, float, float]
    """Coefficients of the shift in columns, likewise."""

    @property
    def above(self) -> Values:
        """Places with a wavelength: pixels above the reference point, downwards."""
        return np.arange(_TOP, _BOTTOM - 1.0, -1)

    def list_rows(self, subarray: Subarray) -> Values:
        """List the rows of a subarray that have a wavelength, upwards."""
        first, last = self.row + _BOTTOM, self.row + _TOP
        rows = subarray.y - 1 + np.arange(float(subarray.rows))
        return rows[(rows >= first) & (rows <= last)]

    def wavelength_um(self, above: Values) -> Values:
        """Return the wavelength of rows above the reference point."""
        return np.asarray(np.sqrt(polyval(above / 100, self.squares_um2)))

    def dispersion(self) -> tuple[Values, Values]:
        """Return the wavelengths of all rows, and the change to the next one."""
        wavelength = self.wavelength_um(self.above)
        return wavelength, np.gradient(wavelength)

    def shift(self, above: Values) -> Values:
        """Return how far a spectrum is to the right of its source, in pixels."""
        return np.asarray(polyval(above / 100, self.bend))


SLIT = Trace(
    "MIR_LRS-FIXEDSLIT",
    325.13,
    299.7,
    (69.8268, -50.2644, -5.0293, -2.4545, -0.8937, -0.1246),
    (0.0, 0.3050, -0.10564),
)
"""The light through the slit."""
SLITLESS = Trace(
    "MIR_LRS-SLITLESS",
    37.5,
    828.0,
    (73.776, -49.015, -5.1611, -2.4432, -0.8935, -0.1262),
    (0.0, 0.19534, -0.067028),
)
"""The light without slit."""


def load_field() -> Model:
    """Return the transform of column and row to V2 and V3 (arcsec), with inverse."""
    return make_field({"matrix": _MATRIX, "centre": _CENTRE})
