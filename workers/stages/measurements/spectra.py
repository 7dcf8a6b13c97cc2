"""Measurements of extracted spectra: noise, spikes, fringes, steps, lines."""

import numpy as np
from astropy.constants import c

from ...errors import MeasurementError
from .robust import (
    Flags,
    Measured,
    Values,
    find_amplitudes,
    fit_line,
    running_median,
    sigma_of,
    windowed_centroid,
)

__all__ = [
    "count_spikes",
    "find_noise",
    "measure_fringes",
    "measure_line",
    "measure_noise",
    "measure_step",
]

_SPIKE_SIGMAS = 5.0
_SPIKE_NEIGHBOURS = 0.25
"""Share of the depth of a spike that its neighbours may have: those of a line that is
at least two pixels wide (FWHM) have half of it on average."""

_NOISE_ALONG = 101
"""Pixels of which the noise is taken."""

_ROUNDING = 1e-6
"""Noise that single precision gives, of the level."""

_FRINGES_PER_CM = ((0.25, 0.55), (1.4, 4.4))
"""Periods of fringes of the MRS in wavenumber: of the dichroics (channels 3 and 4), and
of the detectors. As jwst searches them in spectra (``FFREQ_1D`` and ``DFFREQ_1D`` of
``residual_fringe/utils.py``)."""

_FRINGE_WINDOW_PER_CM = 35.0
"""Wavenumbers over which a fringe keeps its phase: twelve of the detectors'."""

_EDGE = 30
"""Pixels at the edges of two spectra that meet, from which they are prolonged."""

_WIDEST_GAP = 0.1
"""Of the wavelength, between spectra that meet."""

_LARGEST_OVERLAP = 0.5
"""Of the shorter of two spectra that are neighbours."""

_LINE_REACH = 10
"""Pixels on each side of a line that are looked at."""

_LINE_NEAR = 5
"""Pixels from where it should be in which the line is; those beyond are continuum."""

_LINE_SIGMA = 2.0
"""Width in pixels of the window in which a line is centred."""

_LINE_SIGMAS = 5.0
"""A peak below this is no line."""

_DER_SNR = 1.482602 / np.sqrt(6)
"""Standard deviation of normal noise whose median absolute second difference is 1: of
``2 f(i) - f(i-2) - f(i+2)``, whose variance is 6 times that of a pixel."""


def measure_noise(flux: Values) -> Measured:
    """Measure the noise of a spectrum as a share of its flux: the inverse of DER_SNR.

    As in Stoehr et al. (2008), the noise is that of pixels two apart, since neighbours
    share what was resampled; structure of several pixels is no part of it. Differences
    of which a pixel is missing, or exactly zero, are left out.

    Parameters
    ----------
    flux
        By wavelength.
    """
    values = np.where(flux == 0, np.nan, flux)
    noise = find_noise(flux)
    signal = float(np.nanmedian(values))
    if not signal > 0:
        raise MeasurementError(f"the median flux is {signal:.3g}, expected more than 0")
    return Measured(noise.value / signal, noise.n)


def find_noise(flux: Values) -> Measured:
    """Find the noise of a spectrum in the unit of its flux, as `measure_noise` does."""
    values = np.where(flux == 0, np.nan, flux)
    second = np.abs(2 * values[2:-2] - values[:-4] - values[4:])
    seen = np.isfinite(second)
    if not seen.any():
        raise MeasurementError("no pixel has a flux two pixels to both sides")
    return Measured(float(_DER_SNR * np.median(second[seen])), int(seen.sum()))


def count_spikes(flux: Values) -> Measured:
    """Count the pixels that are dark on their own, by more than 5 sigma.

    The level of a pixel is the lower of the two that lie two and three pixels to its
    left and to its right, on average; its depth is how far it is below. Sigma is 1.4826
    times the running median of the differences between a pixel and the mean of its
    neighbours, over 101 pixels. A dark pixel whose neighbours are, on average, a
    quarter as deep or more is part of an absorption line.

    Parameters
    ----------
    flux
        By wavelength. What is not finite is neither a spike nor beside one.
    """
    if flux.size < 7:
        raise MeasurementError(f"expected 7 pixels or more, got {flux.size}")
    shifted = {by: np.roll(flux, -by) for by in range(-3, 4)}
    left, right = ((shifted[s * 2] + shifted[s * 3]) / 2 for s in (-1, 1))
    level = np.minimum(left, right)
    depth, beside = level - flux, level - (shifted[-1] + shifted[1]) / 2
    jump = flux - (shifted[-1] + shifted[1]) / 2
    depth[:3] = depth[-3:] = jump[0] = jump[-1] = np.nan
    tested = np.isfinite(depth) & np.isfinite(beside)
    if not tested.any():
        raise MeasurementError("no pixel has neighbours with a flux")
    sigma = 1.4826 * running_median(np.abs(jump), _NOISE_ALONG, axis=0)
    limit = _SPIKE_SIGMAS * np.maximum(sigma, _ROUNDING * np.nanmedian(np.abs(flux)))
    spikes: Flags = tested & (depth > limit) & (beside < _SPIKE_NEIGHBOURS * depth)
    return Measured(float(spikes.sum()), int(tested.sum()))


def measure_fringes(wavelength_um: Values, flux: Values) -> Measured:
    """Measure the largest fringe of the MRS, as a share of the continuum.

    In windows of 35 per cm of wavenumber, sinusoids with the periods of the fringes
    (0.25 to 0.55 and 1.4 to 4.4 per cm) are fitted together with a parabola; the
    largest one counts, relative to the level. The result is the median over windows.
    """
    good = np.isfinite(flux) & (wavelength_um > 0)
    wavenumber = 1e4 / wavelength_um[good]
    found = [
        *find_amplitudes(wavenumber, flux[good], _FRINGES_PER_CM, _FRINGE_WINDOW_PER_CM)
    ]
    if not found:
        raise MeasurementError("no part of the spectrum is bright and long enough")
    return Measured(float(np.median(found)), len(found))


def measure_step(
    blue: tuple[Values, Values], red: tuple[Values, Values]
) -> Measured | None:
    """Measure the flux of a spectrum over that of the next bluer one.

    Where they overlap, the ratio of their medians at the pixels of the bluer one; where
    they only meet, the ratio in the middle of the gap of the lines through the last 30
    pixels on each side.

    Parameters
    ----------
    blue, red
        Wavelengths in um and fluxes; what is not finite is left out.

    Returns
    -------
    Measured or None
        None of spectra that are not neighbours: that do not follow each other, share
        more than half of the shorter one, or leave more than a tenth of the wavelength
        between them.
    """
    (x, f), (u, g) = (_clean(*each) for each in (blue, red))
    if not x.size or not u.size or not (x[0] < u[0] and x[-1] < u[-1]):
        return None
    overlap = x[-1] - u[0]
    shorter = min(np.ptp(x), np.ptp(u))
    if overlap > _LARGEST_OVERLAP * shorter or -overlap > _WIDEST_GAP * u[0]:
        return None
    shared = x >= u[0]
    if (count := int(shared.sum())) >= 3:
        other = np.interp(x[shared], u, g)
        return _divide(float(np.median(f[shared])), float(np.median(other)), count)
    middle = (x[-1] + u[0]) / 2
    sides = (x[-_EDGE:], f[-_EDGE:]), (u[:_EDGE], g[:_EDGE])
    count = sum(places.size for places, _ in sides)
    if min(places.size for places, _ in sides) < 3:
        raise MeasurementError("fewer than 3 pixels have a flux beside the gap")
    left, right = (fit_line(places - middle, values).start for places, values in sides)
    return _divide(left, right, count)


def _divide(blue: float, red: float, count: int) -> Measured:
    if not blue > 0:
        raise MeasurementError("the bluer spectrum has no flux where they meet")
    return Measured(red / blue, count)


def _clean(wavelength_um: Values, flux: Values) -> tuple[Values, Values]:
    good = np.isfinite(wavelength_um) & np.isfinite(flux) & (wavelength_um > 0)
    order = np.argsort(wavelength_um[good])
    return wavelength_um[good][order], flux[good][order]


def measure_line(
    wavelength_um: Values, flux: Values, line_um: float
) -> tuple[Measured, Measured]:
    """Measure how far the centre of a line is from where it should be.

    The continuum is the straight line through the pixels that are 6 to 10 from the
    line; the higher or the deeper peak within 5 pixels is centred in a Gaussian window
    of 2 pixels.

    Parameters
    ----------
    line_um
        Where the line should be, in the frame of the spectrum.

    Returns
    -------
    tuple
        The shift to the red in km/s, and along the spectrum in pixels.
    """
    x, f = _clean(wavelength_um, flux)
    if not x.size or not x[0] <= line_um <= x[-1]:
        raise MeasurementError(f"the spectrum does not reach {line_um} um")
    expected = float(np.interp(line_um, x, np.arange(x.size)))
    middle = round(expected)
    if middle < _LINE_REACH or middle + _LINE_REACH >= x.size:
        raise MeasurementError(f"{line_um} um is too near an end of the spectrum")
    part = slice(middle - _LINE_REACH, middle + _LINE_REACH + 1)
    pixels = np.arange(x.size, dtype=float)[part] - middle
    inside = np.abs(pixels) <= _LINE_NEAR
    continuum = fit_line(pixels[~inside], f[part][~inside])
    rest = f[part] - continuum.start - continuum.slope * pixels
    sigma = float(sigma_of(rest[~inside]))
    peak = int(np.argmax(np.where(inside, np.abs(rest), -1.0)))
    if not np.abs(rest[peak]) > max(
        _LINE_SIGMAS * sigma, _ROUNDING * abs(continuum.start)
    ):
        raise MeasurementError(f"there is no line within 5 pixels of {line_um} um")
    centre = windowed_centroid(rest * np.sign(rest[peak]), (peak,), _LINE_SIGMA)[0]
    place = float(centre) + middle - _LINE_REACH
    found_um = float(np.interp(place, np.arange(x.size), x))
    shift_km_s = c.to_value("km/s") * (found_um - line_um) / line_um
    count = int(inside.sum())
    return Measured(shift_km_s, count), Measured(place - expected, count)
