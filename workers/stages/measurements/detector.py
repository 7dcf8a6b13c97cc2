"""Measurements of images of the detector: banding, and pixels without a value."""

from collections.abc import Iterator

import numpy as np

from ...errors import MeasurementError
from .robust import Flags, Measured, Values, running_median, sigma_of

__all__ = ["measure_banding", "measure_fraction"]

_FULL = 2048
"""Pixels along an axis of a full frame, which four amplifiers read side by side."""

_AMPLIFIERS = 4

_SMOOTH = 101
"""Width in pixels over which light varies slowly along the dispersion."""

_CLIP_SIGMAS = 3.0
"""Pixels farther from their band are hot, struck by cosmic rays, or lines."""

_FEWEST_PIXELS = 8
"""Pixels of a band without which its level is not taken."""

_FEWEST_BANDS = 32


def measure_fraction(chosen: Flags, among: Flags) -> Measured:
    """Return the share of some values among others.

    Raises
    ------
    MeasurementError
        There are no others.
    """
    count = int(among.sum())
    if not count:
        raise MeasurementError("nothing sees light")
    return Measured(float((chosen & among).sum() / count), count)


def measure_banding(
    image: Values, usable: Flags, fast_axis: int
) -> tuple[Measured, Measured]:
    """Measure the levels of the bands of a rate image against each other.

    1/f noise is slow against the time in which a line along the fast axis is read, and
    so gives each line its own level: bands that are vertical in images of NIRSpec,
    whose fast axis is y. Each amplifier (a quarter of the lines of a full frame) has
    its own. In pixels that are dark, each band has a mean after the running median
    across 101 bands was subtracted pixel by pixel, which takes away traces and
    background. The variance of these means is that of white noise, the variance of the
    pixels in a band over their number, plus that of the banding.

    Dark are pixels whose running median is at most one sigma of a pixel over that of
    the darkest fifth.

    Parameters
    ----------
    image
        Rates, as (y, x).
    usable
        Pixels that are not forbidden.
    fast_axis
        FASTAXIS: x if its absolute value is 1, y if it is 2.

    Returns
    -------
    tuple
        Standard deviation of the banding in the unit of the image (0 where the
        variance is below that of white noise); variance over that of white noise.
    """
    if abs(fast_axis) == 1:
        image, usable = image.T, usable.T
    good = usable & np.isfinite(image)
    values = np.where(good, image, np.nan)
    slow = running_median(values, _SMOOTH, axis=1)
    rest = values - slow
    rest[~_find_dark(slow, rest)] = np.nan
    bands = [band for part in _split(rest) for band in _iterate_bands(part)]
    if len(bands) < _FEWEST_BANDS:
        raise MeasurementError(
            f"expected {_FEWEST_BANDS} bands or more with {_FEWEST_PIXELS} dark "
            f"pixels, got {len(bands)}"
        )
    means, white = np.array(bands).T
    expected = float(np.median(white))
    variance = float(sigma_of(means)) ** 2
    if not expected > 0:
        raise MeasurementError("dark pixels have no noise at all")
    deviation = float(np.sqrt(max(variance - expected, 0.0)))
    count = len(bands)
    return Measured(deviation, count), Measured(variance / expected, count)


def _find_dark(slow: Values, rest: Values) -> Flags:
    seen = np.isfinite(rest)
    if not seen.any():
        raise MeasurementError("no pixel is usable")
    limit = np.percentile(slow[seen], 20)
    darkest = seen & (slow <= limit)
    dark: Flags = seen & (slow <= limit + sigma_of(rest[darkest]))
    return dark


def _split(rest: Values) -> list[Values]:
    """Split a full frame into what each amplifier reads."""
    count = _AMPLIFIERS if rest.shape[0] == _FULL else 1
    return np.array_split(rest, count)


def _iterate_bands(part: Values) -> Iterator[tuple[float, float]]:
    """Give the mean of each band, and the variance that white noise gives it."""
    for band in part.T:
        values = band[np.isfinite(band)]
        if values.size < _FEWEST_PIXELS:
            continue
        off = values - np.median(values)
        values = values[np.abs(off) <= _CLIP_SIGMAS * sigma_of(values)]
        if values.size >= _FEWEST_PIXELS:
            yield float(values.mean()), float(values.var(ddof=1) / values.size)
