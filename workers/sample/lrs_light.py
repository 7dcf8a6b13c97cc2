"""Where light of the sky falls on MIRIMAGE, through the prism and through a filter.

The coordinates are those of the references that the pipeline reads.
"""

import numpy as np
from jwst.assign_wcs.pointing import v23tosky
from numpy.typing import NDArray

from .exposures import RawExposure
from .frames import Image
from .lrs_geometry import (
    FILTER_OFFSETS,
    PIXEL_ARCSEC,
    PIXEL_ARCSEC2,
    SLIT,
    SLIT_COLUMNS,
    SLIT_ROWS,
    SLITLESS,
    Trace,
    load_field,
)
from .raw_files import make_model
from .scene import (
    ARCSEC2_SR,
    JY_PER_MJY,
    Position,
    Scene,
    share_within,
)

__all__ = [
    "MJY_SR_PER_DN",
    "acquire",
    "acquire_in_slit",
    "disperse_all",
    "disperse_slit",
    "psf_sigma_pixels",
    "response",
    "transmit",
]

_Values = NDArray[np.float64]
"""One value for each row or pixel."""

MJY_SR_PER_DN = 1.0
"""Surface brightness that gives 1 DN/s at 7.5 um, and in an image."""
_Ends = tuple[float, float]
"""Where light begins and ends, in pixels."""
_EVERYWHERE = (-np.inf, np.inf)
_PIXEL_SR = PIXEL_ARCSEC2 * ARCSEC2_SR
_FILTERS_UM = {"F560W": 5.6}
_PSF_ARCSEC_PER_UM = 0.0139
"""Width of the Gaussian core of an image: a FWHM of 0.0328 arcsec per um, as the user
documentation of JWST gives it for F1000W (0.328 arcsec)."""


def response(wavelength_um: _Values) -> _Values:
    """Return the surface brightness of 1 DN/s, relative to that at 7.5 um."""
    return np.asarray(1 + 0.04 * (wavelength_um - 7.5) ** 2)


def psf_sigma_pixels(wavelength_um: float | _Values) -> _Values:
    """Return the width of the image of a point."""
    return np.asarray(_PSF_ARCSEC_PER_UM * wavelength_um / PIXEL_ARCSEC)


def transmit(wavelength_um: float | _Values, above: float) -> _Values:
    """Return the part of the light of a point that the slit lets through.

    Parameters
    ----------
    above
        How far the point is above the reference point, in pixels.
    """
    low, high = SLIT_ROWS
    distance = (low + high) / 2 - SLIT.row - above
    return share_within(distance, high - low, psf_sigma_pixels(wavelength_um))


def disperse_slit(raw: RawExposure, scene: Scene) -> Image:
    """Return the light (DN/s) of a scene through the slit and the prism."""
    rows = SLIT.list_rows(raw.subarray)
    above = (rows - SLIT.row)[:, None]
    left, right = (end + SLIT.shift(above) for end in SLIT_COLUMNS)
    lit, _ = _clip(_list_columns(raw), left, right)
    sky = scene.background_mjy_sr * lit / _brightness(SLIT.wavelength_um(above))
    return _paint(raw, rows, sky + _disperse_point(raw, scene, SLIT))


def disperse_all(raw: RawExposure, scene: Scene) -> Image:
    """Return the light (DN/s) of a scene through the prism alone.

    The background of a place in the sky is spread over a column, so every pixel sees
    that of all wavelengths.
    """
    rows = SLITLESS.list_rows(raw.subarray)
    wavelength = SLITLESS.wavelength_um(SLITLESS.above)
    sky = float(np.sum(scene.background_mjy_sr / _brightness(wavelength)))
    image = _paint(raw, rows, _disperse_point(raw, scene, SLITLESS))
    return np.asarray(image + np.float32(sky))


def acquire(raw: RawExposure, scene: Scene) -> Image:
    """Return the light (DN/s) of a scene through a filter."""
    return _acquire(raw, scene, (_EVERYWHERE, _EVERYWHERE))


def acquire_in_slit(raw: RawExposure, scene: Scene) -> Image:
    """Return the light (DN/s) of a scene through the slit and a filter.

    Around the slit is its frame, which is dark; the rest of the field is left dark.
    """
    return _acquire(raw, scene, (SLIT_COLUMNS, SLIT_ROWS))


def _acquire(raw: RawExposure, scene: Scene, ends: tuple[_Ends, _Ends]) -> Image:
    """Return the light between columns and between rows."""
    assert raw.filter
    assert scene.spectrum
    place, offset = _locate(raw, scene.position), FILTER_OFFSETS[raw.filter]
    wavelength_um = _FILTERS_UM[raw.filter]
    pixels = _list_columns(raw), _list_rows(raw)
    sky, shares = [], []
    for axis, (low, high) in enumerate(ends):
        lit, middle = _clip(pixels[axis] + offset[axis], low, high)
        sigma = psf_sigma_pixels(wavelength_um)
        sky.append(lit)
        shares.append(share_within(middle - place[axis], lit, sigma))
    flux_mjy = scene.spectrum.flux(np.array(wavelength_um)) / JY_PER_MJY
    light = scene.background_mjy_sr * np.outer(sky[1], sky[0])
    light += flux_mjy / _PIXEL_SR * np.outer(shares[1], shares[0])
    return np.asarray(light / MJY_SR_PER_DN, np.float32)


def _locate(raw: RawExposure, position: Position) -> tuple[float, float]:
    """Return column and row where an undispersed point falls."""
    v2, v3 = v23tosky(make_model(raw)).inverse(position.ra, position.dec)
    column, row = load_field().inverse(v2, v3)
    return float(column), float(row)


def _list_columns(raw: RawExposure) -> _Values:
    return raw.subarray.x - 1 + np.arange(float(raw.subarray.columns))


def _list_rows(raw: RawExposure) -> _Values:
    return raw.subarray.y - 1 + np.arange(float(raw.subarray.rows))


def _clip(
    pixels: _Values, low: float | _Values, high: float | _Values
) -> tuple[_Values, _Values]:
    """Return how much of each pixel lies between two ends, and its middle."""
    lower, upper = np.maximum(pixels - 0.5, low), np.minimum(pixels + 0.5, high)
    return np.maximum(upper - lower, 0), (lower + upper) / 2


def _brightness(wavelength_um: _Values) -> _Values:
    """Return the surface brightness (MJy/sr) of 1 DN/s."""
    return MJY_SR_PER_DN * response(wavelength_um)


def _disperse_point(raw: RawExposure, scene: Scene, trace: Trace) -> _Values:
    """Return the light of the source in the rows of a trace, all columns.

    A source off the reference point along dispersion has its spectrum off as much.
    """
    assert scene.spectrum
    column, row = _locate(raw, scene.position)
    miss = row - trace.row
    above = (trace.list_rows(raw.subarray) - row)[:, None]
    wavelength = trace.wavelength_um(above)
    centre = column + trace.shift(above)
    sigma = psf_sigma_pixels(wavelength)
    flux_mjy = scene.spectrum.flux(wavelength) / JY_PER_MJY
    if trace is SLIT:
        flux_mjy = flux_mjy * transmit(wavelength, miss)
    light = flux_mjy * share_within(_list_columns(raw) - centre, 1.0, sigma) / _PIXEL_SR
    return np.asarray(light / _brightness(wavelength))


def _paint(raw: RawExposure, rows: _Values, light: _Values) -> Image:
    image = np.zeros(raw.subarray.shape, np.float32)
    image[rows.astype(int) - (raw.subarray.y - 1)] = light
    return image
