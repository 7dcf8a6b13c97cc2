"""From a picture of the light to the raw ramps of an exposure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .frames import READ_NOISE_DN, Image, Subarray, bias_image
from .showers import Shower

__all__ = ["Noise", "simulate_ramps"]

Ramps = NDArray[np.uint16]
"""Integrations, groups, rows, columns."""

_COSMIC_RAY_DN = 500.0
_RESET_DN = 3.0
_SATURATED_DN = 70_000.0


@dataclass(frozen=True, slots=True)
class Noise:
    """What is random in an exposure."""

    seed: int
    """Seed of everything random."""
    cosmic_rays_per_group: int
    """Hits of the subarray between two reads."""
    stripes_dn: float
    """Spread of the 1/f noise, which is constant along a column of one read."""


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
    rng: np.random.Generator, charge: Image, bias: Image, stripes_dn: float
) -> NDArray[np.uint16]:
    read = READ_NOISE_DN * rng.standard_normal(charge.shape, np.float32)
    # Columns are the fast axis: the slow drift of the amplifiers makes stripes.
    read += stripes_dn * _pink(rng, charge.shape[1])
    read += bias + np.minimum(charge, _SATURATED_DN)
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
    noise: Noise,
    showers: Sequence[Shower] = (),
) -> Ramps:
    """Simulate the reads of an exposure.

    Parameters
    ----------
    rates
        Light and dark current (DN/s), one picture for each integration.
    subarray
        Which pixels, and how long a read takes.
    groups
        Reads of an integration.
    noise
        What is random, and its seed.
    showers
        Showers of cosmic rays, in every integration.
    """
    rng = np.random.default_rng(noise.seed)
    bias = bias_image(subarray)
    ramps = np.empty((len(rates), groups, *subarray.shape), np.uint16)
    for integration, rate in zip(ramps, rates, strict=True):
        expected = _mask_border(rate, subarray) * np.float32(subarray.frame_s)
        charge = np.zeros(subarray.shape, np.float32)
        level = bias + np.float32(rng.normal(0, _RESET_DN))
        for number in range(groups):
            charge += rng.poisson(expected)
            if number:
                _strike(rng, charge, noise.cosmic_rays_per_group)
            for shower in showers:
                if shower.group == number + 1:
                    charge += shower.charge(subarray)
            integration[number] = _read(rng, charge, level, noise.stripes_dn)
    return ramps
