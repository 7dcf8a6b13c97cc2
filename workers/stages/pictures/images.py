"""Pictures of the detector, and of slits over wavelength."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ...errors import PictureError
from ...pictures_contract import PictureKind
from .canvas import (
    ORANGE,
    VERMILION,
    Drawing,
    Pixels,
    get_finite,
    paint_image,
    render,
    write_number,
)
from .reading import DO_NOT_USE, Plane, Spectra

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Slit", "draw_detector", "draw_slit", "find_slit", "label_wavelengths"]

_MOST_PIXELS: Final = 700
"""Pixels of the longer side of a detector as it is drawn."""

_BINS: Final = 24
"""Along a spectrum, in each of which the trace is looked for."""


def draw_detector(plane: Plane) -> Drawing:
    """Draw an image of the detector, with the pixels that are not to be used.

    Raises
    ------
    PictureError
        It is no image, or has no value at all.
    """
    if plane.data.ndim != 2:
        raise PictureError(f"an image of {plane.data.ndim} dimensions is not drawn")
    finite = get_finite(plane.data)
    if not finite.size:
        raise PictureError("no pixel of the image has a value")
    rows, columns = plane.data.shape
    unit = str(plane.header.get("BUNIT", ""))
    flags = plane.dq if plane.dq is not None else np.zeros(plane.data.shape, np.uint32)
    unusable = float(np.mean((flags & DO_NOT_USE) > 0))
    height_in = 6.2 if rows > columns / 3 else 2.6
    title = f"{plane.header.get('DETECTOR', 'detector')}: count rate"
    return Drawing(
        PictureKind.IMAGE,
        plane.part,
        title,
        f"The image of the detector {plane.header.get('DETECTOR', '')}, {columns} x "
        f"{rows} pixels, median {write_number(float(np.median(finite)))} {unit}, 99th "
        f"percentile {write_number(float(np.percentile(finite, 99)))} {unit}; "
        f"{100 * unusable:.1f} % of the pixels are not to be used (marked), and "
        f"{100 * (1 - finite.size / plane.data.size):.1f} % have no value (grey).",
        render(
            partial(_paint_detector, plane=plane, flags=flags, unit=unit, title=title),
            width_in=7.4,
            height_in=height_in,
        ),
    )


def _paint_detector(
    figure: Figure, *, plane: Plane, flags: NDArray[np.uint32], unit: str, title: str
) -> None:
    axes = figure.add_subplot()
    step = -(-max(plane.data.shape) // _MOST_PIXELS)
    rows, columns = plane.data.shape
    paint_image(figure, axes, _bin(plane.data, step), unit=unit, aspect="equal")
    bad = _bin(((flags & DO_NOT_USE) > 0).astype(np.float32), step) > 0.5
    extent = (0.5, columns + 0.5, 0.5, rows + 0.5)
    axes.images[0].set_extent(extent)
    axes.imshow(
        np.ma.masked_equal(bad, 0),
        origin="lower",
        extent=extent,
        cmap=ListedColormap([VERMILION]),
        alpha=0.55,
    )
    axes.set(xlabel="column (pixel)", ylabel="row (pixel)")
    axes.set_title(f"{title}; not to be used: red", loc="left")


def _bin(image: Pixels, step: int) -> Pixels:
    """Average squares of pixels, leaving out what has no value."""
    if step <= 1:
        return image
    rows, columns = (size // step for size in image.shape)
    cut = image[: rows * step, : columns * step].reshape(rows, step, columns, step)
    there = np.isfinite(cut)
    total = np.where(there, cut, 0).sum(axis=(1, 3), dtype=float)
    count = there.sum(axis=(1, 3))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


class Slit:
    """The image of a slit, turned so that the wavelength runs along its rows.

    Parameters
    ----------
    plane
        As it was read.
    """

    def __init__(self, plane: Plane) -> None:
        is_vertical = plane.header.get("DISPAXIS") == 2
        self.plane = plane
        self.is_vertical = is_vertical
        self.data = plane.data.T if is_vertical else plane.data
        waves = plane.wavelength_um
        self.wavelength_um = (
            None if waves is None else _along(waves.T if is_vertical else waves)
        )

    @property
    def brightness(self) -> float:
        """How bright it is, of the slits of a product."""
        finite = get_finite(self.data)
        return float(np.percentile(finite, 95)) if finite.size else -np.inf

    def find_aperture(self, spectra: Sequence[Spectra]) -> tuple[float, float] | None:
        """Find the rows that its spectrum was extracted from, counted from 0.

        Both ends are edges; None if it is not known which rows these are.
        """
        keys = (
            ("EXTRXSTR", "EXTRXSTP") if self.is_vertical else ("EXTRYSTR", "EXTRYSTP")
        )
        names = ("SLITID", "SOURCEID", "SLTNAME")
        same = [
            one
            for one in spectra
            if len(spectra) == 1
            or any(
                self.plane.header.get(name) is not None
                and self.plane.header.get(name) == one.header.get(name)
                for name in names
            )
        ]
        if not same or any(key not in same[0].header for key in keys):
            return None
        first, last = (float(same[0].header[key]) for key in keys)
        return first - 1.5, last - 0.5


def _along(waves: Pixels) -> Pixels | None:
    """Return the wavelength of each column, if it grows or falls along all of them."""
    turned = np.where(waves > 0, waves, np.nan).astype(float)
    there = np.isfinite(turned)
    if not there.any():
        return None
    total = np.where(there, turned, 0).sum(axis=0)
    row = np.where(there.any(axis=0), total / np.maximum(there.sum(axis=0), 1), np.nan)
    columns = np.arange(row.size)
    known = np.isfinite(row)
    full = np.interp(columns, columns[known], row[known])
    steps = np.diff(full[known])
    is_monotonic = steps.size > 0 and bool((steps > 0).all() or (steps < 0).all())
    return full if is_monotonic else None


def find_slit(plane: Plane) -> Slit:
    """Take a plane for the image of a slit.

    Raises
    ------
    PictureError
        It is none, or it has no value at all.
    """
    if plane.data.ndim != 2:
        raise PictureError(f"an image of {plane.data.ndim} dimensions is not drawn")
    if not np.isfinite(plane.data).any():
        raise PictureError(f"no pixel of {plane.part or 'the image'} has a value")
    return Slit(plane)


def draw_slit(slit: Slit, spectra: Sequence[Spectra]) -> Drawing:
    """Draw the image of a slit over wavelength, with the trace and what is extracted.

    Parameters
    ----------
    spectra
        Those that were extracted of the product, if they are there.
    """
    header = slit.plane.header
    unit = str(header.get("BUNIT", ""))
    trace = _find_trace(slit.data)
    aperture = slit.find_aperture(spectra)
    shutters = str(header.get("SHUTSTA", "")).strip()
    title = _name_slit(slit.plane, shutters)
    return Drawing(
        PictureKind.SPECTRUM_2D,
        slit.plane.part,
        title,
        " ".join(_describe_slit(slit, unit, aperture, trace, shutters)),
        render(
            partial(
                _paint_slit,
                slit=slit,
                unit=unit,
                trace=trace,
                aperture=aperture,
                title=title,
            ),
            height_in=2.5,
        ),
    )


def _name_slit(plane: Plane, shutters: str) -> str:
    said = f"2-D spectrum{', ' + plane.part if plane.part else ''}"
    return f"{said}, shutters {shutters}" if shutters else said


def _describe_slit(
    slit: Slit,
    unit: str,
    aperture: tuple[float, float] | None,
    trace: tuple[Pixels, Pixels],
    shutters: str,
) -> list[str]:
    rows, columns = slit.data.shape
    waves, finite = slit.wavelength_um, get_finite(slit.data)
    span = (
        f"from {waves.min():.3f} to {waves.max():.3f} um"
        if waves is not None
        else "of unknown wavelengths"
    )
    size = f"{columns} pixels {span} and {rows} across"
    middle, most = (write_number(float(x)) for x in (np.median(finite), finite.max()))
    said = [f"The image of the slit, {size}, median {middle} {unit}, brightest {most}."]
    if aperture is not None:
        low, high = (edge + 1 for edge in aperture)
        said.append(f"The spectrum is extracted from rows {low:.1f} to {high:.1f}.")
    if trace[0].size:
        said.append(f"The light is centred on row {1 + np.median(trace[1]):.1f}.")
    if shutters:
        said.append(f"Shutters of the slitlet: {shutters} (x holds the source).")
    return said


def _find_trace(image: Pixels) -> tuple[Pixels, Pixels]:
    """Find columns and rows of the light, where one part of the rows stands out."""
    rows = np.arange(image.shape[0], dtype=float)
    found: list[tuple[float, float]] = []
    for part in np.array_split(np.arange(image.shape[1]), _BINS):
        block = image[:, part]
        there = np.isfinite(block)
        if part.size == 0 or there.mean() < 0.3:
            continue
        count = np.maximum(there.sum(axis=1), 1)
        profile = np.where(there, block, 0).sum(axis=1) / count
        above = profile - np.median(profile[there.any(axis=1)])
        noise = 1.4826 * float(np.median(np.abs(above)))
        peak = int(np.argmax(above))
        if above[peak] <= 5 * noise:
            continue
        near = slice(max(0, peak - 2), peak + 3)
        weight = np.clip(above[near], 0, None)
        centre = float((rows[near] * weight).sum() / weight.sum())
        found.append((float(part.mean()), centre))
    columns, centres = zip(*found, strict=True) if found else ((), ())
    return np.array(columns), np.array(centres)


def _paint_slit(
    figure: Figure,
    *,
    slit: Slit,
    unit: str,
    trace: tuple[Pixels, Pixels],
    aperture: tuple[float, float] | None,
    title: str,
) -> None:
    axes = figure.add_subplot()
    paint_image(figure, axes, slit.data, unit=unit)
    for edge in aperture or ():
        axes.axhline(edge, color=ORANGE, lw=1.2, ls="--")
    axes.plot(*trace, ".", color=VERMILION, ms=4)
    label_wavelengths(axes, slit.wavelength_um)
    axes.set_ylabel("across (pixel)")
    marks = ["dashes: extracted"] if aperture else []
    marks += ["dots: trace"] if trace[0].size else []
    axes.set_title("; ".join([title, *marks]), loc="left")


def label_wavelengths(axes: "Axes", waves: Pixels | None, unit: str = "um") -> None:
    """Label columns by their wavelengths, which need not be evenly spaced."""
    if waves is None:
        axes.set_xlabel("along (pixel)")
        return
    low, high = float(waves.min()), float(waves.max())
    wanted = [x for x in MaxNLocator(9).tick_values(low, high) if low <= x <= high]
    order = np.argsort(waves)
    columns = np.interp(wanted, waves[order], order.astype(float))
    if waves[-1] < waves[0]:
        axes.invert_xaxis()
    axes.set_xticks(columns, [f"{x:g}" for x in np.round(wanted, 6)])
    axes.set_xlabel(f"wavelength ({unit})")
