"""Where light falls on MIRIFUSHORT: a compact model of MRS channels 1 and 2.

The numbers are in ``mrs_geometry.json``, which says how they were derived.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from astropy.modeling import Model
from numpy.typing import NDArray

from .frames import MIRI_FULL, SliceMap
from .transforms import Spec, make_field, normalise, polynomial

__all__ = ["Band", "Channel", "Slice", "load_bands", "map_slices"]

_STEPS = 600


@dataclass(frozen=True, slots=True)
class Slice:
    """A slice of the image slicer, between the detector and its local frame."""

    number: int
    """Channel times 100, and the slice counted from 1."""
    beta: float
    """Place across the slices, arcsec."""
    alpha: Model
    """Row and column to the place along the slice, arcsec."""
    wavelength: Model
    """Row and column to wavelength, um."""
    x: Model
    """Wavelength and place along the slice to the column."""
    y: Model
    """Wavelength and place along the slice to the row."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One of the two channels of a detector, in one band."""

    name: str
    """``1`` or ``2``."""
    wavelengths_um: tuple[float, float]
    """Wavelengths that the models are good for."""
    beta_zero: float
    """Place of the first slice, arcsec."""
    beta_step: float
    """Width of a slice, arcsec."""
    half_length: float
    """Half the length of a slice that sees light, arcsec."""
    to_v2v3: Model
    """Local frame to V2 and V3 (arcsec), with inverse."""
    slices: tuple[Slice, ...]
    """Slices by number."""


@dataclass(frozen=True, slots=True)
class Band:
    """A setting of the gratings: SHORT, MEDIUM or LONG."""

    name: str
    """Name of the band."""
    channels: tuple[Channel, Channel]
    """Channels 1 and 2."""

    @property
    def slices(self) -> tuple[Slice, ...]:
        """Slices of both channels."""
        return tuple(each for channel in self.channels for each in channel.slices)


def _make_slice(number: int, beta: float, spec: Spec) -> Slice:
    forth, back = spec["to_sky"], spec["to_detector"]
    return Slice(
        number,
        beta,
        alpha=normalise(forth) | polynomial(forth["alpha"]),
        wavelength=normalise(forth) | polynomial(forth["wavelength"]),
        x=normalise(back) | polynomial(back["x"]),
        y=normalise(back) | polynomial(back["y"]),
    )


def _make_channel(name: str, spec: Spec) -> Channel:
    first, step = spec["beta_zero"], spec["beta_step"]
    low, high = spec["wavelengths_um"]
    return Channel(
        name,
        (low, high),
        first,
        step,
        spec["half_length"],
        make_field(spec["to_v2v3"]),
        tuple(
            _make_slice(100 * int(name) + index + 1, first + index * step, each)
            for index, each in enumerate(spec["slices"])
        ),
    )


@cache
def load_bands() -> Mapping[str, Band]:
    """Read the compact model that comes with this package, by name of the band."""
    text = files(__package__).joinpath("mrs_geometry.json").read_text("utf-8")
    bands: dict[str, Any] = json.loads(text)["bands"]
    return {
        name: Band(name, (_make_channel("1", spec["1"]), _make_channel("2", spec["2"])))
        for name, spec in bands.items()
    }


def _find_edge(one: Slice, channel: Channel, alpha: float) -> NDArray[np.float64]:
    """Return the column of one end of a slice in every row."""
    wavelength = np.linspace(*channel.wavelengths_um, _STEPS)
    places = np.full_like(wavelength, alpha)
    x, y = one.x(wavelength, places), one.y(wavelength, places)
    order = np.argsort(y)
    return np.asarray(np.interp(np.arange(MIRI_FULL.rows), y[order], x[order]))


def map_slices(band: Band) -> SliceMap:
    """Return the number of the slice of every pixel, 0 between the slices."""
    numbers = np.zeros(MIRI_FULL.shape, np.int16)
    column = np.arange(MIRI_FULL.columns)
    inside = np.zeros(MIRI_FULL.shape, bool)
    inside[MIRI_FULL.inside] = True
    for channel in band.channels:
        for one in channel.slices:
            ends = [
                _find_edge(one, channel, sign * channel.half_length)[:, None]
                for sign in (-1, 1)
            ]
            lit = (column >= np.minimum(*ends)) & (column <= np.maximum(*ends))
            numbers[lit & inside] = one.number
    return numbers
