"""What measurements read of a product, and of those beside it."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.table import Table
from astropy.utils.exceptions import AstropyWarning
from numpy.typing import NDArray

from config.match import FACTS

from ...errors import MeasurementError, ProductError
from ...outside import open_outside
from .cubes import find_illuminated
from .robust import Flags, Values

__all__ = ["Curve", "Image", "Product", "Spectrum"]

_DO_NOT_USE = 1
_OUTLIER = 16
_MSA_FAILED_OPEN = 1 << 29
"""Bits of DQ (data quality flags of JWST)."""

_UNREADABLE = (OSError, ValueError, TypeError)
"""What astropy raises about files that are cut or are something else."""


@dataclass(frozen=True, slots=True)
class Spectrum:
    """An extracted spectrum; of a time series all of its integrations."""

    name: str
    """Of its slit or detector; empty if it is alone."""
    wavelength_um: Values
    """Of each pixel."""
    fluxes: Values
    """In Jy, as (integration, wavelength)."""
    errors: Values
    """Likewise."""
    defringed: Values | None
    """Likewise, if residual fringes were taken from the spectrum: after that."""
    area: Values
    """Pixels in the aperture, by wavelength."""
    background: Values
    """Subtracted surface brightness in MJy/sr, by wavelength."""
    is_bad: Flags
    """Wavelengths that are DO_NOT_USE, in all integrations."""
    header: Mapping[str, Any]
    """Of its extension."""

    @property
    def flux(self) -> Values:
        """The flux in Jy; of a time series the median."""
        return _median_of(self.fluxes)

    @property
    def seen(self) -> Flags:
        """Wavelengths at which the aperture has light."""
        found: Flags = (self.wavelength_um > 0) & (self.area > 0)
        return found


@dataclass(frozen=True, slots=True)
class Image:
    """An image, a cube, or the image of a slit."""

    name: str
    """Of its slit; empty if it is alone."""
    data: Values
    """As in the file."""
    error: Values
    """Likewise."""
    dq: NDArray[np.uint32]
    """Likewise; all zero where the file has none."""
    seen: Flags | None
    """Where light falls; None where the file does not tell."""
    wavelength_um: Values | None
    """Of each pixel; None where the file does not tell."""
    header: Mapping[str, Any]
    """Of its extension SCI."""

    @property
    def usable(self) -> Flags:
        """Pixels that are not DO_NOT_USE."""
        usable: Flags = self.dq & _DO_NOT_USE == 0
        return usable

    @property
    def outliers(self) -> Flags:
        """Pixels that are flagged as OUTLIER."""
        flagged: Flags = self.dq & _OUTLIER > 0
        return flagged

    @property
    def failed_open(self) -> Flags:
        """Pixels that shutters light which are known to be stuck open."""
        flagged: Flags = self.dq & _MSA_FAILED_OPEN > 0
        return flagged


@dataclass(frozen=True, slots=True)
class Curve:
    """A white light curve."""

    name: str
    """Of its detector and order; empty if it is alone."""
    detector: str
    """NRS1 or NRS2, as its columns are named; empty elsewhere."""
    time_d: Values
    """Middle of each integration (MJD, UTC)."""
    flux: Values
    """In Jy."""


class Product:
    """A product on disk; what is read of it is kept while it is measured.

    Parameters
    ----------
    path
        The file, under its canonical name.
    others
        Products that may go with it, besides those in its folder.
    """

    def __init__(self, path: Path, others: Sequence[Path] = ()) -> None:
        self.path = path
        self._others = others

    @property
    def suffix(self) -> str:
        """What follows the last underscore of the name: ``rate``, ``x1d``."""
        return self.path.name.partition(".")[0].rpartition("_")[2]

    @cached_property
    def header(self) -> Mapping[str, Any]:
        """The primary header; of a table its metadata, under the same keywords."""
        if self.path.suffix == ".ecsv":
            meta = self._table.meta
            return {FACTS[n]: meta[n] for n in FACTS if meta.get(n) is not None}
        with _open(self.path) as hdus:
            return dict(hdus[0].header)

    @property
    def facts(self) -> Mapping[str, str]:
        """What is known of the exposure, for `Match`."""
        return {
            name: str(self.header[keyword])
            for name, keyword in FACTS.items()
            if keyword in self.header
        }

    @cached_property
    def images(self) -> tuple[Image, ...]:
        """Its images, one for each extension SCI."""
        with _open(self.path) as hdus:
            found = [hdu for hdu in hdus if hdu.name == "SCI"]
            if not found:
                raise MeasurementError(f"{self.path.name} has no extension SCI")
            return tuple(
                _read_image(hdus, hdu, name)
                for hdu, name in zip(found, _name_images(found), strict=True)
            )

    @cached_property
    def planes_um(self) -> Values:
        """The wavelengths of the planes of a cube."""
        with _open(self.path) as hdus:
            if "WCS-TABLE" not in hdus:
                raise MeasurementError(f"{self.path.name} has no wavelengths of planes")
            return np.array(hdus["WCS-TABLE"].data["wavelength"], float).ravel()

    @cached_property
    def spectra(self) -> tuple[Spectrum, ...]:
        """Its spectra, one for each slit or detector."""
        with _open(self.path) as hdus:
            found = [hdu for hdu in hdus if hdu.name == "EXTRACT1D"]
            if not found:
                raise MeasurementError(f"{self.path.name} has no extension EXTRACT1D")
            return tuple(_group(found))

    @cached_property
    def arcsec_per_pixel(self) -> Mapping[str, float]:
        """The size of a pixel along each rectified slit, by name of the image."""
        from stdatamodels.jwst import datamodels  # takes seconds

        with _readable(self.path), datamodels.open(self.path) as model:
            slits = getattr(model, "slits", [model])
            names = ["" if len(slits) == 1 else f"slit {slit.name}" for slit in slits]
            return {n: _read_scale(s) for n, s in zip(names, slits, strict=True)}

    @cached_property
    def curves(self) -> tuple[Curve, ...]:
        """Its light curves."""
        table = self._table
        names = [name for name in table.colnames if name.startswith(_CURVE)]
        return tuple(_read_curve(table, name, alone=len(names) == 1) for name in names)

    def find_beside(self, suffix: str) -> "Product":
        """Find the product of the same name with another suffix.

        Raises
        ------
        MeasurementError
            It is not there.
        """
        stem = self.path.name.partition(".")[0].removesuffix(self.suffix)
        name = f"{stem}{suffix}.fits"
        for other in self.list_beside():
            if other.name == name:
                return Product(other)
        raise MeasurementError(f"there is no {name} beside it")

    def list_beside(self) -> list[Path]:
        """List the files of its folder, and others that may go with it, by name."""
        found = {path.name: path for path in sorted(self.path.parent.iterdir())}
        return [*({path.name: path for path in self._others} | found).values()]

    @cached_property
    def _table(self) -> Any:
        with _readable(self.path), open_outside(self.path) as stream:
            return Table.read(stream.read().decode(), format="ascii.ecsv")


_CURVE = "whitelight_flux"
_TIME = "MJD_UTC"


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)
            yield
    except _UNREADABLE as error:
        raise ProductError(
            f"{path} is not a product that can be read: {error}"
        ) from error


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    with (
        _readable(path),
        open_outside(path) as stream,
        fits.open(stream, memmap=False) as hdus,
    ):
        yield hdus


def _name_images(found: Sequence[Any]) -> list[str]:
    """Name images by their slits; several of one slit are of several exposures."""
    slits = [f"slit {hdu.header.get('SLTNAME', hdu.ver)}" for hdu in found]
    if len(found) == 1:
        return [""]
    if len(set(slits)) == len(slits):
        return slits
    return [
        f"{slit} exposure {hdu.ver}" for slit, hdu in zip(slits, found, strict=True)
    ]


def _read_image(hdus: Any, science: Any, name: str) -> Image:
    """Read what belongs to an extension SCI: the extensions of its version."""
    data = np.array(science.data, dtype=float)

    def read(name: str) -> Any:
        key = (name, science.ver)
        return np.array(hdus[key].data) if key in hdus else None

    error, dq = read("ERR"), read("DQ")
    return Image(
        name=name,
        data=data,
        error=np.full_like(data, np.nan) if error is None else error.astype(float),
        dq=np.zeros(data.shape, np.uint32) if dq is None else dq.astype(np.uint32),
        seen=_find_seen(data, read),
        wavelength_um=read("WAVELENGTH"),
        header=dict(science.header),
    )


def _read_scale(slit: Any) -> float:
    """Return how far two neighbouring pixels across the dispersion are on the sky."""
    from astropy.coordinates import SkyCoord  # likewise

    height, width = slit.data.shape
    x, y = width // 2, height // 2
    is_horizontal = slit.meta.wcsinfo.dispersion_direction == 1
    beside = (x, y + 1) if is_horizontal else (x + 1, y)
    places = [slit.meta.wcs(*place)[:2] for place in ((x, y), beside)]
    one, other = (SkyCoord(*map(float, place), unit="deg") for place in places)
    return float(one.separation(other).arcsec)


def _find_seen(data: Values, read: Callable[[str], Any]) -> Flags | None:
    """Find where light falls: by weights, slices or wavelengths."""
    if (weight := read("WMAP")) is not None:
        return find_illuminated(weight)
    for name in ("WHT", "REGIONS", "WAVELENGTH"):
        if (lit := read(name)) is not None:
            return np.broadcast_to(np.asarray(lit > 0), data.shape)
    return None


def _group(hdus: Sequence[Any]) -> Iterator[Spectrum]:
    """Read spectra; segments of a time series are one."""
    groups: dict[tuple[str, ...], list[Any]] = {}
    for hdu in hdus:
        is_series = "INT_NUM" in hdu.columns.names
        keys = ("DETECTOR", "SPORDER") if is_series else ("SLTNAME", "EXTVER")
        key = tuple(str(hdu.header.get(each, "")) for each in keys)
        groups.setdefault(key, []).append(hdu)
    for (what, _), parts in groups.items():
        name = ("" if "INT_NUM" in parts[0].columns.names else "slit ") + what
        yield _read_spectrum(parts, name if len(groups) > 1 else "")


def _read_spectrum(parts: Sequence[Any], name: str) -> Spectrum:
    def read(column: str) -> Values:
        arrays = [np.atleast_2d(np.array(hdu.data[column], float)) for hdu in parts]
        return np.concatenate(arrays)

    defringed = read("RF_FLUX") if "RF_FLUX" in parts[0].columns.names else None
    if defringed is not None and not np.nan_to_num(defringed).any():
        defringed = None  # the column is there, and empty
    return Spectrum(
        name=name,
        wavelength_um=read("WAVELENGTH")[0],
        fluxes=read("FLUX"),
        errors=read("FLUX_ERROR"),
        defringed=defringed,
        area=_median_of(read("NPIXELS")),
        background=_median_of(read("BACKGROUND")),
        is_bad=_find_bad(parts),
        header=dict(parts[0].header),
    )


def _find_bad(parts: Sequence[Any]) -> Flags:
    """Find wavelengths that are DO_NOT_USE in all rows; none without flags."""
    dq = [
        np.atleast_2d(np.array(hdu.data["DQ"])).astype(np.uint32)
        if "DQ" in hdu.columns.names
        else np.zeros_like(np.atleast_2d(hdu.data["WAVELENGTH"]), np.uint32)
        for hdu in parts
    ]
    return np.asarray((np.concatenate(dq) & _DO_NOT_USE > 0).all(axis=0))


def _median_of(rows: Values) -> Values:
    """Return the median of rows without what is not finite; NaN if nothing is."""
    if len(rows) == 1:
        return np.asarray(rows[0])
    empty = ~np.isfinite(rows).any(axis=0)
    middle = np.nanmedian(np.where(empty, 0.0, rows), axis=0)
    return np.asarray(np.where(empty, np.nan, middle))


def _read_curve(table: Any, name: str, *, alone: bool) -> Curve:
    rest = name.removeprefix(_CURVE)
    detector = rest.rpartition("_")[2] if rest.rpartition("_")[2] in _DETECTORS else ""
    time = f"{_TIME}_{detector}" if detector else _TIME
    return Curve(
        name="" if alone else rest.strip("_").replace("_", " "),
        detector=detector,
        time_d=np.array(table[time], dtype=float),
        flux=np.array(table[name], dtype=float),
    )


_DETECTORS = ("NRS1", "NRS2")
"""Detectors that stand in the names of columns."""
