"""From a picture of the light to the raw ramps of an exposure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .frames import (
    READ_NOISE_DN,
    Flaws,
    Image,
    Subarray,
    bias_image,
    make_flaws,
)

__all__ = ["Defects", "Shower", "simulate_ramps"]

_Ramps = NDArray[np.uint16]
"""Integrations, groups, rows, columns."""

_COSMIC_RAY_DN = 500.0
_RESET_DN = 3.0
_SATURATED_DN = 70_000.0
_DEAD_DN_PER_S = 1e6
_SHALLOW_DN = 5_000.0


@dataclass(frozen=True, slots=True)
class Shower:
    """Faint extended charge that a cosmic ray leaves: an elliptical Gaussian."""

    group: int
    """First read that has its charge, counted from 1."""
    row: int
    """Centre, counted from 0."""
    column: int
    """Centre, counted from 0."""
    sigma_rows: float
    """Width across rows, pixels."""
    sigma_columns: float
    """Width across columns, pixels."""
    peak_dn: float
    """Charge at the centre."""

    def charge(self, subarray: Subarray) -> Image:
        """Return the charge (DN) that it leaves in each pixel that sees light."""
        y, x = np.ogrid[: subarray.rows, : subarray.columns]
        rows = (y - self.row) / self.sigma_rows
        columns = (x - self.column) / self.sigma_columns
        image = np.zeros(subarray.shape, np.float32)
        full = self.peak_dn * np.exp(-0.5 * (rows**2 + columns**2))
        image[subarray.inside] = full[subarray.inside]
        return image


@dataclass(frozen=True, slots=True, kw_only=True)
class Defects:
    """What spoils the exposures of a program."""

    cosmic_rays_per_group: int
    """Hits of the subarray between two reads."""
    stripes_dn: float = 0.0
    """Spread of the 1/f noise, which is constant along the fast axis in one read."""
    hot: int = 0
    """Pixels that saturate, at the same places in every exposure."""
    warm: int = 0
    """Pixels that could pass for a faint line, likewise."""
    flicker: float = 0.0
    """By what share of itself the level of a warm pixel changes, at most."""
    dead: tuple[tuple[int, int], ...] = ()
    """Row and column of pixels that are saturated from the first read on."""
    shallow: tuple[tuple[int, int], ...] = ()
    """Row and column of pixels that are full at a level that no reference knows, so
    that nothing flags them."""
    excess: float = 0.0
    """By what share the light scatters more than its photons do."""
    leak_dn_per_s: float = 0.0
    """Light through the closed shutters, in the middle of the detector."""
    showers: tuple[Shower, ...] = ()
    """Showers on the second exposure."""

    def find_wells(self, subarray: Subarray) -> Image:
        """Return the charge (DN) that each pixel holds at most."""
        wells = np.full(subarray.shape, _SATURATED_DN, np.float32)
        for place in self.shallow:
            wells[place] = _SHALLOW_DN
        return wells

    def choose_flaws(self, subarray: Subarray, seed: int) -> Flaws:
        """Choose the hot and the warm pixels."""
        return make_flaws(subarray, hot=self.hot, warm=self.warm, seed=seed)

    def still_image(
        self, subarray: Subarray, seed: int, *, exposure_seed: int = 0
    ) -> Image:
        """Return the leak and the dark current (DN/s).

        All exposures have the same, unless warm pixels flicker.
        """
        y, x = np.ogrid[: subarray.rows, : subarray.columns]
        across = np.exp(-0.5 * ((y - 1024) / 500) ** 2)
        leak = self.leak_dn_per_s * across * (1 + 0.3 * np.sin(x / 60))
        flaws = self.choose_flaws(subarray, seed)
        rng = np.random.default_rng(exposure_seed)
        levels = 1 + self.flicker * rng.uniform(-1, 1, len(flaws.warm))
        dark = flaws.dark_current(subarray.shape, levels)
        image = np.asarray(leak, np.float32) + dark
        for place in self.dead:
            image[place] = _DEAD_DN_PER_S
        return image


def _pink(rng: np.random.Generator, size: int) -> Image:
    """Draw 1/f noise of unit spread."""
    frequency = np.fft.rfftfreq(size)
    frequency[0] = np.inf
    phases = np.fft.rfft(rng.standard_normal(size)) / np.sqrt(frequency)
    noise = np.fft.irfft(phases, size)
    return np.asarray(noise / noise.std(), np.float32)


def _strike(rng: np.random.Generator, charge: Image, hits: int) -> None:
    rows, columns = charge.shape
    place = rng.integers(0, rows, hits), rng.integers(0, columns, hits)
    charge[place] += rng.exponential(_COSMIC_RAY_DN, hits).astype(np.float32)


def _read(
    rng: np.random.Generator,
    charge: Image,
    bias: Image,
    *,
    wells: Image,
    stripes_dn: float,
    fast_axis: int,
) -> NDArray[np.uint16]:
    read = READ_NOISE_DN * rng.standard_normal(charge.shape, np.float32)
    # The amplifiers drift from one line of pixels along the fast axis to the next.
    along, across = (1, 0) if abs(fast_axis) == 1 else (0, 1)
    stripes = stripes_dn * _pink(rng, charge.shape[across])
    read += np.expand_dims(stripes, axis=along)
    read += bias + np.minimum(charge, wells)
    return np.asarray(np.clip(np.rint(read), 0, 65_535), dtype=np.uint16)


def _mask_border(rate: Image, subarray: Subarray) -> Image:
    inside = np.zeros_like(rate)
    inside[subarray.inside] = rate[subarray.inside]
    return inside


def simulate_ramps(
    rates: Sequence[Image],
    subarray: Subarray,
    *,
    groups: int,
    fast_axis: int,
    seed: int,
    defects: Defects,
) -> _Ramps:
    """Simulate the reads of an exposure.

    Parameters
    ----------
    rates
        Light and dark current (DN/s), one picture for each integration.
    subarray
        Which pixels, and how long a read takes.
    groups
        Reads of an integration.
    fast_axis
        Axis along which pixels are read one after the other, as in ``FASTAXIS``.
    seed
        Seed of everything random.
    defects
        Cosmic rays, stripes, showers and noise, in every integration.
    """
    rng = np.random.default_rng(seed)
    bias, wells = bias_image(subarray), defects.find_wells(subarray)
    ramps = np.empty((len(rates), groups, *subarray.shape), np.uint16)
    for integration, rate in zip(ramps, rates, strict=True):
        expected = _mask_border(rate, subarray) * np.float32(subarray.frame_s)
        charge = np.zeros(subarray.shape, np.float32)
        level = bias + np.float32(rng.normal(0, _RESET_DN))
        for number in range(groups):
            charge += rng.poisson(expected)
            if defects.excess:
                spread = np.sqrt(((1 + defects.excess) ** 2 - 1) * expected)
                charge += spread * rng.standard_normal(charge.shape, np.float32)
            if number:
                _strike(rng, charge, defects.cosmic_rays_per_group)
            for shower in defects.showers:
                if shower.group == number + 1:
                    charge += shower.charge(subarray)
            integration[number] = _read(
                rng,
                charge,
                level,
                wells=wells,
                stripes_dn=defects.stripes_dn,
                fast_axis=fast_axis,
            )
    return ramps
