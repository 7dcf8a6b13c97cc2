"""Raw exposures as the proposer and the observatory would describe them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .frames import DETECTORS, Subarray
from .scene import Position

__all__ = ["Aperture", "RawExposure", "Segment", "Target", "point", "split"]


@dataclass(frozen=True, slots=True)
class Target:
    """What an exposure points at, as its proposer says."""

    name: str
    """Name of the target."""
    position: Position
    """Where it is."""
    source_type: str
    """POINT or EXTENDED."""


@dataclass(frozen=True, slots=True)
class Aperture:
    """A part of the field, from the SIAF (PRDOPSSOC-075)."""

    name: str
    """Name in the SIAF."""
    v2: float
    """Reference point, arcsec."""
    v3: float
    """Reference point, arcsec."""
    angle_deg: float
    """V3 axis to ideal y axis."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a long exposure that is a file of its own."""

    number: int
    """Counted from 1."""
    total: int
    """How many the exposure has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawExposure:
    """One raw file, as its proposer and the observatory would describe it."""

    program: str
    """Program, five digits."""
    observation: str = "001"
    """Observation, three digits."""
    activity: str
    """Visit group, sequence and activity: ``02101``."""
    number: int = 1
    """Number of the exposure in its activity."""
    exp_type: str
    """Exposure type."""
    template: str
    """Template of the observation."""
    target: Target
    """What the telescope points at."""
    aperture: Aperture
    """Where in the field it is put."""
    subarray: Subarray
    """Pixels that are read."""
    groups: int
    """Reads of an integration."""
    integrations: int = 1
    """Integrations of this file."""
    start_s: float
    """Seconds since the epoch of the samples."""
    offset_arcsec: tuple[float, float] = (0.0, 0.0)
    """East and north of the target."""
    dither_arcsec: tuple[float, float] | None = None
    """Where that puts the target in the ideal frame of the aperture, if headers say
    so; else they say how far east and north."""
    is_imprint: bool = False
    """Whether light came through the closed shutters alone."""
    is_background: bool = False
    """Whether the target is empty sky."""
    is_time_series: bool = False
    """Whether this is a time series."""
    dither: tuple[str, int, int] = ("NONE", 1, 1)
    """Pattern, number and count of positions."""
    slit: str | None = None
    """Fixed slit."""
    metafile: str | None = None
    """File that says which shutters are open."""
    nod: str | None = None
    """Nod type."""
    detector: str = "NRS1"
    """Detector."""
    segment: Segment | None = None
    """Which part of the exposure, if it has parts."""
    optics: tuple[str, str] = ("CLEAR", "PRISM")
    """Filter and disperser of NIRSpec."""
    band: str | None = None
    """Setting of the MRS gratings."""
    filter: str | None = None
    """Filter, or prism, of the imager of MIRI."""

    @property
    def instrument(self) -> str:
        """Instrument of the detector."""
        return DETECTORS[self.detector].instrument

    @property
    def visit(self) -> str:
        """Program, observation and visit."""
        return f"{self.program}{self.observation}001"

    @property
    def stem(self) -> str:
        """File name without suffix."""
        part = f"-seg{self.segment.number:03d}" if self.segment else ""
        detector = self.detector.lower()
        return f"jw{self.visit}_{self.activity}_{self.number:05d}{part}_{detector}"

    @property
    def pointing(self) -> Position:
        """Where the reference point of the aperture looks."""
        return self.target.position.shifted(*self.offset_arcsec)

    @property
    def integration_s(self) -> float:
        """Time of one integration."""
        return self.groups * self.subarray.frame_s

    @property
    def total_integrations(self) -> int:
        """Integrations of the exposure with all its segments."""
        return self.integrations * (self.segment.total if self.segment else 1)

    @property
    def first_integration(self) -> int:
        """Number of the first integration of this file."""
        before = self.segment.number - 1 if self.segment else 0
        return 1 + before * self.integrations

    @property
    def integration_starts_s(self) -> NDArray[np.float64]:
        """Seconds since the epoch of the samples at which each integration begins."""
        before = self.first_integration - 1 + np.arange(self.integrations)
        # A frame passes between integrations, with the reset.
        cadence_s = self.integration_s + self.subarray.frame_s
        return np.asarray(self.start_s + before * cadence_s, np.float64)

    @property
    def duration_s(self) -> float:
        """Time from the first reset to the last read of all segments."""
        return self.total_integrations * (self.integration_s + self.subarray.frame_s)


def point(
    first: RawExposure, offsets_arcsec: Sequence[tuple[float, float]], pattern: str
) -> list[RawExposure]:
    """Repeat an exposure every ten minutes, each time with another pointing.

    Parameters
    ----------
    offsets_arcsec
        East and north of the target.
    pattern
        Name of the dither pattern.
    """
    return [
        replace(
            first,
            number=number,
            offset_arcsec=offset,
            dither=(pattern, number, len(offsets_arcsec)),
            start_s=first.start_s + 600 * number,
        )
        for number, offset in enumerate(offsets_arcsec, start=1)
    ]


def split(raw: RawExposure, segments: int) -> list[RawExposure]:
    """List the files of an exposure that has several, all as long as this one."""
    return [
        replace(raw, segment=Segment(number, segments))
        for number in range(1, segments + 1)
    ]
