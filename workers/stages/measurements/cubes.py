"""Measurements of cubes and rectified spectra, wavelength first."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter, rank_filter

from ...errors import MeasurementError
from .robust import (
    Flags,
    Measured,
    Values,
    find_amplitudes,
    running_median,
    sigma_of,
    windowed_centroid,
)

__all__ = [
    "find_illuminated",
    "measure_correlation",
    "measure_flux_ratio",
    "measure_offset",
    "measure_oscillation",
    "measure_outliers",
    "measure_sky",
    "measure_wander",
]

_ALONG = 7
"""Voxels along wavelength; one is compared with the median of the others."""

_NOISE_ALONG = 101
"""Voxels along wavelength of which the noise is taken."""

_ACROSS = {2: (1, 5), 3: (1, 3, 3)}
"""Neighbours across wavelength, by the number of dimensions: they share the line of an
extended source, while an outlier covers less than half of them."""

_OUTLIER_SIGMAS = 5.0

_ROUNDING = 1e-6
"""Noise that single precision gives, of the level."""

_APERTURE = 5.0
"""Radius in spaxels of the spectrum that single spaxels are compared with."""

_CORE = 1
"""Spaxels on each side of the brightest one that are near it."""

_WINDOW = 256.0
"""Planes in which the period of an oscillation is taken as constant."""

_PERIODS = ((4.0, 128.0),)
"""Periods of oscillations in planes."""

_SEEING = 1.5
"""Width in pixels of the window in which a source is centred."""

_SKY_RADIUS = 10.0
"""Spaxels from the brightest one beyond which there is sky: four widths (FWHM) of a
point source or more."""

_WANDER_PARTS = 8
"""Parts of a cube along wavelength in which a source is centred."""

_CORRELATION_PARTS = 8
"""Parts of a cube along wavelength in which the noise of planes is compared."""

_INDEPENDENT = 4
"""Planes that are so far apart share no pixel of the detector."""

_SOURCE_SIGMAS = 5.0
"""A peak below this is no source."""

_SUBPIXELS = 10
"""Parts of a spaxel, along each axis, that are in an aperture or not."""


def find_illuminated(weight: Values) -> Flags:
    """Find the voxels that the instrument sees, by the weights of a cube.

    They are those of the spaxels that half of the planes or more have data of, in
    planes that have data at all: not the gap between two detectors.
    """
    seen = weight > 0
    planes = seen.any(axis=tuple(range(1, seen.ndim)))
    spaxels = seen.sum(axis=0) >= 0.5 * max(planes.sum(), 1)
    shape = (-1, *(1,) * (seen.ndim - 1))
    illuminated: Flags = planes.reshape(shape) & spaxels
    return illuminated


def measure_outliers(cube: Values) -> Measured:
    """Measure the share of voxels that are more than 5 sigma off their neighbours.

    From each voxel the median of the 6 nearest along wavelength is subtracted, then a
    line that has the shape of the source in white light, then the median of what is
    left of the neighbours across wavelength (8, or 4 in a rectified spectrum). Sigma is
    1.4826 times the running median of what is left, over 101 voxels along wavelength.

    Parameters
    ----------
    cube
        Wavelength first, and one or two axes more.
    """
    finite = np.isfinite(cube)
    if not finite.any():
        raise MeasurementError("no voxel has a value")
    along = np.ones((_ALONG, *(1,) * (cube.ndim - 1)), dtype=bool)
    across = np.ones(_ACROSS[cube.ndim], dtype=bool)
    filled = np.nan_to_num(running_median(cube, 1, axis=0))
    rest = np.where(finite, cube - _median_beside(filled, along), np.nan)
    rest = np.where(finite, rest - _find_lines(cube, rest), 0.0)
    rest = np.where(finite, rest - _median_beside(rest, across), np.nan)
    sigma = 1.4826 * running_median(np.abs(rest), _NOISE_ALONG, axis=0)
    level = float(np.median(np.abs(cube[finite])))
    limit = _OUTLIER_SIGMAS * np.maximum(sigma, _ROUNDING * level)
    count = int(finite.sum())
    return Measured(float((np.abs(rest) > limit).sum() / count), count)


def _median_beside(values: Values, footprint: Flags) -> Values:
    """Return the median of the neighbours of each voxel, which is not among them."""
    beside = footprint.copy()
    beside[tuple(length // 2 for length in beside.shape)] = False
    ranks = (beside.sum() - 1) // 2, beside.sum() // 2
    low, high = (
        rank_filter(values, rank, footprint=beside, mode="mirror") for rank in ranks
    )
    return np.asarray((low + high) / 2)


def _find_lines(cube: Values, rest: Values) -> Values:
    """Give in each plane the source in white light, as bright as most spaxels say.

    The factor of each plane leaves the least absolute deviations from the median of
    the plane: it is the median of what each spaxel says, weighted by its brightness.
    """
    source = np.nanmedian(np.where(np.isfinite(cube).any(axis=0), cube, 0.0), axis=0)
    source = source - np.median(source)
    bright = np.abs(source) > 0
    factors = np.zeros(len(cube))
    for plane, values in enumerate(rest):
        used = bright & np.isfinite(values)
        if used.any():
            above = values[used] - np.median(values[used])
            ratio, weight = above / source[used], np.abs(source[used])
            order = np.argsort(ratio)
            half = np.searchsorted(np.cumsum(weight[order]), 0.5 * weight.sum())
            factors[plane] = ratio[order][min(half, ratio.size - 1)]
    return np.asarray(factors.reshape(-1, *(1,) * source.ndim) * source)


def measure_oscillation(cube: Values) -> Measured:
    """Measure how spectra of single spaxels oscillate around that of an aperture.

    The spectra of the brightest spaxel in white light and its 8 neighbours are divided
    by the sum over a radius of 5 spaxels. In windows of 256 planes, sinusoids of
    periods from 4 to 128 planes are fitted; the largest one counts, relative to the
    level. The result is the median over spaxels of the mean over windows.
    """
    white = _make_white(cube)
    y, x = _find_brightest(white)
    rows, columns = np.indices(white.shape)
    near = np.hypot(rows - y, columns - x) <= _APERTURE
    whole = np.nansum(cube[:, near], axis=1)
    planes = np.arange(len(cube), dtype=float)
    means: list[float] = []
    for spectrum in _iterate_core(cube, y, x):
        ratio = np.where(whole > 0, spectrum / np.where(whole > 0, whole, 1.0), np.nan)
        amplitudes = [*find_amplitudes(planes, ratio, _PERIODS, _WINDOW)]
        means += [float(np.mean(amplitudes))] if amplitudes else []
    if not means:
        raise MeasurementError("no spaxel near the brightest one has a spectrum")
    return Measured(float(np.median(means)), len(means))


def _make_white(cube: Values) -> Values:
    covered = (
        np.isfinite(cube).mean(axis=0) > 0.5 * np.isfinite(cube).mean(axis=0).max()
    )
    if not covered.any():
        raise MeasurementError("no voxel has a value")
    white = np.full(cube.shape[1:], np.nan)
    white[covered] = np.nanmedian(cube[:, covered], axis=0)
    return white


def _find_brightest(white: Values) -> tuple[int, ...]:
    """Find the brightest pixel of an image, or of a profile, that is not alone."""
    level = np.nanmedian(white)
    filled = np.where(np.isfinite(white), white, level)
    smooth = median_filter(filled, size=3, mode="nearest")
    around = np.argmax(smooth)
    places = np.indices(white.shape) - np.reshape(
        np.unravel_index(around, white.shape), (-1, *(1,) * white.ndim)
    )
    near = np.abs(places).max(axis=0) <= 1
    best = np.argmax(np.where(near, filled, -np.inf))
    return tuple(int(each) for each in np.unravel_index(best, white.shape))


def _iterate_core(cube: Values, y: int, x: int) -> Iterator[Values]:
    for row in range(max(y - _CORE, 0), min(y + _CORE + 1, cube.shape[1])):
        for column in range(max(x - _CORE, 0), min(x + _CORE + 1, cube.shape[2])):
            yield cube[:, row, column]


def measure_offset(
    cube: Values, aperture: tuple[float, ...], arcsec: float
) -> tuple[Measured, Measured]:
    """Measure how far the brightest source is from the centre of its aperture.

    The source is centred in white light (the median over wavelength, less the median
    of the image) in a Gaussian window of 1.5 pixels.

    Parameters
    ----------
    cube
        Wavelength first, then y and x; or y alone in a rectified spectrum.
    aperture
        Centre in the same order, in pixels that are counted from 0.
    arcsec
        Size of a pixel.

    Returns
    -------
    tuple
        The distance in pixels and in arcsec.
    """
    white = _make_white(cube)
    peak = _find_brightest(white)
    centre = windowed_centroid(white - np.nanmedian(white), peak, _SEEING)
    distance = float(np.hypot.reduce(centre - np.array(aperture)))
    count = int(np.isfinite(white).sum())
    return Measured(distance, count), Measured(distance * arcsec, count)


def measure_wander(cube: Values, arcsec: float) -> tuple[Measured, Measured]:
    """Measure how far the brightest source moves with wavelength.

    The cube is cut into 8 parts along wavelength. In each the source is centred as for
    its offset, from where it is in white light on; parts in which the brightest pixel
    near there is less than 5 sigma above the median do not count. The result is the
    largest distance between two of the centres.

    Parameters
    ----------
    cube
        Wavelength first, then y and x.
    arcsec
        Size of a pixel.

    Returns
    -------
    tuple
        The distance in pixels and in arcsec.
    """
    peak = _find_brightest(_make_white(cube))
    centres = np.array([*_iterate_centres(cube, peak)])
    if len(centres) < 2:
        raise MeasurementError("fewer than 2 parts of the cube show the source")
    apart = centres[:, None] - centres
    distance = float(np.hypot.reduce(apart, axis=-1).max())
    count = len(centres)
    return Measured(distance, count), Measured(distance * arcsec, count)


def _iterate_centres(cube: Values, peak: tuple[int, ...]) -> Iterator[Values]:
    """Centre a source in the parts of a cube that show it."""
    near = tuple(slice(max(place - _CORE, 0), place + _CORE + 1) for place in peak)
    for part in np.array_split(cube, _WANDER_PARTS):
        if not np.isfinite(part).any():
            continue
        white = _make_white(part)
        above = white - np.nanmedian(white)
        if np.nan_to_num(above)[near].max() > _SOURCE_SIGMAS * sigma_of(above):
            yield windowed_centroid(above, peak, _SEEING)


def measure_sky(cube: Values) -> Measured:
    """Measure how bright a cube is outside its brightest source.

    The result is the median of the spaxels in white light (the median over wavelength)
    that are more than 10 spaxels from the brightest one.
    """
    white = _make_white(cube)
    sky = white[_find_sky(white)]
    return Measured(float(np.median(sky)), sky.size)


def _find_sky(white: Values) -> Flags:
    y, x = _find_brightest(white)
    rows, columns = np.indices(white.shape)
    far = np.hypot(rows - y, columns - x) > _SKY_RADIUS
    sky: Flags = far & np.isfinite(white)
    if not sky.any():
        raise MeasurementError("no spaxel is far enough from the brightest one")
    return sky


def measure_correlation(cube: Values) -> Measured:
    """Measure how much of their noise neighbouring planes of a cube share.

    Spaxels more than 10 spaxels from the brightest one count. In each of 8 parts of
    the cube along wavelength the correlation is 1 less the variance of the differences
    between neighbouring planes over that between planes 4 apart; sigma is 1.4826 times
    the median absolute deviation. The result is the largest one: where planes are
    narrower than pixels, neighbours are made of the same ones.

    Parameters
    ----------
    cube
        Wavelength first, then y and x.
    """
    sky = cube[:, _find_sky(_make_white(cube))]
    found = [*_iterate_correlations(sky)]
    if not found:
        raise MeasurementError("no part of the cube has noise in enough planes")
    return Measured(max(found), len(found))


def _iterate_correlations(spectra: Values) -> Iterator[float]:
    for part in np.array_split(spectra, _CORRELATION_PARTS):
        near, apart = part[1:] - part[:-1], part[_INDEPENDENT:] - part[:-_INDEPENDENT]
        if not np.isfinite(near).any() or not np.isfinite(apart).any():
            continue
        if (independent := sigma_of(apart)) > 0:
            yield float(1 - (sigma_of(near) / independent) ** 2)


def measure_flux_ratio(
    flux_jy: Values,
    cube: Values,
    pixel_sr: float,
    *,
    area: Values,
    background: Values,
    centre: tuple[float, float] | None,
) -> Measured:
    """Measure the flux of a spectrum over that of the same aperture in its cube.

    In each plane, the surface brightness is summed over a circle that has the area of
    the spectrum, less the background that the spectrum says it subtracted. The result
    is the median over planes of which the whole circle has data. An aperture correction
    is part of it.

    Parameters
    ----------
    flux_jy
        Of the spectrum, one for each plane.
    cube
        Surface brightness in MJy/sr, as (wavelength, y, x).
    pixel_sr
        Solid angle of a spaxel.
    area
        Of the aperture in spaxels, one for each plane.
    background
        In MJy/sr, one for each plane.
    centre
        Of the circle as (y, x), counted from 0; without it all spaxels are summed.
    """
    if not len(flux_jy) == len(cube):
        raise MeasurementError(
            f"the spectrum has {len(flux_jy)} wavelengths, the cube {len(cube)}"
        )
    sums = np.array(
        [
            _sum_circle(plane, centre, float(pixels))
            for plane, pixels in zip(cube, area, strict=True)
        ]
    )
    expected_jy = (sums - background * area) * pixel_sr * 1e6
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = flux_jy / expected_jy
    good = np.isfinite(ratio) & (expected_jy != 0)
    if not good.any():
        raise MeasurementError("no plane has data in the whole aperture")
    return Measured(float(np.median(ratio[good])), int(good.sum()))


def _sum_circle(
    plane: Values, centre: tuple[float, float] | None, area: float
) -> float:
    """Sum over a circle; NaN where a part of it has no data."""
    if centre is None:
        return float(np.nansum(plane)) if np.isfinite(plane).any() else np.nan
    radius = float(np.sqrt(area / np.pi))
    y, x = (_list_near(n, c, radius) for n, c in zip(plane.shape, centre, strict=True))
    near, share = plane[np.ix_(y, x)], _cover(y - centre[0], x - centre[1], radius)
    touched = share > 0
    return float(np.sum(near[touched] * share[touched])) if touched.any() else np.nan


def _list_near(length: int, centre: float, radius: float) -> NDArray[np.int64]:
    near = np.abs(np.arange(length) - centre) <= radius + 1
    return np.flatnonzero(near)


def _cover(
    y: NDArray[np.floating[Any]], x: NDArray[np.floating[Any]], radius: float
) -> Values:
    """Return which share of each spaxel, by its offsets, is in a circle."""
    inner = (np.arange(_SUBPIXELS) + 0.5) / _SUBPIXELS - 0.5
    rows, columns = (np.add.outer(each, inner).ravel() for each in (y, x))
    inside = np.hypot.outer(rows, columns) <= radius
    parts = inside.reshape(y.size, _SUBPIXELS, x.size, _SUBPIXELS)
    return np.asarray(parts.mean(axis=(1, 3)), dtype=float)
