"""What pictures read of a product: its parts, each with what is said of it."""

import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits
from astropy.table import Table
from astropy.utils.exceptions import AstropyWarning
from numpy.typing import NDArray

from ...errors import PictureError, ProductError
from ...outside import open_outside
from .canvas import Pixels

__all__ = [
    "DO_NOT_USE",
    "Curve",
    "Plane",
    "Spectra",
    "median_of",
    "read_curves",
    "read_planes",
    "read_spectra",
]

DO_NOT_USE: Final = 1
"""The flag of pixels that are not to be used (data quality of JWST)."""

_UNREADABLE: Final = (OSError, ValueError, TypeError, KeyError)
"""What astropy raises about files that are cut or are something else."""

_TABLES: Final = ("EXTRACT1D", "COMBINE1D")

_CURVE: Final = re.compile(r"whitelight_flux(?P<rest>.*)")


@dataclass(frozen=True, slots=True)
class Plane:
    """An image, the image of a slit, or a cube."""

    part: str
    """Of which slit or source; empty if it is alone."""
    data: Pixels
    """As in the file; of several integrations their median."""
    dq: NDArray[np.uint32] | None
    """Flags of `data`; None where the file has none, or has several integrations."""
    wavelength_um: Pixels | None
    """Of each pixel; None where the file does not tell."""
    header: Mapping[str, Any]
    """Of its extension SCI, over that of the file."""
    astropy_header: Any
    """The header of the extension as astropy has it, for world coordinates."""


@dataclass(frozen=True, slots=True)
class Spectra:
    """An extracted spectrum; of a time series all of its integrations."""

    part: str
    """Of which slit, source or detector; empty if it is alone."""
    wavelength: Pixels
    """Of each pixel."""
    fluxes: Pixels
    """As (integration, wavelength)."""
    errors: Pixels
    """Likewise."""
    dq: NDArray[np.int64]
    """Flags, by wavelength; of a time series those that all integrations have."""
    wavelength_unit: str
    """As in FITS."""
    flux_unit: str
    """Likewise."""
    header: Mapping[str, Any]
    """Of its extension, over that of the file."""

    @property
    def is_series(self) -> bool:
        """Whether it is a time series."""
        return len(self.fluxes) > 1


@dataclass(frozen=True, slots=True)
class Curve:
    """A white light curve."""

    part: str
    """Of which detector and order; empty if it is alone."""
    time_d: Pixels
    """Middle of each integration (MJD, UTC)."""
    flux: Pixels
    """In `unit`."""
    unit: str
    """As in the file."""


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


def read_planes(path: Path) -> tuple[Plane, ...]:
    """Read the images, slits or cubes of a product.

    Raises
    ------
    PictureError
        It has none.
    ProductError
        The file cannot be read.
    """
    with _open(path) as hdus:
        found = [hdu for hdu in hdus if hdu.name == "SCI"]
        if not found:
            raise PictureError(f"{path.name} has no extension SCI")
        names = _name_parts([hdu.header for hdu in found])
        return tuple(
            _read_plane(hdus, hdu, name)
            for hdu, name in zip(found, names, strict=True)
            if hdu.data is not None
        )


def _read_plane(hdus: Any, science: Any, part: str) -> Plane:
    def read(name: str) -> Any:
        key = (name, science.ver)
        return np.array(hdus[key].data) if key in hdus else None

    data = np.array(science.data, dtype=np.float32)
    dq = read("DQ")
    is_series = data.ndim == 3 and "CTYPE3" not in science.header
    if is_series:
        data, dq = median_of(data), None
    return Plane(
        part=part,
        data=data,
        dq=None if dq is None else dq.astype(np.uint32),
        wavelength_um=read("WAVELENGTH"),
        header={**hdus[0].header, **science.header},
        astropy_header=science.header.copy(),
    )


def median_of(rows: Pixels) -> Pixels:
    """Return the median along the first axis of what is finite; NaN if nothing is."""
    if len(rows) == 1:
        return np.asarray(rows[0])
    empty = ~np.isfinite(rows).any(axis=0)
    middle = np.nanmedian(np.where(empty, 0.0, rows), axis=0)
    return np.asarray(np.where(empty, np.nan, middle))


def _name_parts(headers: Sequence[Mapping[str, Any]]) -> list[str]:
    """Name the parts of a product by their sources or slits; one alone has no name."""
    if len(headers) == 1:
        return [""]
    names = [_name_part(header) for header in headers]
    if len(set(names)) == len(names):
        return names
    return [f"{name} ({number})" for number, name in enumerate(names, 1)]


def _name_part(header: Mapping[str, Any]) -> str:
    slit, source = str(header.get("SLTNAME", "")).strip(), header.get("SRCNAME")
    said = [f"slit {slit}" if slit else "", f"source {source}" if source else ""]
    return ", ".join(filter(None, said)) or f"part {header.get('EXTVER', 1)}"


def read_spectra(path: Path) -> tuple[Spectra, ...]:
    """Read the spectra of a product; segments of a time series are one.

    Raises
    ------
    PictureError
        It has none.
    ProductError
        The file cannot be read.
    """
    with _open(path) as hdus:
        found = [hdu for hdu in hdus if hdu.name in _TABLES]
        if not found:
            raise PictureError(f"{path.name} has no table of a spectrum")
        groups: dict[tuple[str, ...], list[Any]] = {}
        for hdu in found:
            groups.setdefault(_group_of(hdu), []).append(hdu)
        names = _name_groups([parts[0] for parts in groups.values()])
        primary = dict(hdus[0].header)
        return tuple(
            _read_table(parts, name, primary)
            for parts, name in zip(groups.values(), names, strict=True)
        )


def _group_of(hdu: Any) -> tuple[str, ...]:
    is_series = "INT_NUM" in hdu.columns.names
    keys = ("DETECTOR", "SPORDER") if is_series else ("EXTVER",)
    return tuple(str(hdu.header.get(key, "")) for key in keys)


def _name_groups(first: Sequence[Any]) -> list[str]:
    if len(first) > 1 and "INT_NUM" in first[0].columns.names:
        return [" order ".join(_group_of(hdu)) for hdu in first]
    return _name_parts([hdu.header for hdu in first])


def _read_table(parts: Sequence[Any], part: str, primary: Mapping[str, Any]) -> Spectra:
    columns = parts[0].columns
    flux, error = _choose_columns(parts[0])
    read = _reader_of(parts)
    dq = read("DQ").astype(np.int64) if "DQ" in columns.names else None
    fluxes = read(flux).astype(float)
    return Spectra(
        part=part,
        wavelength=read("WAVELENGTH").astype(float)[0],
        fluxes=fluxes,
        errors=read(error).astype(float),
        dq=np.bitwise_and.reduce(dq)
        if dq is not None
        else np.zeros(fluxes.shape[1], np.int64),
        wavelength_unit=str(columns["WAVELENGTH"].unit or "um"),
        flux_unit=str(columns[flux].unit or ""),
        header={**primary, **parts[0].header},
    )


def _reader_of(parts: Sequence[Any]) -> Callable[[str], Any]:
    def read(column: str) -> Any:
        return np.concatenate([np.atleast_2d(hdu.data[column]) for hdu in parts])

    return read


def _choose_columns(hdu: Any) -> tuple[str, str]:
    """Choose the flux, or the surface brightness where there is no flux."""
    flux = np.asarray(hdu.data["FLUX"], float)
    names = hdu.columns.names
    if not np.nan_to_num(flux).any() and "SURF_BRIGHT" in names:
        return "SURF_BRIGHT", "SB_ERROR"
    return "FLUX", "FLUX_ERROR" if "FLUX_ERROR" in names else "ERROR"


def read_curves(path: Path) -> tuple[Curve, ...]:
    """Read white light curves.

    Raises
    ------
    PictureError
        The table has none.
    ProductError
        The file cannot be read.
    """
    with _readable(path), open_outside(path) as stream:
        table = Table.read(stream.read().decode(), format="ascii.ecsv")
        found = [match for name in table.colnames if (match := _CURVE.fullmatch(name))]
        if not found:
            raise PictureError(f"{path.name} has no column whitelight_flux")
        is_alone = len(found) == 1
        return tuple(_read_curve(table, one, is_alone=is_alone) for one in found)


def _read_curve(table: Any, match: re.Match[str], *, is_alone: bool) -> Curve:
    rest, name = match["rest"], match[0]
    detector = rest.rpartition("_")[2]
    time = f"MJD_UTC_{detector}" if f"MJD_UTC_{detector}" in table.colnames else ""
    return Curve(
        part="" if is_alone else rest.strip("_").replace("_", " "),
        time_d=np.array(table[time or "MJD_UTC"], dtype=float),
        flux=np.array(table[name], dtype=float),
        unit=str(table[name].unit or ""),
    )
