"""Pictures of cubes: the slice at the brightest line, and the line alone."""

from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure

from ...errors import PictureError
from ...pictures_contract import PictureKind
from .canvas import Drawing, Pixels, get_finite, paint_image, render, write_number
from .reading import Plane, median_of

__all__ = ["draw_cube", "find_line"]

_BESIDE: Final = (4, 10)
"""How many slices away, at least and at most, the continuum of a line is taken."""


@dataclass(frozen=True, slots=True)
class _Maps:
    """What is drawn of a cube."""

    wavelength_um: float
    """Of the slice."""
    slice: Pixels
    """The slice."""
    line: Pixels
    """The slice, less the slices beside it."""


def draw_cube(plane: Plane) -> Drawing:
    """Draw a cube at the wavelength at which a line is brightest.

    Raises
    ------
    PictureError
        It is no cube with world coordinates, or has no value at all.
    """
    from astropy.wcs import WCS, FITSFixedWarning  # takes a while

    if plane.data.ndim != 3:
        raise PictureError(f"a cube of {plane.data.ndim} dimensions is not drawn")
    index = find_line(plane.data)
    sky = _read_sky(WCS, plane, FITSFixedWarning)
    maps = _make_maps(plane, index)
    unit = str(plane.header.get("BUNIT", ""))
    peak = np.unravel_index(
        np.argmax(np.nan_to_num(maps.slice, nan=-np.inf)), maps.slice.shape
    )
    where = sky.pixel_to_world(int(peak[1]), int(peak[0]))
    count, rows, columns = plane.data.shape
    return Drawing(
        PictureKind.CUBE,
        plane.part,
        f"slice and line map at {maps.wavelength_um:.4f} um",
        f"A cube of {columns} x {rows} spaxels and {count} wavelengths. Left: the "
        f"slice at {maps.wavelength_um:.4f} um, where a line is brightest; its peak is "
        f"{write_number(float(get_finite(maps.slice).max()))} {unit} at RA "
        f"{where.ra.deg:.6f}, Dec {where.dec.deg:.6f} degrees (ICRS). Right: the line "
        "alone, less the wavelengths beside it; its peak is "
        f"{write_number(float(get_finite(maps.line).max()))} {unit}.",
        render(partial(_paint, sky=sky, maps=maps, unit=unit), height_in=3.9),
    )


def find_line(cube: Pixels) -> int:
    """Find the slice whose bright spaxels exceed those of the slices beside it most.

    Raises
    ------
    PictureError
        No spaxel has a value.
    """
    values = [get_finite(image) for image in cube]
    found = [float(np.percentile(one, 99)) if one.size else np.nan for one in values]
    spectrum = np.array(found)
    if not np.isfinite(spectrum).any():
        raise PictureError("no spaxel of the cube has a value")
    spectrum = np.where(np.isfinite(spectrum), spectrum, np.nanmin(spectrum))
    excess = spectrum - _take_continuum(spectrum)
    margin = min(len(spectrum) // 50, 20)  # the first and last slices are noisy
    excess[:margin] = excess[len(excess) - margin :] = -np.inf
    return int(np.argmax(excess))


def _take_continuum(spectrum: Pixels) -> Pixels:
    from scipy.ndimage import median_filter  # takes a while

    taken: Pixels = median_filter(spectrum, size=2 * _BESIDE[1] + 1, mode="nearest")
    return taken


def _make_maps(plane: Plane, index: int) -> _Maps:
    cube = plane.data
    steps = np.abs(np.arange(len(cube)) - index)
    beside = cube[(steps >= _BESIDE[0]) & (steps <= _BESIDE[1])]
    line = cube[index] - median_of(beside) if len(beside) else cube[index]
    if not get_finite(line).size or not get_finite(cube[index]).size:
        raise PictureError("no spaxel has a value where the line is brightest")
    return _Maps(_find_wavelength(plane, index), cube[index], line)


def _find_wavelength(plane: Plane, index: int) -> float:
    """Return the wavelength of a slice in um; the axis is linear, or says so itself."""
    if plane.wavelength_um is not None and plane.wavelength_um.ndim == 1:
        return float(plane.wavelength_um[index])
    header = plane.header
    step = float(header.get("CDELT3", 1.0)) * float(header.get("PC3_3", 1.0) or 1.0)
    first, at = float(header.get("CRVAL3", 0.0)), float(header.get("CRPIX3", 1.0))
    return first + (index + 1 - at) * step


def _read_sky(make: Any, plane: Plane, ignored: type[Warning]) -> Any:
    """Read the world coordinates of the spaxels."""
    import warnings

    if "CTYPE1" not in plane.header:
        raise PictureError("the cube has no world coordinates")
    header = plane.astropy_header
    for card in [card for card in header if card.startswith(("PS3_", "PV3_"))]:
        del header[card]  # the table of wavelengths, which is another extension
    header["CTYPE3"] = "WAVE"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ignored)
        return make(header).celestial


def _paint(figure: Figure, *, sky: Any, maps: _Maps, unit: str) -> None:
    figure.set_layout_engine("none")  # it does not know of world coordinates
    panels = (
        (maps.slice, f"slice at {maps.wavelength_um:.4f} um"),
        (maps.line, "line alone"),
    )
    for number, (image, title) in enumerate(panels):
        place = (0.09 + 0.48 * number, 0.13, 0.33, 0.79)
        axes: Any = figure.add_axes(place, projection=sky)  # of astropy
        paint_image(figure, axes, image, unit=unit, keep_peak=True, aspect="equal")
        axes.set_title(title, loc="left")
        for coordinate, name in zip(axes.coords, ("RA", "Dec"), strict=True):
            coordinate.set_major_formatter("d.dddd")
            coordinate.set_ticks(number=3)
            coordinate.set_ticklabel(exclude_overlapping=True, size=7)
            coordinate.set_axislabel(f"{name} (deg, ICRS)", minpad=0.8)
        if number:
            axes.coords[1].set_axislabel(" ")
