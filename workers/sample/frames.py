"""The detector as a sample reads it out: subarrays, timing, bias, and its flaws."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BIAS_DN",
    "DETECTORS",
    "FULL",
    "MIRI_FULL",
    "READ_NOISE_DN",
    "SATURATION_DN",
    "SLITLESSPRISM",
    "SUB512",
    "SUB2048",
    "SUBS200A1",
    "Detector",
    "Flaws",
    "Image",
    "SliceMap",
    "Subarray",
    "bias_image",
    "make_flaws",
]

Image = NDArray[np.float32]
"""A picture of the subarray."""
SliceMap = NDArray[np.int16]
"""The slice that each pixel belongs to, or 0."""

BIAS_DN = 10_000.0
"""Mean level of the first read."""
READ_NOISE_DN = 8.0
"""Noise of one read; the gain is one electron per DN."""
SATURATION_DN = 60_000.0
"""Level at which a pixel counts as saturated."""
_HOT_DN_PER_S = 2000.0
_WARM_DN_PER_S = 5.0


@dataclass(frozen=True, slots=True)
class Detector:
    """How a detector is read out, in the frame of the science files."""

    instrument: str
    """Instrument that it is part of."""
    pattern: str
    """Readout pattern of the samples."""
    number: int
    """Number of the sensor chip assembly."""
    fast_axis: int
    """Axis along which pixels follow each other; negative if backwards."""
    slow_axis: int
    """The other one."""


DETECTORS = {
    "NRS1": Detector("NIRSPEC", "NRSRAPID", 491, 2, 1),
    "NRS2": Detector("NIRSPEC", "NRSRAPID", 492, -2, -1),
    "MIRIFUSHORT": Detector("MIRI", "FASTR1", 495, 1, 2),
    "MIRIMAGE": Detector("MIRI", "FASTR1", 493, 1, 2),
}
"""The detectors by name."""


@dataclass(frozen=True, slots=True)
class Subarray:
    """The part of a detector that is read out, in pixels counted from 1."""

    name: str
    """Name of the subarray."""
    x: int
    """First column."""
    y: int
    """First row."""
    columns: int
    """Number of columns."""
    rows: int
    """Number of rows."""
    outputs: int
    """Amplifiers in use."""
    frame_s: float
    """Time of one read."""
    border: int
    """Width of the frame of reference pixels."""
    sides_only: bool = False
    """Whether that frame is at the left and the right alone."""
    left_only: bool = False
    """Whether it is at the left alone."""

    @property
    def inside(self) -> tuple[slice, slice]:
        """Rows and columns that see light."""
        rows = 0 if self.sides_only or self.left_only else self.border
        right = 0 if self.left_only else self.border
        columns = slice(self.border, self.columns - right)
        return slice(rows, self.rows - rows), columns

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns, as numpy counts."""
        return self.rows, self.columns


FULL = Subarray("FULL", 1, 1, 2048, 2048, 4, 10.73676, 4)
"""The whole of a detector of NIRSpec."""
SUB512 = Subarray("SUB512", 1025, 957, 512, 32, 1, 0.22560, 0)
"""Around the spectrum of the slit S1600A1."""
SUB2048 = Subarray("SUB2048", 1, 968, 2048, 32, 1, 0.90156, 4, sides_only=True)
"""Around the spectrum of the same slit by a grating, of both detectors."""
SUBS200A1 = Subarray("SUBS200A1", 1, 1053, 2048, 64, 1, 1.55840, 0)
"""Around the spectrum of the slit S200A1."""
MIRI_FULL = Subarray("FULL", 1, 1, 1032, 1024, 5, 2.77504, 4, sides_only=True)
"""The whole of a detector of MIRI."""
SLITLESSPRISM = Subarray(
    "SLITLESSPRISM", 1, 529, 72, 416, 4, 0.15904, 4, left_only=True
)
"""Around the spectrum of the LRS without slit."""


@dataclass(frozen=True, slots=True)
class Flaws:
    """Pixels with too much dark current, at the same place in every exposure."""

    hot: NDArray[np.int64]
    """Row and column of pixels that saturate."""
    warm: NDArray[np.int64]
    """Row and column of pixels that could pass for a faint line."""

    def dark_current(
        self, shape: tuple[int, int], warm_levels: NDArray[np.float64] | float = 1.0
    ) -> Image:
        """Return the dark current in DN/s; warm pixels may have levels of their own."""
        image = np.zeros(shape, np.float32)
        image[tuple(self.warm.T)] = _WARM_DN_PER_S * warm_levels
        image[tuple(self.hot.T)] = _HOT_DN_PER_S
        return image


def make_flaws(subarray: Subarray, *, hot: int, warm: int, seed: int) -> Flaws:
    """Choose the flawed pixels.

    Parameters
    ----------
    subarray
        Where; reference pixels are spared.
    hot
        How many saturate.
    warm
        How many are warm.
    seed
        Seed of the choice.
    """
    numbers = np.arange(subarray.rows * subarray.columns).reshape(subarray.shape)
    inside = numbers[subarray.inside].ravel()
    chosen = np.random.default_rng(seed).choice(inside, hot + warm, replace=False)
    places = np.stack(np.unravel_index(chosen, subarray.shape), axis=-1)
    return Flaws(hot=places[:hot], warm=places[hot:])


def bias_image(subarray: Subarray) -> Image:
    """Return the level of the first read: waves along x, as a superbias has."""
    column = np.arange(subarray.columns, dtype=np.float32)
    return np.tile(np.float32(BIAS_DN) + 200 * np.sin(column / 40), (subarray.rows, 1))
