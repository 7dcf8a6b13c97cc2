"""Measurements of light curves: slope and scatter, whatever passes the star."""

import numpy as np

from ...errors import MeasurementError
from .robust import Measured, Values, fit_line, sigma_of

__all__ = [
    "measure_excess",
    "measure_scatter",
    "measure_scatter_ratio",
    "measure_slope",
]

_PPM = 1e6
_HOURS = 24.0
_FEWEST = 10
"""Integrations without which a curve says nothing."""


def measure_slope(time_d: Values, flux: Values) -> Measured:
    """Measure how fast a light curve rises outside the transit, in ppm an hour.

    A line is fitted to the majority of the integrations: those that are more than 5
    sigma off are in transit, or bad. Sigma is that of differences between successive
    integrations.

    Parameters
    ----------
    time_d
        Middle of each integration in days.
    flux
        In any unit.
    """
    time, relative = _normalise(time_d, flux)
    line = fit_line(time, relative, _scatter(relative))
    return Measured(line.slope * _PPM, line.n)


def measure_scatter(time_d: Values, flux: Values) -> Measured:
    """Measure the scatter from one integration to the next, in ppm.

    It is 1.4826 times the median absolute deviation of the differences between
    successive integrations, over the square root of two: slopes and transits are no
    part of it.
    """
    _, relative = _normalise(time_d, flux)
    return Measured(_scatter(relative) * _PPM, relative.size)


def measure_scatter_ratio(time_d: Values, flux: Values, error: Values) -> Measured:
    """Measure the scatter over the median error, which is in the unit of the flux."""
    _, relative = _normalise(time_d, flux)
    good = np.isfinite(error) & (error > 0)
    if not good.any():
        raise MeasurementError("no error is a positive number")
    expected = np.median(error[good]) / np.nanmedian(flux)
    return Measured(_scatter(relative) / float(expected), relative.size)


def measure_excess(fluxes: Values, errors: Values) -> Measured:
    """Measure the scatter of the light curves of all wavelengths over their errors.

    It is 1.4826 times the median absolute deviation of the differences between
    successive integrations, at every wavelength, each over the error that is expected
    of it: the quadratic sum of those of both integrations.

    Parameters
    ----------
    fluxes, errors
        As (integration, wavelength), in the order of time and in the same unit.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.diff(fluxes, axis=0) / np.hypot(errors[1:], errors[:-1])
    good = np.isfinite(relative)
    if good.sum() < _FEWEST:
        raise MeasurementError(
            f"expected {_FEWEST} differences or more with an error, got {good.sum()}"
        )
    return Measured(float(sigma_of(relative[good])), int(good.sum()))


def _normalise(time_d: Values, flux: Values) -> tuple[Values, Values]:
    """Give hours since the middle of the curve, and flux over its median."""
    good = np.isfinite(time_d) & np.isfinite(flux)
    if good.sum() < _FEWEST:
        raise MeasurementError(
            f"expected {_FEWEST} integrations or more with a flux, got {good.sum()}"
        )
    order = np.argsort(time_d[good])
    time, values = time_d[good][order], flux[good][order]
    level = np.median(values)
    if not level > 0:
        raise MeasurementError(f"the median flux is {level:.3g}, expected more than 0")
    return (time - np.median(time)) * _HOURS, values / level


def _scatter(relative: Values) -> float:
    return float(sigma_of(np.diff(relative)) / np.sqrt(2))
