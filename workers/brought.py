"""Files that users bring: whether the steps of `jwst` can use them as they are.

The pipeline takes what it is given: it subtracts a spectrum in other units, takes 0
for the background where a spectrum ends, and lets one NaN spread to its neighbours.
"""

import json
import math
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import asdf
import numpy as np
from astropy.io import fits
from stdatamodels.jwst import datamodels

from .contract import BACKGROUND_SPECTRUM, BAD_PIXELS, EXTRACT1D, BroughtReport
from .errors import BroughtError
from .outside import read_outside
from .transfer.fits_checks import inspect_fits

__all__ = ["check_brought"]

_MOST_BYTES: Final = 1 << 20
"""Size that no table of apertures reaches."""

_SPECTRA: Final = frozenset({"EXTRACT1D", "COMBINE1D"})
"""Extensions of spectra in products x1d and c1d."""

_UNITS: Final[Mapping[str, frozenset[str]]] = {
    "WAVELENGTH": frozenset({"um", "micron"}),
    "SURF_BRIGHT": frozenset({"MJy/sr", "MJy / sr"}),
}
"""What `master_background` takes the columns for (jwst 3.0.0, ``expand_to_2d``)."""

_JWST_UM: Final = (0.5, 30.0)
"""Wavelengths of JWST, in um: from below NIRCam to above the MRS (JDox)."""

_SUBTRACTED: Final = ("S_BKDSUB", "S_MSBSUB")
"""Steps that subtract a background; where a member of spec3 records one of them,
`master_background` subtracts nothing (jwst 3.0.0)."""

_DO_NOT_USE: Final = 1
"""The flag of a pixel that is not used (JDox, Data Quality Flags)."""

_MOST_FLAGS: Final = 1 << 32
"""Flags are bits of an unsigned integer of 32 bits."""

_LARGEST: Final = (2048, 2048)
"""Rows and columns of the largest detector."""

_LIMITS: Final = ("xstart", "xstop", "ystart", "ystop", "extract_width")
"""Numbers of an aperture in pixels."""

_PROFILES: Final = ("wavelength", "radius", "inner_bkg", "outer_bkg")
"""What an aperture of a cube is by wavelength, in um and arcsec."""


def check_brought(path: Path) -> BroughtReport:
    """Find out what a file is, and whether the pipeline can use it.

    Raises
    ------
    BroughtError
        It cannot; the message says what was expected, and what to do.
    OSError
        It cannot be read.
    """
    with path.open("rb") as stream:
        start = stream.read(9)
    if start.startswith(b"SIMPLE  ="):
        return _check_fits(path)
    if start.startswith(b"#ASDF"):
        return _check_profiles(path)
    return _check_apertures(path)


def _check_fits(path: Path) -> BroughtReport:
    if defect := inspect_fits(path).defect:
        raise BroughtError(f"expected a whole FITS file; {defect}")
    with fits.open(path, memmap=False) as hdus:
        names = [hdu.name for hdu in hdus if hdu.name in _SPECTRA]
        if not names:
            return _check_mask(hdus)
        if len(names) > 1:
            raise BroughtError(
                f"expected one spectrum, got {len(names)} ({', '.join(names)}); the "
                "pipeline would take the first: keep one of them"
            )
        report = _check_spectrum(hdus[names[0]], hdus[0].header)
    _refuse_unreadable(path)
    return report


def _check_spectrum(hdu: Any, primary: Mapping[str, Any]) -> BroughtReport:
    """Check a 1-D background as `master_background` uses it."""
    for name, units in _UNITS.items():
        if name not in hdu.columns.names:
            raise BroughtError(f"the spectrum has no column {name}")
        if (unit := hdu.columns[name].unit) not in units:
            raise BroughtError(
                f"expected {name} in {min(units, key=len)}, got {unit or 'no unit'}"
            )
    done = [name for name in _SUBTRACTED if primary.get(name) == "COMPLETE"]
    if done:
        raise BroughtError(
            f"expected a spectrum of the background, but its own was subtracted from "
            f"it ({', '.join(done)} COMPLETE): extract one without that step"
        )
    wavelength = np.asarray(hdu.data["WAVELENGTH"], np.float64)
    bright = np.asarray(hdu.data["SURF_BRIGHT"], np.float64)
    if wavelength.ndim != 1:
        raise BroughtError(
            f"expected one spectrum, got a table of {len(wavelength)} of them"
        )
    _check_wavelengths(wavelength)
    low, high = float(wavelength[0]), float(wavelength[-1])
    if low < _JWST_UM[0] or high > _JWST_UM[1]:
        raise BroughtError(
            f"expected wavelengths from {_JWST_UM[0]:g} to {_JWST_UM[1]:g} um, got "
            f"{low:g} to {high:g}"
        )
    if wrong := np.count_nonzero(~np.isfinite(bright)):
        first = wavelength[np.argmax(~np.isfinite(bright))]
        raise BroughtError(
            f"SURF_BRIGHT is not finite in {wrong} of {len(bright)} rows, first at "
            f"{first:.6g} um, and would spread to pixels beside them: leave out these "
            "rows, or fill them"
        )
    if not np.any(bright):
        raise BroughtError(
            "SURF_BRIGHT is 0 everywhere: extract the background as an EXTENDED source"
        )
    about = f"{len(wavelength)} rows, {low:.4g} to {high:.4g} um, MJy/sr"
    return BroughtReport(BACKGROUND_SPECTRUM, about, span_um=(low, high))


def _check_wavelengths(wavelength: Any) -> None:
    if len(wavelength) < 2:
        raise BroughtError(f"expected a spectrum, got {len(wavelength)} rows")
    if not np.all(np.isfinite(wavelength)):
        raise BroughtError("WAVELENGTH is not finite everywhere")
    if not np.all(np.diff(wavelength) > 0):
        row = int(np.argmax(np.diff(wavelength) <= 0)) + 2
        raise BroughtError(
            f"expected WAVELENGTH to increase, but it does not in row {row}: sort the "
            "rows, and keep one of those that are alike"
        )


def _refuse_unreadable(path: Path) -> None:
    """Read a spectrum as the step does, which goes by DATAMODL."""
    try:
        with _open_quietly(path) as model:
            spec = model.spec[0] if hasattr(model, "spec") else model
            columns = spec.spec_table.dtype.names
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise BroughtError(
            "the step master_background cannot read it: expected DATAMODL "
            f"MultiSpecModel or CombinedSpecModel in the primary header ({error})"
        ) from error
    if not {"WAVELENGTH", "SURF_BRIGHT"} <= {name.upper() for name in columns}:
        raise BroughtError("the step master_background finds no spectrum in it")


def _open_quietly(path: Path) -> Any:
    """Open a model, without a word if it is of no known type: that shows soon."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return datamodels.open(path)


def _check_mask(hdus: Any) -> BroughtReport:
    """Check flags of pixels as `dq_init` uses them: those of the first image."""
    images = [hdu for hdu in hdus[:2] if hdu.data is not None]
    if not images or not hdus[0].is_image or not images[0].is_image:
        raise BroughtError(
            "expected a spectrum (EXTRACT1D or COMBINE1D), or a mask of bad pixels in "
            "the primary or the first extension"
        )
    flags = images[0].data
    rows, columns = flags.shape if flags.ndim == 2 else (0, 0)
    if not (0 < rows <= _LARGEST[0] and 0 < columns <= _LARGEST[1]):
        raise BroughtError(
            f"expected a mask of rows and columns of a detector, got the shape "
            f"{flags.shape}"
        )
    if flags.dtype.kind not in "iu" or np.any((flags < 0) | (flags >= _MOST_FLAGS)):
        raise BroughtError(
            f"expected flags of pixels, integers below 2**32, got {flags.dtype} from "
            f"{flags.min()} to {flags.max()}"
        )
    bad = int(np.count_nonzero(flags & _DO_NOT_USE))
    if bad in {0, flags.size}:
        raise BroughtError(
            f"the mask flags {'no pixel' if bad == 0 else 'every pixel'} as DO_NOT_USE "
            "(1): bad pixels are odd, good ones 0"
        )
    about = f"{columns} x {rows} pixels, {bad} DO_NOT_USE"
    return BroughtReport(BAD_PIXELS, about, shape=(rows, columns))


def _check_profiles(path: Path) -> BroughtReport:
    """Check apertures of cubes as `extract_1d` reads them (``ifu.py``)."""
    try:
        with asdf.open(path, memmap=False, lazy_load=False) as file:
            lines = {name: np.array(file.tree["data"][name]) for name in _PROFILES}
            for name in ("subtract_background", "method", "subpixels"):
                file.tree["meta"][name]
        with datamodels.Extract1dIFUModel(path) as model:
            model.data  # noqa: B018  # read by the schema, as the step does
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BroughtError(
            "expected an extract1d reference of cubes, in ASDF, but it has no, or a "
            f"wrong, {str(error).splitlines()[0]}"
        ) from error
    if len({line.shape for line in lines.values()}) > 1 or lines["radius"].ndim != 1:
        raise BroughtError(f"expected {', '.join(_PROFILES)} of one length each")
    if not all(np.all(np.isfinite(line)) for line in lines.values()):
        raise BroughtError(f"expected finite numbers in {', '.join(_PROFILES)}")
    _check_wavelengths(lines["wavelength"])
    radius = lines["radius"]
    if np.any(radius <= 0) or np.any(lines["inner_bkg"] > lines["outer_bkg"]):
        raise BroughtError(
            "expected radii above 0, and inner_bkg below outer_bkg, in arcsec"
        )
    span = f"{radius.min():.3g} to {radius.max():.3g} arcsec"
    about = f"apertures of cubes, radius {span}"
    return BroughtReport(EXTRACT1D, about)


def _check_apertures(path: Path) -> BroughtReport:
    """Check apertures of slits as `extract_1d` reads them (``extract.py``)."""
    try:
        tree = json.loads(read_outside(path, most_bytes=_MOST_BYTES))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BroughtError(
            "expected FITS (a background spectrum, or a mask of bad pixels), or an "
            f"extract1d reference in JSON or ASDF; it is neither ({error})"
        ) from error
    apertures = tree.get("apertures") if isinstance(tree, dict) else None
    if not isinstance(apertures, list) or not apertures:
        raise BroughtError("expected an extract1d reference: a list of `apertures`")
    for number, aperture in enumerate(apertures, 1):
        for problem in _find_problems(aperture):
            raise BroughtError(f"aperture {number}: {problem}")
    names = dict.fromkeys(aperture["id"] for aperture in apertures)
    return BroughtReport(EXTRACT1D, f"apertures of {', '.join(names)}")


def _find_problems(aperture: Any) -> Iterator[str]:
    if not isinstance(aperture, dict) or not isinstance(aperture.get("id"), str):
        yield 'expected a table with an `id`: the name of a slit, or "ANY"'
        return
    for name in _LIMITS:
        value = aperture.get(name)
        if value is not None and not _is_number(value):
            yield f"expected a number of pixels as {name}, got {value!r}"
    for axis in "xy":
        first, last = aperture.get(f"{axis}start"), aperture.get(f"{axis}stop")
        if first is not None and last is not None and first > last:
            yield f"{axis}start {first} is after {axis}stop {last}"
    for name in ("src_coeff", "bkg_coeff"):
        value = aperture.get(name)
        if value is not None and not _is_limits(value):
            yield f"expected pairs of polynomials as {name}, got {value!r}"
    if not isinstance(aperture.get("use_source_posn"), bool | None):
        yield "expected true or false as use_source_posn"


def _is_number(value: object) -> bool:
    is_numeric = isinstance(value, int | float) and not isinstance(value, bool)
    return is_numeric and math.isfinite(float(value))  # type: ignore[arg-type]  # numeric


def _is_limits(value: object) -> bool:
    """Return whether it is lower and upper limits in turn, a polynomial each."""
    return (
        isinstance(value, list)
        and len(value) > 0
        and len(value) % 2 == 0
        and all(isinstance(line, list) and line for line in value)
        and all(_is_number(number) for line in value for number in line)
    )
