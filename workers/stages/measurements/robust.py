"""Statistics that a few bad values do not change, and sinusoids in noisy data."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter
from scipy.stats import siegelslopes

from ...errors import MeasurementError

__all__ = [
    "Flags",
    "Line",
    "Measured",
    "Values",
    "find_amplitudes",
    "fit_line",
    "running_median",
    "sigma_of",
    "windowed_centroid",
]

Values = NDArray[np.float64]
"""Any array of numbers."""

Flags = NDArray[np.bool_]
"""Which of them."""

_MAD_TO_SIGMA = 1.4826
"""Standard deviation of normal values whose median absolute deviation is 1."""

_CLIP_SIGMAS = 5.0
"""Beyond this, a value takes no part in a fit."""

_MOST_PAIRED = 400
"""Points of which all pairs are compared; more are binned to so many."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A number, and of how many values it is."""

    value: float
    """In the unit that the registry gives (``config/measurements.toml``)."""
    n: int
    """How many values it was taken from."""


@dataclass(frozen=True, slots=True)
class Line:
    """A straight line through data."""

    slope: float
    """Change of y with x."""
    start: float
    """Value at x = 0."""
    n: int
    """How many values it was fitted to."""


def sigma_of(values: Values, axis: int | None = None) -> Values:
    """Return 1.4826 times the median absolute deviation, without what is not finite.

    Parameters
    ----------
    axis
        Along which; all of them by default.
    """
    middle = np.nanmedian(values, axis=axis, keepdims=True)
    return np.asarray(_MAD_TO_SIGMA * np.nanmedian(np.abs(values - middle), axis=axis))


def running_median(values: Values, width: int, axis: int) -> Values:
    """Return the median of `width` values around each one, along an axis.

    Gaps are filled by straight lines before, and the ends mirror; a line
    without any finite value stays NaN.
    """
    lines = np.moveaxis(np.array(values, dtype=float), axis, -1)
    shape = lines.shape
    flat = lines.reshape(-1, shape[-1])
    result = np.full_like(flat, np.nan)
    for index, line in enumerate(flat):
        good = np.isfinite(line)
        if good.any():
            positions = np.arange(line.size)
            filled = np.interp(positions, positions[good], line[good])
            result[index] = median_filter(filled, size=width, mode="reflect")
    return np.moveaxis(result.reshape(shape), -1, axis)


def fit_line(x: Values, y: Values, sigma: float | None = None) -> Line:
    """Fit a straight line to finite values, without those that are far from it.

    The line through repeated medians (Siegel 1982), which follows the majority of the
    values, begins; then least squares of those that are within 5 sigma of the line.

    Parameters
    ----------
    sigma
        Noise of y; that of what is left beside the line by default.
    """
    slope, start = siegelslopes(*_bin(y, x))
    for _ in range(3):
        rest = y - start - slope * x
        limit = _CLIP_SIGMAS * (sigma_of(rest) if sigma is None else sigma)
        kept = np.abs(rest) <= max(limit, np.median(np.abs(rest)))
        slope, start = np.polyfit(x[kept], y[kept], 1)
    return Line(float(slope), float(start), int(kept.sum()))


def _bin(y: Values, x: Values) -> tuple[Values, Values]:
    """Take medians of neighbours where there are more points than can be paired."""
    parts = np.array_split(np.arange(x.size), min(x.size, _MOST_PAIRED))
    medians = [[np.median(y[part]), np.median(x[part])] for part in parts]
    values, places = np.array(medians).T
    return values, places


def windowed_centroid(weights: Values, start: Sequence[float], sigma: float) -> Values:
    """Return the centre of a peak: the fixed point of its mean in a Gaussian window.

    It is that of a symmetric peak exactly, whatever its width (``XWIN_IMAGE``
    of SExtractor); the background must be subtracted.

    Parameters
    ----------
    weights
        Flux, in one dimension or more; what is not finite does not count.
    start
        Where the peak is, by and large, by axis.
    sigma
        Width of the window in pixels.

    Raises
    ------
    MeasurementError
        There is no peak: the centre leaves the array or is not found.
    """
    flux = np.nan_to_num(weights)
    places = np.indices(flux.shape, dtype=float)
    centre = np.array(start, dtype=float)
    for _ in range(200):
        offsets = places - centre.reshape(-1, *(1,) * flux.ndim)
        window = np.exp(-np.sum(offsets**2, axis=0) / (2 * sigma**2)) * flux
        total = window.sum()
        if total <= 0:
            break
        step = 2 * np.sum(offsets * window, axis=tuple(range(1, flux.ndim + 1))) / total
        centre = centre + step
        if np.any(centre < -0.5) or np.any(centre > np.array(flux.shape) - 0.5):
            break
        if np.abs(step).max() < 1e-6:
            return np.asarray(centre)
    raise MeasurementError("there is no peak whose centre could be found")


def find_amplitudes(
    x: Values, y: Values, periods: Sequence[tuple[float, float]], width: float
) -> Iterator[float]:
    """Find the largest sinusoid in each window, relative to the level there.

    In each window a parabola is fitted together with a sinusoid of each period; the
    amplitude (half of peak to peak) of the largest one is divided by the median.

    Parameters
    ----------
    x, y
        The data, x in any order.
    periods
        Shortest and longest period in each range that is searched, in units of x.
        Nothing is found of periods shorter than three samples, or of which there are
        not two in a window.
    width
        Of a window, in units of x; the last is as wide as the others.
    """
    good = np.isfinite(x) & np.isfinite(y)
    order = np.argsort(x[good])
    x, y = x[good][order], y[good][order]
    if x.size < _FEWEST or not np.ptp(x):
        return
    count = max(1, int(np.ptp(x) / width))
    for part in np.array_split(np.arange(x.size), count):
        amplitude = _find_largest(x[part], y[part], periods)
        if amplitude is not None:
            yield amplitude


_FEWEST = 24
"""Values in a window: a parabola and a sinusoid with clipped values among them."""


def _find_largest(
    x: Values, y: Values, periods: Sequence[tuple[float, float]]
) -> float | None:
    """Return the relative amplitude of the largest sinusoid in one window, if any."""
    level = float(np.median(y)) if y.size >= _FEWEST else 0.0
    if level <= 0:
        return None
    t = (x - x.mean()) / np.ptp(x)
    relative = y / level
    slow = np.vander(t, 3)
    rest = relative - slow @ np.linalg.lstsq(slow, relative, rcond=None)[0]
    kept = np.abs(rest - np.median(rest)) <= _CLIP_SIGMAS * sigma_of(rest)
    frequencies = _list_frequencies(x, periods)
    if kept.sum() < _FEWEST or not frequencies.size:
        return None
    return _fit_sinusoids(t[kept], relative[kept], frequencies * np.ptp(x))


def _list_frequencies(x: Values, periods: Sequence[tuple[float, float]]) -> Values:
    """List frequencies to try, four for each that the window can tell apart."""
    span, sample = np.ptp(x), np.median(np.diff(x))
    grids = [
        np.arange(1 / high, 1 / low, 0.25 / span)
        for shortest, longest in periods
        if (low := max(shortest, 3 * sample)) < (high := min(longest, span / 2))
    ]
    return np.concatenate(grids) if grids else np.array([])


def _fit_sinusoids(t: Values, y: Values, frequencies: Values) -> float:
    """Fit a parabola and a sinusoid of each frequency; return the largest amplitude.

    The largest sinusoid is the one that leaves least of the data.
    """
    slow, _ = np.linalg.qr(np.vander(t, 3))
    phase = 2 * np.pi * np.outer(t, frequencies)
    cos, sin = (
        part - slow @ (slow.T @ part) for part in (np.cos(phase), np.sin(phase))
    )
    rest = y - slow @ (slow.T @ y)
    cc, ss, cs = (
        np.sum(a * b, axis=0) for a, b in ((cos, cos), (sin, sin), (cos, sin))
    )
    cy, sy = cos.T @ rest, sin.T @ rest
    determinant = cc * ss - cs**2
    a, b = (ss * cy - cs * sy) / determinant, (cc * sy - cs * cy) / determinant
    explained = a * cy + b * sy
    best = int(np.argmax(explained))
    return float(np.hypot(a[best], b[best]))
