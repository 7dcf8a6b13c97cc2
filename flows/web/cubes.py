"""Cubes: pictures of their wavelengths, and spectra of their spaxels."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..errors import MissingPartError
from ..reports.curves import Curve, opened, to_curve

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Cube", "describe_cube", "draw_slice", "read_spaxel"]

_WIDTH: Final = 480
"""Pixels of a screen that a picture has at least half of, across."""

_MOST_READ: Final = 50_000_000
"""Voxels of a cube that is read through for a page."""

_LIMITS: Final = (1.0, 99.5)
"""Percentiles of a picture that are its darkest and its brightest colour."""


@dataclass(frozen=True, slots=True)
class Cube:
    """What a cube is like."""

    planes: int
    """Wavelengths."""
    rows: int
    """Rows of a picture."""
    columns: int
    """Columns of a picture."""
    waves: tuple[float, ...]
    """The wavelengths."""
    wave_unit: str
    """Their unit."""
    unit: str
    """Unit of the values."""
    brightest: int
    """The wavelength, from 0, of the largest mean."""

    @property
    def scale(self) -> int:
        """Pixels of a screen that a spaxel is shown with, across."""
        return max(1, min(24, _WIDTH // self.columns))


def describe_cube(path: Path) -> Cube:
    """Say what a cube is like.

    Raises
    ------
    ProductFileError
        It cannot be read.
    """
    with opened(path) as file:
        science = file["SCI"]
        planes, rows, columns = science.shape
        return Cube(
            *(planes, rows, columns),
            waves=tuple(map(float, _read_waves(file, planes))),
            wave_unit=science.header.get("CUNIT3", "um").strip() or "um",
            unit=science.header.get("BUNIT", "no unit"),
            brightest=_find_brightest(science),
        )


def _find_brightest(science: Any) -> int:
    """Find the brightest wavelength; the middle one of a cube that is large."""
    import numpy as np

    planes, rows, columns = science.shape
    if planes * rows * columns > _MOST_READ:
        return int(planes // 2)
    step = max(1, int((rows * columns / 400) ** 0.5))
    sample = np.array(science.data[:, ::step, ::step], dtype=float)
    sample = np.nan_to_num(sample, nan=0.0, posinf=0.0, neginf=0.0)
    return int(np.argmax(sample.reshape(planes, -1).mean(axis=1)))


def _read_waves(file: Any, planes: int) -> "np.ndarray":
    import numpy as np

    header = file["SCI"].header
    if header.get("CTYPE3", "").strip() == "WAVE-TAB" and "WCS-TABLE" in file:
        table = file["WCS-TABLE"].data
        return np.asarray(table[table.names[0]], float).ravel()[:planes]
    first = np.arange(planes) + 1 - header["CRPIX3"]
    step = header.get("CDELT3", header.get("CD3_3"))
    return np.asarray(header["CRVAL3"] + first * step, float)


def draw_slice(path: Path, plane: int) -> bytes:
    """Draw one wavelength of a cube as PNG, a pixel a spaxel.

    Raises
    ------
    MissingPartError
        There is no such wavelength.
    ProductFileError
        The file cannot be read.
    """
    import numpy as np
    from matplotlib.image import imsave

    with opened(path) as file:
        science = file["SCI"]
        if not 0 <= plane < science.shape[0]:
            raise MissingPartError(f"{path.name} has no plane {plane}.")
        image = np.array(science.section[plane], dtype=float)
    finite = image[np.isfinite(image)]
    low, high = np.percentile(finite, _LIMITS) if finite.size else (0.0, 1.0)
    stream = BytesIO()
    image = np.where(np.isfinite(image), image, np.nan)
    high = high if high > low else low + 1.0
    imsave(stream, image, vmin=low, vmax=high, origin="lower", format="png")
    return stream.getvalue()


def read_spaxel(path: Path, column: int, row: int) -> Curve:
    """Read the spectrum of a spaxel, counted from 0.

    Raises
    ------
    MissingPartError
        There is no such spaxel.
    ProductFileError
        The file cannot be read.
    """
    import numpy as np

    with opened(path) as file:
        science = file["SCI"]
        planes, rows, columns = science.shape
        if not (0 <= column < columns and 0 <= row < rows):
            raise MissingPartError(f"{path.name} has no spaxel {column}, {row}.")
        wave_unit = science.header.get("CUNIT3", "um").strip() or "um"
        unit = science.header.get("BUNIT", "no unit")
        error = None
        if "ERR" in file and file["ERR"].shape == science.shape:
            error = np.array(file["ERR"].section[:, row, column], dtype=float)
        return to_curve(
            f"spaxel {column}, {row}",
            _read_waves(file, planes),
            np.array(science.section[:, row, column], dtype=float),
            error,
            x_label=f"wavelength ({wave_unit})",
            y_label=f"surface brightness ({unit})",
        )
