"""Pictures of extracted spectra, with their numbers, and of light curves."""

from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ...errors import PictureError
from ...pictures_contract import PictureKind, SpectrumNumbers
from .canvas import (
    BLUE,
    GREY,
    ORANGE,
    VERMILION,
    Drawing,
    Pixels,
    get_finite,
    paint_image,
    render,
    write_number,
)
from .images import label_wavelengths
from .reading import DO_NOT_USE, Curve, Spectra, median_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_curve", "draw_series", "draw_spectrum", "get_brightness"]

_MOST_ROWS: Final = 400
"""Integrations of a time series as they are drawn."""


def get_brightness(spectra: Spectra) -> float:
    """Return how bright a spectrum is, of those of a product."""
    finite = get_finite(spectra.fluxes)
    return float(np.median(finite)) if finite.size else -np.inf


def draw_spectrum(spectra: Spectra) -> Drawing:
    """Draw a spectrum with its errors, of a time series the median and the scatter.

    Raises
    ------
    PictureError
        It has no value at all.
    """
    flux, error = _summarize(spectra)
    flagged = (spectra.dq & DO_NOT_USE) > 0
    good = np.isfinite(flux) & (spectra.wavelength > 0)
    if not good.any():
        raise PictureError(f"{spectra.part or 'the spectrum'} has no value")
    numbers = SpectrumNumbers(
        wavelength=_to_numbers(spectra.wavelength),
        flux=_to_numbers(flux),
        error=_to_numbers(error),
        dq=tuple(map(int, spectra.dq)),
        wavelength_unit=spectra.wavelength_unit,
        flux_unit=spectra.flux_unit,
    )
    what = f"median of {len(spectra.fluxes)} integrations"
    title = ", ".join(
        filter(None, (what if spectra.is_series else "spectrum", spectra.part))
    )
    paint = partial(
        _paint_spectrum,
        spectra=spectra,
        flux=np.where(good, flux, np.nan),
        error=error,
        flagged=flagged,
        title=title,
    )
    alt = _describe(spectra, flux[good], error[good], flagged)
    raster = render(paint, height_in=3.2)
    return Drawing(PictureKind.SPECTRUM, spectra.part, title, alt, raster, numbers)


def _summarize(spectra: Spectra) -> tuple[Pixels, Pixels]:
    """Return flux and error; of a time series the median, and the scatter about it."""
    if not spectra.is_series:
        return spectra.fluxes[0], spectra.errors[0]
    flux = median_of(spectra.fluxes)
    return flux, 1.4826 * median_of(np.abs(spectra.fluxes - flux))


def _to_numbers(values: Pixels) -> tuple[float | None, ...]:
    """Keep seven digits, which is what 32 bits hold."""
    return tuple(
        float(f"{value:.7g}") if np.isfinite(value) else None for value in values
    )


def _describe(
    spectra: Spectra, flux: Pixels, error: Pixels, flagged: NDArray[np.bool_]
) -> str:
    unit = spectra.flux_unit
    waves = spectra.wavelength[spectra.wavelength > 0]
    errors = get_finite(error[error > 0])
    noise = "of unknown error"
    if errors.size:
        ratio = float(np.median(np.abs(flux))) / float(np.median(errors))
        what = "scatter of the integrations" if spectra.is_series else "error"
        noise = f"{write_number(ratio)} times the median {what}"
    count = int(flagged.sum())
    bad = f"{count} pixels are not to be used (marked below)." if count else ""
    told = (
        f"A spectrum of {spectra.wavelength.size} pixels from {waves.min():.4f} to "
        f"{waves.max():.4f} {spectra.wavelength_unit}. Its median flux is "
        f"{write_number(float(np.median(flux)))} {unit}, {noise}; its largest is "
        f"{write_number(float(flux.max()))} {unit}. {bad}"
    )
    return told.strip()


def _paint_spectrum(
    figure: Figure,
    *,
    spectra: Spectra,
    flux: Pixels,
    error: Pixels,
    flagged: NDArray[np.bool_],
    title: str,
) -> None:
    axes = figure.add_subplot()
    waves = np.where(spectra.wavelength > 0, spectra.wavelength, np.nan)
    spread = np.nan_to_num(error)
    axes.fill_between(
        waves, flux - spread, flux + spread, color=ORANGE, alpha=0.45, lw=0
    )
    axes.plot(waves, flux, color=BLUE, lw=0.9)
    axes.plot(
        waves[flagged],
        np.full(int(flagged.sum()), 0.02),
        "|",
        color=VERMILION,
        ms=7,
        transform=axes.get_xaxis_transform(),
    )
    _limit(axes, flux)
    axes.set_xlabel(f"wavelength ({spectra.wavelength_unit})")
    axes.set_ylabel(f"flux ({spectra.flux_unit})")
    band = "scatter" if spectra.is_series else "error"
    marks = "; red: not to be used" if flagged.any() else ""
    axes.set_title(f"{title}; band: {band}{marks}", loc="left")
    axes.grid(visible=True, color=GREY, alpha=0.25, lw=0.5)


def _limit(axes: "Axes", values: Pixels) -> None:
    """Let single wild values not hide the rest; lines are wider than a pixel."""
    finite = get_finite(values)
    windows = np.stack([np.roll(finite, shift) for shift in (-1, 0, 1)])
    smooth = np.median(windows, axis=0)
    low, high = float(smooth.min()), float(smooth.max())
    margin = 0.12 * (high - low) or abs(high) or 1.0
    axes.set_ylim(low - margin, high + margin)


def draw_series(spectra: Spectra) -> Drawing:
    """Draw all spectra of a time series, relative to their median.

    Raises
    ------
    PictureError
        They have no value at all.
    """
    middle = median_of(spectra.fluxes)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(middle > 0, spectra.fluxes / middle, np.nan)
    finite = get_finite(ratio)
    if not finite.size:
        raise PictureError("the time series has no value")
    step = -(-len(ratio) // _MOST_ROWS)
    binned = np.stack(
        [median_of(ratio[n : n + step]) for n in range(0, len(ratio), step)]
    )
    title = f"time series{', ' + spectra.part if spectra.part else ''}"
    low, high = np.percentile(finite, [5, 95])
    return Drawing(
        PictureKind.SERIES,
        spectra.part,
        title,
        f"{len(ratio)} spectra of a time series, each relative to the median of all; "
        f"90 % of the values are between {low:.4f} and {high:.4f}.",
        render(partial(_paint_series, spectra=spectra, ratio=binned, title=title)),
    )


def _paint_series(
    figure: Figure, *, spectra: Spectra, ratio: Pixels, title: str
) -> None:
    axes = figure.add_subplot()
    paint_image(figure, axes, ratio, unit="flux / median")
    axes.images[0].set_extent(
        (-0.5, ratio.shape[1] - 0.5, 0.5, len(spectra.fluxes) + 0.5)
    )
    label_wavelengths(axes, spectra.wavelength, spectra.wavelength_unit)
    axes.set_ylabel("integration")
    axes.set_title(title, loc="left")


def draw_curve(curve: Curve) -> Drawing:
    """Draw a white light curve, relative to its median.

    Raises
    ------
    PictureError
        It has no value at all.
    """
    good = np.isfinite(curve.flux) & np.isfinite(curve.time_d)
    if not good.any():
        raise PictureError("the light curve has no value")
    flux, time_d = curve.flux[good], curve.time_d[good]
    middle = float(np.median(flux))
    steps = np.diff(flux / middle) if middle else np.zeros(1)
    scatter = 1.4826 * float(np.median(np.abs(steps))) / 2**0.5 if steps.size else 0.0
    title = f"white light curve{', ' + curve.part if curve.part else ''}"
    return Drawing(
        PictureKind.LIGHT_CURVE,
        curve.part,
        title,
        f"A white light curve of {flux.size} integrations in "
        f"{24 * float(np.ptp(time_d)):.3f} h. The median is {write_number(middle)} "
        f"{curve.unit}, the range {write_number(float(flux.min() / middle))} to "
        f"{write_number(float(flux.max() / middle))} of it, and neighbours scatter by "
        f"{1e6 * scatter:.0f} ppm.",
        render(
            partial(_paint_curve, time_d=time_d, flux=flux / middle, title=title),
            height_in=3.0,
        ),
    )


def _paint_curve(figure: Figure, *, time_d: Pixels, flux: Pixels, title: str) -> None:
    axes = figure.add_subplot()
    start = float(time_d.min())
    axes.plot(24 * (time_d - start), flux, ".", color=BLUE, ms=3.5)
    axes.set_xlabel(f"time since MJD {start:.5f} UTC (h)")
    axes.set_ylabel("flux / median")
    axes.set_title(title, loc="left")
    axes.grid(visible=True, color=GREY, alpha=0.25, lw=0.5)
