"""Pictures as bytes: the same numbers give the same bytes on each machine.

No state of matplotlib is used but its defaults: neither a ``matplotlibrc``, nor fonts
of the machine, nor a date in the file. Colours are those of Okabe and Ito, and maps
that everybody can read (cividis).
"""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from ...pictures_contract import PictureKind, SpectrumNumbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "BLACK",
    "BLUE",
    "GREY",
    "MAP",
    "ORANGE",
    "VERMILION",
    "Drawing",
    "Pixels",
    "Raster",
    "get_finite",
    "paint_image",
    "render",
    "stretch",
    "write_number",
]

Pixels = NDArray[np.floating[Any]]
"""An array of numbers, some of which may be NaN."""

BLUE: Final = "#0072B2"
ORANGE: Final = "#E69F00"
VERMILION: Final = "#D55E00"
GREY: Final = "#8a8a8a"
BLACK: Final = "#000000"

MAP: Final = "cividis"
"""Colours of images; read alike with every kind of colour vision."""

_DPI: Final = 100

_COLOURS: Final = 96
"""Of a picture; more of them make it larger, and nobody sees them."""

_STYLE: Final[dict[Any, Any]] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.linewidth": 0.8,
    "axes.formatter.use_mathtext": False,
    "figure.constrained_layout.use": True,
    "image.interpolation": "nearest",
    "legend.fontsize": 8.0,
    "legend.frameon": False,
    "text.parse_math": False,  # names of targets are text, whatever is in them
}


@dataclass(frozen=True, slots=True)
class Raster:
    """A picture as a file."""

    png: bytes
    """The file."""
    width: int
    """In pixels."""
    height: int
    """In pixels."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture with what is said of it."""

    kind: PictureKind
    """What it shows."""
    part: str
    """Of what in the product."""
    title: str
    """What is seen, in a few words."""
    alt: str
    """In sentences, with numbers."""
    raster: Raster
    """The picture."""
    numbers: SpectrumNumbers | None = None
    """Those of a spectrum."""


def render(
    paint: Callable[[Figure], object], *, width_in: float = 8.0, height_in: float = 3.4
) -> Raster:
    """Render what `paint` puts into a figure."""
    with _plain_style():
        figure = Figure(figsize=(width_in, height_in), dpi=_DPI, facecolor="white")
        canvas = FigureCanvasAgg(figure)
        paint(figure)
        canvas.draw()  # type: ignore[no-untyped-call]  # as matplotlib has it
        drawn: Any = canvas.buffer_rgba()  # type: ignore[no-untyped-call]  # likewise
        pixels = np.asarray(drawn)[..., :3]
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    fewer = picture.quantize(_COLOURS, dither=Image.Dither.NONE)
    stream = io.BytesIO()
    fewer.save(stream, "PNG", optimize=True)
    return Raster(stream.getvalue(), *picture.size)


@contextmanager
def _plain_style() -> Iterator[None]:
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def get_finite(values: Pixels) -> Pixels:
    """Return the finite ones of values, in one row."""
    found: Pixels = values[np.isfinite(values)]
    return found


def stretch(values: Pixels, *, keep_peak: bool = False) -> tuple[float, float]:
    """Return the darkest and brightest value that an image shows, by ZScale.

    Parameters
    ----------
    keep_peak
        Whether the brightest is near the peak: of few pixels that are bright.
    """
    from astropy.visualization import ZScaleInterval  # takes a while

    finite = get_finite(values)
    if not finite.size:
        return 0.0, 1.0
    low, high = map(float, ZScaleInterval().get_limits(finite))
    if keep_peak:
        high = max(high, float(np.percentile(finite, 99.8)))
    return (low, high) if high > low else (low, low + 1.0)


def paint_image(
    figure: Figure,
    axes: "Axes",
    image: Pixels,
    *,
    unit: str,
    keep_peak: bool = False,
    aspect: str = "auto",
) -> None:
    """Paint an image, grey where it has no value, with a bar that says the unit."""
    low, high = stretch(image, keep_peak=keep_peak)
    shown = axes.imshow(
        np.ma.masked_invalid(image),
        origin="lower",
        aspect="equal" if aspect == "equal" else "auto",
        cmap=_get_map(),
        vmin=low,
        vmax=high,
    )
    figure.colorbar(shown, ax=axes, label=unit, pad=0.01, fraction=0.04)


def _get_map() -> Colormap:
    return mpl.colormaps[MAP].with_extremes(bad="#c8c8c8")


def write_number(value: float) -> str:
    """Write a number for a sentence."""
    return f"{value:.3g}"
