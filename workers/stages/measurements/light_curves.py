"""Measurements of white light curves: slope and scatter, whatever passes the star."""

import numpy as np
from scipy.stats import siegelslopes

from ...errors import MeasurementError
from .robust import Measured, Values, sigma_of

__all__ = ["measure_scatter", "measure_scatter_ratio", "measure_slope"]

_PPM = 1e6
_HOURS = 24.0
_FEWEST = 10
"""Integrations without which a curve says nothing."""

_MOST = 400
"""Points of which all pairs are compared; longer curves are binned to so many."""

_CLIP_SIGMAS = 4.0
"""Integrations farther from the line are in transit, or bad."""


def measure_slope(time_d: Values, flux: Values) -> Measured:
    """Measure how fast a light curve rises outside the transit, in ppm an hour.

    A line through repeated medians (Siegel 1982), which follows the majority of the
    points, tells which are more than 4 sigma off; the least squares of the others give
    the slope. Sigma is that of differences between successive integrations.

    Parameters
    ----------
    time_d
        Middle of each integration in days.
    flux
        In any unit.
    """
    time, relative = _normalise(time_d, flux)
    slope, level = siegelslopes(*_bin(relative, time))
    sigma = _scatter(relative)
    rest = np.abs(relative - level - slope * time)
    kept = rest <= max(_CLIP_SIGMAS * sigma, np.median(rest))
    slope = np.polyfit(time[kept], relative[kept], 1)[0]
    return Measured(float(slope * _PPM), int(kept.sum()))


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


def _bin(values: Values, time: Values) -> tuple[Values, Values]:
    count = min(values.size, _MOST)
    parts = np.array_split(np.arange(values.size), count)
    medians = [[np.median(values[part]), np.median(time[part])] for part in parts]
    middle_values, middle_times = np.array(medians).T
    return middle_values, middle_times


def _scatter(relative: Values) -> float:
    return float(sigma_of(np.diff(relative)) / np.sqrt(2))
