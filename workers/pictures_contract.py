"""Pictures of a product, as they are asked for and kept: a manifest beside the files.

    pictures/<ab>/<fingerprint>/<product>.json              the manifest
    pictures/<ab>/<fingerprint>/<product>.<key>-<n>.png     a picture
    pictures/<ab>/<fingerprint>/<product>.<key>-<n>.json    the numbers of a spectrum

``<key>`` is that of the bytes of the product and of `DRAWING_VERSION`, so that no
picture is ever written in the place of another one. Like `contract` it needs the
standard library alone.
"""

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

__all__ = [
    "DRAWING_VERSION",
    "DrawRequest",
    "DrawnProduct",
    "Picture",
    "PictureKind",
    "SpectrumNumbers",
    "is_drawn",
    "name_pictures",
]

DRAWING_VERSION: Final = 1
"""Version of the drawing code; a change lets every picture be drawn anew."""

_DRAWN: Final = frozenset(
    {"rate", "calints", "s2d", "s3d", "x1d", "x1dints", "c1d", "whtlt"}
)
"""Suffixes of products that there are pictures of."""


class PictureKind(StrEnum):
    """What a picture shows."""

    IMAGE = "image"
    """The detector, with pixels that are not to be used."""
    SPECTRUM_2D = "spectrum-2d"
    """The image of a slit over wavelength, with what is extracted of it."""
    CUBE = "cube"
    """A cube at its brightest line: the slice, and the line alone."""
    SPECTRUM = "spectrum"
    """An extracted spectrum with its errors; of a time series the median."""
    SERIES = "series"
    """All spectra of a time series, relative to their median."""
    LIGHT_CURVE = "light-curve"
    """The white light curve of a time series."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a product, or of a part of it."""

    file: str
    """Bare name of the PNG file, beside the manifest."""
    kind: PictureKind
    """What it shows."""
    part: str
    """Of what in the product: slit, source, detector; empty of all of it."""
    title: str
    """What is seen, in a few words."""
    alt: str
    """What is seen, in sentences with numbers, for who cannot see it."""
    width: int
    """In pixels."""
    height: int
    """In pixels."""
    numbers: str = ""
    """Bare name of the file of its `SpectrumNumbers`; empty of what is no spectrum."""


@dataclass(frozen=True, slots=True)
class SpectrumNumbers:
    """The numbers of a spectrum, of one length each; None where they are not finite."""

    wavelength: tuple[float | None, ...]
    """In `wavelength_unit`."""
    flux: tuple[float | None, ...]
    """In `flux_unit`."""
    error: tuple[float | None, ...]
    """Likewise."""
    dq: tuple[int, ...]
    """Data quality flags of JWST."""
    wavelength_unit: str
    """As in FITS."""
    flux_unit: str
    """Likewise."""


@dataclass(frozen=True, slots=True)
class DrawnProduct:
    """The manifest of the pictures of a product."""

    product: str
    """Name of the file."""
    sha256: str
    """Hash of its bytes."""
    version: int
    """`DRAWING_VERSION` of the code that drew it."""
    pictures: tuple[Picture, ...] = ()
    """Its pictures, of bright parts first."""
    notes: tuple[str, ...] = ()
    """What could not be drawn, or was left out, and why."""


@dataclass(frozen=True, slots=True)
class DrawRequest:
    """A product of which pictures are wanted."""

    path: Path
    """The product."""
    sha256: str
    """Hash of its bytes."""
    manifest: Path
    """Where the manifest is to be."""
    beside: tuple[Path, ...] = field(default=())
    """Products that tell more of it: the spectra of an image."""


def is_drawn(product: str) -> bool:
    """Return whether there are pictures of products of such a name."""
    return product.partition(".")[0].rpartition("_")[2] in _DRAWN


def name_pictures(product: str, sha256: str) -> str:
    """Return how the names of all pictures of these bytes begin."""
    key = hashlib.sha256(f"{sha256} {DRAWING_VERSION}".encode()).hexdigest()[:12]
    return f"{product}.{key}"
