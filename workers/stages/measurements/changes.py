"""How spectra, cubes and light curves differ from those before.

What is compared is what the products say: nothing is smoothed, clipped or scaled. Only
where grids of wavelengths differ is the second interpolated to the first.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from scipy.signal import find_peaks

from ...change_contract import (
    COMPARED,
    Band,
    FileChange,
    LineChange,
    SpectrumChange,
)
from ...errors import MeasurementError
from .products import Curve, Image, Product, Spectrum
from .robust import Flags, Values, running_median, sigma_of, windowed_centroid
from .spectra import find_noise, measure_line

__all__ = ["Samples", "compare_files", "compare_samples"]

_BRIGHT = 3.0
"""Errors above zero from which a ratio tells more than noise."""

_FEWEST = 10
"""Samples that a ratio is taken of."""

_BANDS = 20
"""Into which wavelengths are parted."""

_LINES = 10
"""That are followed at most."""

_LINE_WIDTH = 51
"""Pixels of which the median is the continuum, where lines are searched."""

_LINE_SIGMAS = 10.0
"""From which a peak is a line whose place can be compared."""

_LINE_APART = 10
"""Pixels between two of them."""

_ROUNDING = 1e-4
"""Of the highest peak, below which nothing is a line."""

_SKY: Final = ("NAXIS1", "NAXIS2", "CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2", "CDELT1")
"""What places a cube on the sky."""

_MEDIAN_ERROR = 1.2533
"""Standard error of a median, over that of a mean of normal values."""

_SOURCE_WIDTH = 1.5
"""Width in pixels of the window in which a source is centred."""

_SOURCE_SIGMAS = 10.0
"""From which the brightest place of a white image is a source."""

_AROUND = 1
"""Pixels around the brightest one of which the spectrum of a cube is."""

_SAME_GRID: Final = 1e-9
"""Relative difference of wavelengths that is rounding."""

_MAKING: Final = frozenset({"CAL_VER", "CRDS_CTX"})
_MAKING_OF: Final = ("R_", "S_")
"""Keywords, and how others begin, that say how a product was made."""

_ARCSEC_PER_DEGREE = 3600.0


@dataclass(frozen=True, slots=True)
class Samples:
    """A spectrum, or anything else that is sampled along one axis."""

    x_um: Values | None
    """Wavelengths in um; None of a light curve."""
    flux: Values
    """By sample."""
    error: Values
    """Likewise; NaN where there is none."""
    is_bad: Flags
    """Samples that are DO_NOT_USE or not finite."""


def compare_files(before: Path, after: Path) -> FileChange:
    """Compare the spectra of two products of one kind, part by part.

    Raises
    ------
    MeasurementError
        They are of no kind that holds spectra, or of two.
    ProductError
        One of them cannot be read.
    """
    first, second = Product(before), Product(after)
    if first.suffix != second.suffix or first.suffix not in COMPARED:
        raise MeasurementError(
            f"expected two products of one of the kinds {', '.join(sorted(COMPARED))}; "
            f"got {before.name} and {after.name}"
        )
    ours, theirs = _list_parts(first), _list_parts(second)
    both = [name for name in ours if name in theirs]
    return FileChange(
        tuple(_compare_parts(name, ours[name], theirs[name]) for name in both),
        {
            "before": tuple(name for name in ours if name not in theirs),
            "after": tuple(name for name in theirs if name not in ours),
        },
        tuple(_compare_headers(first.header, second.header)),
    )


def _compare_headers(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[str]:
    for keyword in sorted({*before, *after}):
        if keyword in _MAKING or keyword.startswith(_MAKING_OF):
            one, other = (each.get(keyword, "nothing") for each in (before, after))
            if one != other:
                yield f"{keyword} {one} -> {other}"


class _Cube:
    """A cube with the wavelengths of its planes."""

    def __init__(self, image: Image, planes_um: Values) -> None:
        self.name = image.name
        self.image = image
        self._planes_um = planes_um
        self._is_seen = (
            np.isfinite(image.data).any(axis=0)
            if image.seen is None
            else image.seen.any(axis=0)
        )

    @property
    def arcsec(self) -> float:
        """The size of a spaxel."""
        return abs(float(self.image.header["CDELT1"])) * _ARCSEC_PER_DEGREE

    def find_peak(self) -> tuple[Values, bool]:
        """Find the brightest place (y, x) of the white image, and if it is a source."""
        data = self.image.data
        white = np.nanmedian(np.where(np.isfinite(data), data, 0), axis=0)
        if self._is_seen.any():
            white = white - np.median(white[self._is_seen])
        start = np.unravel_index(int(np.argmax(white)), white.shape)
        place = np.array(start, dtype=float)
        noise = float(sigma_of(white[self._is_seen])) if self._is_seen.any() else 0.0
        if not white[start] > _SOURCE_SIGMAS * noise:
            return place, False
        try:
            return windowed_centroid(white, [*place], _SOURCE_WIDTH), True
        except MeasurementError:
            return place, False

    def take_spectrum(self, place: Values) -> Samples:
        """Return the mean spectrum of the spaxels around a place (y, x)."""
        ys, xs = (
            slice(max(round(at) - _AROUND, 0), round(at) + _AROUND + 1) for at in place
        )
        box = (slice(None), ys, xs)
        flux = self.image.data[box].mean(axis=(1, 2))
        count = self.image.data[box][0].size
        error = np.sqrt((self.image.error[box] ** 2).sum(axis=(1, 2))) / count
        return Samples(self._planes_um, flux, error, ~np.isfinite(flux))

    def list_voxels(self) -> Samples:
        """List the voxels of all spaxels that the instrument sees."""
        data, error = (
            values[:, self._is_seen] for values in (self.image.data, self.image.error)
        )
        bad = ~self.image.usable[:, self._is_seen] | ~np.isfinite(data)
        planes = np.broadcast_to(self._planes_um[:, None], data.shape)
        return Samples(planes.ravel(), data.ravel(), error.ravel(), bad.ravel())


_Part = Spectrum | Curve | _Cube


def _list_parts(product: Product) -> Mapping[str, _Part]:
    parts: Iterable[_Part]
    if product.suffix == "whtlt":
        parts = product.curves
    elif product.suffix == "s3d":
        parts = [_Cube(image, product.planes_um) for image in product.images]
    else:
        parts = product.spectra
    return {part.name: part for part in parts}


def _compare_parts(name: str, before: _Part, after: _Part) -> SpectrumChange:
    if isinstance(before, _Cube) and isinstance(after, _Cube):
        return _compare_cubes(name, before, after)
    assert not isinstance(before, _Cube)
    assert not isinstance(after, _Cube)
    return compare_samples(name, _to_samples(before), _to_samples(after))


def _to_samples(part: Spectrum | Curve) -> Samples:
    if isinstance(part, Curve):
        nothing = np.full_like(part.flux, np.nan)
        return Samples(None, part.flux, nothing, ~np.isfinite(part.flux))
    seen = part.seen
    bad = part.is_bad | ~np.isfinite(part.flux)
    error = np.nanmedian(np.where(np.isfinite(part.errors), part.errors, 0), axis=0)
    return Samples(part.wavelength_um[seen], part.flux[seen], error[seen], bad[seen])


def compare_samples(
    part: str, before: Samples, after: Samples, unit: str = "Jy"
) -> SpectrumChange:
    """Compare two spectra, or light curves.

    Parameters
    ----------
    part
        What it is called.
    unit
        Of the fluxes.
    """
    change = _compare_values(part, before, after, unit)
    return replace(
        change,
        noise=(_find_noise(before.flux), _find_noise(after.flux)),
        lines=tuple(_follow_lines(before, after)),
    )


def _compare_values(
    part: str, before: Samples, after: Samples, unit: str
) -> SpectrumChange:
    """Compare sample by sample, in whatever order they are."""
    grids = _compare_grids(before, after)
    there = _put_on(before, after) if grids else after
    with np.errstate(invalid="ignore", divide="ignore"):
        is_bright = before.flux > _BRIGHT * np.nan_to_num(before.error)
        is_bright &= np.isfinite(there.flux)
    ratios = there.flux[is_bright] / before.flux[is_bright]
    ratio, error, scatter = _summarize(ratios)
    largest, place = _find_largest(before, there)
    x = before.x_um
    return SpectrumChange(
        part=part,
        unit=unit,
        samples=int(is_bright.sum()),
        ratio=ratio,
        ratio_error=error,
        ratio_scatter=scatter,
        bands=() if x is None else tuple(_part_in_bands(x[is_bright], ratios)),
        largest_errors=largest,
        largest_um=place,
        flux=(_median(before.flux), _median(after.flux)),
        error=(_median(before.error), _median(after.error)),
        bad=(_share(before.is_bad), _share(after.is_bad)),
        first_um=(_find(np.min, before), _find(np.min, after)),
        last_um=(_find(np.max, before), _find(np.max, after)),
        grids=grids,
    )


def _compare_cubes(part: str, before: _Cube, after: _Cube) -> SpectrumChange:
    """Compare voxels if grids are equal, and spectra of the brightest place."""
    unit = str(before.image.header.get("BUNIT", ""))
    (old, was_source), (new, is_source) = before.find_peak(), after.find_peak()
    shape = compare_samples(
        part, before.take_spectrum(old), after.take_spectrum(new), unit
    )
    first, second = before.list_voxels(), after.list_voxels()
    grids = _compare_grids(first, second) or _compare_places(before, after)
    if grids:
        return replace(
            shape,
            flux=(_median(first.flux), _median(second.flux)),
            error=(_median(first.error), _median(second.error)),
            bad=(_share(first.is_bad), _share(second.is_bad)),
            grids=grids,
        )
    whole = _compare_values(part, first, second, unit)
    moved = None
    if was_source and is_source:
        moved = float(np.hypot(*(new - old))) * before.arcsec
    return replace(whole, noise=shape.noise, lines=shape.lines, moved_arcsec=moved)


def _compare_places(before: _Cube, after: _Cube) -> str:
    """Say how the grids of two cubes on the sky differ, if they do."""
    differ = [
        f"{key} {one!r} -> {other!r}"
        for key in _SKY
        for one, other in [(before.image.header.get(key), after.image.header.get(key))]
        if one != other
    ]
    return ", ".join(differ)


def _compare_grids(before: Samples, after: Samples) -> str:
    """Say how two grids of samples differ, if they do."""
    if before.flux.shape != after.flux.shape:
        return f"{before.flux.size} -> {after.flux.size} samples"
    if before.x_um is None or after.x_um is None:
        return ""
    gap = np.abs(after.x_um - before.x_um) / before.x_um
    if np.all(gap <= _SAME_GRID):
        return ""
    return f"wavelengths differ by up to {gap.max():.3g} relatively"


def _put_on(before: Samples, after: Samples) -> Samples:
    """Interpolate the second to the first; NaN beyond its ends, and of curves."""
    nothing = np.full_like(before.flux, np.nan)
    if before.x_um is None or after.x_um is None:
        return replace(before, flux=nothing)
    order = np.argsort(after.x_um)
    flux = np.interp(
        before.x_um,
        after.x_um[order],
        after.flux[order],
        left=np.nan,
        right=np.nan,
    )
    return replace(before, flux=flux)


def _summarize(ratios: Values) -> tuple[float | None, float | None, float | None]:
    """Return the median of ratios, its standard error, and their scatter."""
    if ratios.size < _FEWEST:
        return None, None, None
    scatter = float(sigma_of(ratios))
    error = _MEDIAN_ERROR * scatter / np.sqrt(ratios.size)
    return float(np.median(ratios)), float(error), scatter


def _part_in_bands(x_um: Values, ratios: Values) -> Iterator[Band]:
    """Take ratios in bands of equally many samples."""
    order = np.argsort(x_um, kind="stable")
    count = min(_BANDS, ratios.size // _FEWEST)
    for part in np.array_split(order, count) if count else ():
        ratio, error, _ = _summarize(ratios[part])
        if ratio is not None and error is not None:
            first, last = float(x_um[part[0]]), float(x_um[part[-1]])
            yield Band(first, last, ratio, error)


def _find_largest(before: Samples, after: Samples) -> tuple[float | None, float | None]:
    """Find the largest difference in errors of the first, and where it is."""
    with np.errstate(invalid="ignore", divide="ignore"):
        errors = np.abs(after.flux - before.flux) / before.error
    errors[~np.isfinite(errors)] = -1.0
    if not errors.size or errors.max() < 0:
        return None, None
    index = int(np.argmax(errors))
    place = None if before.x_um is None else float(before.x_um[index])
    return float(errors[index]), place


def _follow_lines(before: Samples, after: Samples) -> Iterator[LineChange]:
    """Compare where the strongest lines of the first are, in both."""
    if before.x_um is None or after.x_um is None:
        return
    for line_um in _find_lines(before):
        try:
            (v1, p1), (v2, p2) = (
                (one.value for one in measure_line(each.x_um, each.flux, line_um))
                for each in (before, after)
                if each.x_um is not None
            )
        except MeasurementError:
            continue  # it is too near an end, or not in both
        yield LineChange(float(line_um), float(p2 - p1), float(v2 - v1))


def _find_lines(samples: Samples) -> Values:
    """Find where the strongest peaks and dips above the continuum are."""
    assert samples.x_um is not None
    rest = samples.flux - running_median(samples.flux, _LINE_WIDTH, axis=0)
    seen = np.isfinite(rest)
    if seen.sum() < _LINE_WIDTH:
        return np.array([])
    height = np.abs(np.where(seen, rest, 0.0))
    # Of noise that is zero nothing stands out: rounding is no line.
    least = max(float(sigma_of(rest)), _ROUNDING * float(np.nanmax(np.abs(rest))))
    peaks, _ = find_peaks(height, height=_LINE_SIGMAS * least, distance=_LINE_APART)
    strongest = sorted(peaks, key=lambda peak: -height[peak])[:_LINES]
    return np.asarray(samples.x_um[np.sort(np.array(strongest, dtype=int))])


def _find_noise(flux: Values) -> float | None:
    """Return the noise of a spectrum in its unit, if it has enough samples."""
    try:
        return find_noise(flux).value
    except MeasurementError:
        return None


def _median(values: Values) -> float | None:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else None


def _share(flags: Flags) -> float | None:
    return float(flags.mean()) if flags.size else None


def _find(which: Callable[[Values], Any], samples: Samples) -> float | None:
    """Return an end of the wavelengths."""
    if samples.x_um is None or not samples.x_um.size:
        return None
    return float(which(samples.x_um))
