"""Where light of the sky falls on MIRIFUSHORT, and what its fringes make of it.

The coordinates are those of the references that the pipeline reads.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from jwst.assign_wcs.pointing import v23tosky
from numpy.typing import NDArray

from .exposures import RawExposure
from .frames import MIRI_FULL, Image, SliceMap
from .mrs_geometry import Channel, Slice, load_bands, map_slices
from .raw_files import make_model
from .scene import ARCSEC2_SR, JY_PER_MJY, Scene, share_within

__all__ = ["MJY_SR_PER_DN", "Fringe", "MrsLight", "trace_mrs"]

_Values = NDArray[np.float64]
"""One value for each lit pixel."""

MJY_SR_PER_DN = 50.0
"""Surface brightness that gives 1 DN/s."""


@dataclass(frozen=True, slots=True)
class Fringe:
    """A wave in the sensitivity, even in wavenumber."""

    amplitude: float
    """Half of peak to peak, relative to the mean."""
    period_per_cm: float
    """Distance of its crests in wavenumber, 1/cm."""
    phase: float
    """Phase at wavenumber 0."""

    def transmission(self, wavelength_um: _Values) -> _Values:
        """Return the sensitivity, 1 in the mean."""
        waves = 1e4 / wavelength_um / self.period_per_cm
        wave = np.cos(2 * np.pi * waves + self.phase)
        return np.asarray(1 + self.amplitude * wave)


@dataclass(frozen=True, slots=True)
class _ChannelLight:
    """The lit pixels of one channel."""

    channel: Channel
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    alpha: _Values
    beta: _Values
    length: _Values
    wavelength_um: _Values

    @property
    def sky_arcsec2(self) -> _Values:
        """Sky that each pixel sees."""
        return self.length * self.channel.beta_step

    def brightness(self, raw: RawExposure, scene: Scene) -> _Values:
        """Return the surface brightness (MJy/sr) of a scene, mean over each pixel."""
        even = np.full(self.alpha.size, scene.background_mjy_sr)
        if not scene.spectrum:
            return even
        position = scene.position
        place = v23tosky(make_model(raw)).inverse(position.ra, position.dec)
        alpha, beta = self.channel.to_v2v3.inverse(*place)
        share = share_within(self.alpha - alpha, self.length, scene.sigma_arcsec)
        share *= share_within(
            self.beta - beta, self.channel.beta_step, scene.sigma_arcsec
        )
        flux_mjy = scene.spectrum.flux(self.wavelength_um) / JY_PER_MJY
        source: _Values = flux_mjy * share / (self.sky_arcsec2 * ARCSEC2_SR)
        return even + source


@dataclass(frozen=True, slots=True)
class MrsLight:
    """The lit pixels of a band; the same for every pointing."""

    channels: tuple[_ChannelLight, ...]
    """Channels 1 and 2."""

    def rate(self, raw: RawExposure, scene: Scene) -> Image:
        """Return the light (DN/s) of a scene in an exposure, without fringes."""
        return self._paint(lambda each: each.brightness(raw, scene) / MJY_SR_PER_DN)

    def fringes(self, fringe: Fringe) -> Image:
        """Return the sensitivity of each pixel, 1 in the dark."""
        return self._paint(lambda each: fringe.transmission(each.wavelength_um), dark=1)

    def pixel_areas(self) -> Image:
        """Return the sky that each pixel sees, in square arcsec, 0 in the dark."""
        return self._paint(lambda each: each.sky_arcsec2)

    def dispersion(self) -> tuple[_Values, _Values]:
        """Return wavelengths of lit pixels, and the change to the next row."""
        wavelength = self._paint(lambda each: each.wavelength_um, dark=np.nan)
        steps = np.diff(wavelength.astype(float), axis=0, append=np.nan)
        ok = np.isfinite(steps)
        return wavelength[ok].astype(float), steps[ok]

    def _paint(
        self, values: Callable[[_ChannelLight], _Values], *, dark: float = 0.0
    ) -> Image:
        """Make a picture of the values of lit pixels."""
        image = np.full(MIRI_FULL.shape, dark, np.float32)
        for each in self.channels:
            image[each.rows, each.columns] = values(each)
        return image


def _trace_slice(one: Slice, slices: SliceMap) -> tuple[NDArray[np.int64], _Values]:
    rows, columns = np.nonzero(slices == one.number)
    y, x = rows.astype(float), columns.astype(float)
    length = np.abs(one.alpha(y, x + 0.5) - one.alpha(y, x - 0.5))
    beta = np.full_like(y, one.beta)
    values = np.stack([one.alpha(y, x), beta, length, one.wavelength(y, x)])
    return np.stack([rows, columns]), values


def _trace_channel(channel: Channel, slices: SliceMap) -> _ChannelLight:
    traces = [_trace_slice(one, slices) for one in channel.slices]
    pixels = np.concatenate([pixels for pixels, _ in traces], axis=1)
    values = np.concatenate([values for _, values in traces], axis=1)
    return _ChannelLight(channel, *pixels, *values)


@cache
def trace_mrs(band: str) -> MrsLight:
    """Find the lit pixels of a band."""
    slices, channels = map_slices(load_bands()[band]), load_bands()[band].channels
    return MrsLight(tuple(_trace_channel(each, slices) for each in channels))
