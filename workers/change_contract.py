"""What a comparison of spectra before and after passes between the planes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["COMPARED", "Band", "FileChange", "LineChange", "Pair", "SpectrumChange"]

COMPARED: Final = frozenset({"c1d", "s3d", "whtlt", "x1d", "x1dints"})
"""Suffixes of products that hold spectra, cubes or light curves."""

Pair = tuple[float | None, float | None]
"""A number before and after; None where there is none."""


@dataclass(frozen=True, slots=True)
class Band:
    """Wavelengths over which a ratio was taken."""

    first_um: float
    """The shortest."""
    last_um: float
    """The longest."""
    ratio: float
    """Median of after / before."""
    ratio_error: float
    """Its standard error, from the scatter of the ratios."""


@dataclass(frozen=True, slots=True)
class LineChange:
    """An emission or absorption line that both spectra have."""

    line_um: float
    """Where it is in the first."""
    shift_pixels: float
    """How far to the red it is in the second, in pixels of the spectrum."""
    shift_km_s: float
    """Likewise, as a velocity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpectrumChange:
    """How a spectrum, a cube or a light curve differs from the one before."""

    part: str
    """Which one of the file: its slit or detector; empty if it is alone."""
    unit: str
    """Of flux, error and noise: ``Jy``; ``MJy/sr`` of cubes."""
    samples: int
    """Wavelengths, voxels or integrations that are at least 3 errors bright before and
    finite after: the ratio is that of these."""
    ratio: float | None
    """Median of after / before; None where too few samples are bright."""
    ratio_error: float | None
    """Its standard error, from the scatter of the ratios."""
    ratio_scatter: float | None
    """Scatter of the ratios: 1.4826 times their median absolute deviation."""
    bands: tuple[Band, ...] = ()
    """The ratio over wavelength."""
    largest_errors: float | None = None
    """Largest difference, in errors of the first; None where there are no errors."""
    largest_um: float | None = None
    """Wavelength of that difference."""
    flux: Pair = (None, None)
    """Median of what is finite."""
    error: Pair = (None, None)
    """Median of the errors that the products give."""
    noise: Pair = (None, None)
    """Noise between samples two apart (DER_SNR, Stoehr et al. 2008); of a cube at its
    brightest place."""
    bad: Pair = (None, None)
    """Share of samples that are DO_NOT_USE or not finite."""
    first_um: Pair = (None, None)
    """The shortest wavelength."""
    last_um: Pair = (None, None)
    """The longest."""
    grids: str = ""
    """How the grids of samples differ; then the second is compared as it is where
    linear interpolation puts it on the first. Empty if they are equal."""
    lines: tuple[LineChange, ...] = ()
    """The strongest lines."""
    moved_arcsec: float | None = None
    """How far the brightest source of a cube has moved; None of other products."""

    @property
    def size(self) -> float:
        """How much it changed, to sort by: the largest of all relative changes.

        Of the flux at any wavelength, of the noise, of the share of bad samples, of a
        line in pixels and of a source in arcsec.
        """
        ratios = [self.ratio, *(band.ratio for band in self.bands)]
        before, after = self.noise
        if before and after:
            ratios.append(after / before)
        changes = [abs(ratio - 1) for ratio in ratios if ratio is not None]
        was, is_now = self.bad
        if was is not None and is_now is not None:
            changes.append(abs(is_now - was))
        changes += [abs(line.shift_pixels) for line in self.lines]
        return max((*changes, abs(self.moved_arcsec or 0.0)))


@dataclass(frozen=True, slots=True)
class FileChange:
    """How the spectra of a product differ from those of the one before."""

    spectra: tuple[SpectrumChange, ...]
    """Those that both have."""
    only: Mapping[str, tuple[str, ...]]
    """Parts that only one has, as ``before`` and ``after``."""
    headers: tuple[str, ...]
    """How the headers say that they were made otherwise: version of jwst, context,
    references and steps."""
