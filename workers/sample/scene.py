"""What is in the sky of a sample program: sources, their spectra, the background."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

__all__ = [
    "ARCSEC2_SR",
    "JY_PER_MJY",
    "Line",
    "Position",
    "Scene",
    "Spectrum",
    "Values",
    "share_within",
]

ARCSEC2_SR = 2.3504430539097885e-11
"""A square arcsecond in steradians."""
JY_PER_MJY = 1e6
"""Janskys of a megajansky."""

Values = NDArray[np.float64]
"""Wavelengths in, fluxes out."""


@dataclass(frozen=True, slots=True)
class Line:
    """An emission line of Gaussian shape."""

    wavelength_um: float
    """Centre."""
    sigma_um: float
    """Width."""
    peak_jy: float
    """Flux density at the centre."""

    @property
    def flux_jy_um(self) -> float:
        """Integral over wavelength."""
        return float(self.peak_jy * self.sigma_um * np.sqrt(2 * np.pi))


@dataclass(frozen=True, slots=True)
class Spectrum:
    """A power law with emission lines."""

    continuum_jy: float
    """Flux density of the continuum at 2 um."""
    slope: float
    """Power of the wavelength."""
    lines: tuple[Line, ...]
    """Emission lines on top."""

    def continuum(self, wavelength_um: Values) -> Values:
        """Return the flux density (Jy) without lines."""
        return np.asarray(self.continuum_jy * (wavelength_um / 2) ** self.slope)

    def flux(self, wavelength_um: Values) -> Values:
        """Return the flux density (Jy)."""
        total = self.continuum(wavelength_um)
        for line in self.lines:
            offset = (wavelength_um - line.wavelength_um) / line.sigma_um
            total = total + line.peak_jy * np.exp(-0.5 * offset**2)
        return total

    def list_lines(self, first_um: float, last_um: float) -> tuple[Line, ...]:
        """List the lines between two wavelengths."""
        return tuple(
            line for line in self.lines if first_um < line.wavelength_um < last_um
        )


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the sky, ICRS degrees."""

    ra: float
    """Right ascension."""
    dec: float
    """Declination."""

    def shifted(self, east_arcsec: float, north_arcsec: float) -> "Position":
        """Return the place beside this one."""
        cosine = np.cos(np.deg2rad(self.dec))
        ra = self.ra + east_arcsec / 3600 / cosine
        return Position(float(ra), self.dec + north_arcsec / 3600)

    def offsets_arcsec(self, ra: Values, dec: Values) -> tuple[Values, Values]:
        """Return how far east and north of this place others are."""
        cosine = np.cos(np.deg2rad(self.dec))
        return (ra - self.ra) * cosine * 3600, (dec - self.dec) * 3600

    def shift_to(self, other: "Position") -> tuple[float, float]:
        """Return how far east and north of this place another is, in arcsec."""
        east, north = self.offsets_arcsec(np.array(other.ra), np.array(other.dec))
        return float(east), float(north)


@dataclass(frozen=True, slots=True)
class Scene:
    """A point source on an even background."""

    position: Position
    """Where the source is."""
    spectrum: Spectrum | None
    """What it shines, or None for empty sky."""
    background_mjy_sr: float
    """Surface brightness of the background, the same at all wavelengths."""
    sigma_arcsec: float = np.nan
    """Width of the point spread function, a Gaussian; none if it goes by wavelength."""


def share_within(
    distance: float | Values, width: float | Values, sigma: float | Values
) -> Values:
    """Return the part of a Gaussian that falls between two sides.

    Parameters
    ----------
    distance
        From its centre to the middle between the sides.
    width
        From side to side.
    sigma
        Its width, in the same unit.
    """
    scale = np.sqrt(2) * sigma
    low, high = (distance - width / 2) / scale, (distance + width / 2) / scale
    return np.asarray((erf(high) - erf(low)) / 2)
