"""The cubes that `cube_build` will make, predicted from headers and parameters.

It follows `cube_build/ifu_cube.py` of jwst 3.0.0, which takes the range of wavelengths
and the sampling from the cubepar reference, and the footprint from world coordinates
that spec2 assigns. Here each exposure has a rectangle of fixed size, at its pointing
and roll.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import ceil, cos, radians, sin
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from stdatamodels.jwst import datamodels

from ..contract import Parameters

__all__ = ["predict_cubes"]

_Header = Mapping[str, Any]
"""Metadata of a raw file, by ``meta.`` keys."""

_Band = tuple[str, str]
"""Channel and band of the MRS, disperser and filter of NIRSpec; in lower case."""

_HALF_FIELDS_ARCSEC: Final = {
    "NIRSPEC": (1.54, 1.79),
    "1": (1.85, 1.77),
    "2": (2.05, 2.24),
    "3": (2.65, 2.92),
    "4": (3.40, 3.61),
}
"""Half the width and height of the field in the ideal frame of the aperture, from the
first to the last slice (of the MRS: their middles), with pixels that see no light.
Those of NIRSpec and of channels 1 and 2 are of the in-flight models of the sample
programs, the others are nominal."""

_TABLES: Final = {
    "prism": "prism",
    **dict.fromkeys(["g140m", "g235m", "g395m"], "med"),
    **dict.fromkeys(["g140h", "g235h", "g395h"], "high"),
}
"""Names of the tables of wavelengths of NIRSpec, by disperser."""


@dataclass(frozen=True, slots=True)
class _Sampling:
    """The sampling of one band."""

    spaxel_arcsec: float
    step_um: float
    range_um: tuple[float, float]


@dataclass(frozen=True, slots=True)
class _CubePars:
    """What a cubepar reference says."""

    bands: Mapping[_Band, _Sampling]
    wavelengths_um: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    """Planes of cubes that are not linear, by disperser, or ``multichannel``."""


@dataclass(frozen=True, slots=True)
class _Box:
    """A rectangle on the sky, aligned with the axes of the cube, in arcsec."""

    x: float
    y: float
    half_x: float
    half_y: float


def predict_cubes(
    headers: Sequence[_Header], parameters: Parameters, cubepar: Path
) -> tuple[tuple[int, int, int], ...]:
    """Predict the shapes of the cubes of exposures: wavelengths, rows, columns.

    Parameters
    ----------
    headers
        Of the raw files of the science members.
    parameters
        Those of `cube_build`.
    cubepar
        The reference file.
    """
    is_nirspec = _is_nirspec(headers[0])
    pars = _read_nirspec(str(cubepar)) if is_nirspec else _read_mrs(str(cubepar))
    bands = {band for header in headers for band in _list_bands(header)}
    wanted = [
        band for band in sorted(bands & set(pars.bands)) if _is_in(band, parameters)
    ]
    return tuple(
        _predict(group, headers, parameters, pars)
        for group in _group(wanted, parameters)
    )


def _is_nirspec(header: _Header) -> bool:
    return bool(header["meta.instrument.name"] == "NIRSPEC")


def _list_bands(header: _Header) -> Iterator[_Band]:
    if _is_nirspec(header):
        optics = (header["meta.instrument.grating"], header["meta.instrument.filter"])
        yield str(optics[0]).lower(), str(optics[1]).lower()
        return
    for channel in str(header["meta.instrument.channel"]):
        yield channel, str(header["meta.instrument.band"]).lower()


def _is_in(band: _Band, parameters: Parameters) -> bool:
    """Whether the parameters ask for a band."""
    keys = ("channel", "band") if band[0].isdecimal() else ("grating", "filter")
    asked = (str(parameters.get(key) or "all").lower() for key in keys)
    return all(
        one == "all" or own in one.split(",")
        for one, own in zip(asked, band, strict=True)
    )


def _group(bands: Iterable[_Band], parameters: Parameters) -> Iterable[list[_Band]]:
    """Group bands by the cube that they go into."""
    groups: dict[object, list[_Band]] = {}
    for band in bands:
        match parameters.get("output_type"):
            case "multi":
                key: object = None
            case "channel":
                key = band[0]
            case _:
                key = band
        groups.setdefault(key, []).append(band)
    return groups.values()


def _predict(
    group: Sequence[_Band],
    headers: Iterable[_Header],
    parameters: Parameters,
    pars: _CubePars,
) -> tuple[int, int, int]:
    samplings = [pars.bands[band] for band in group]
    spaxel_arcsec = _number(parameters, "scalexy") or min(
        one.spaxel_arcsec for one in samplings
    )
    seen = [each for each in headers if not set(group).isdisjoint(_list_bands(each))]
    boxes = _place(seen, group, parameters)
    across = _count_spaxels([(box.x, box.half_x) for box in boxes], spaxel_arcsec)
    along = _count_spaxels([(box.y, box.half_y) for box in boxes], spaxel_arcsec)
    columns = _number(parameters, "nspax_x")
    rows = _number(parameters, "nspax_y")
    return (
        _count_planes(group, samplings, parameters, pars),
        int(rows) // 2 * 2 + 1 if rows else along,
        int(columns) // 2 * 2 + 1 if columns else across,
    )


def _place(
    headers: Sequence[_Header], group: Iterable[_Band], parameters: Parameters
) -> list[_Box]:
    """Place the fields of exposures in the plane of the cube."""
    first = headers[0]
    turn = _number(parameters, "cube_pa") or 0.0
    if parameters.get("coord_system") in {"ifualign", "internal_cal"}:
        turn = _angle(first)
    sizes = [
        _HALF_FIELDS_ARCSEC[band[0] if band[0].isdecimal() else "NIRSPEC"]
        for band in group
    ]
    width, height = max(size[0] for size in sizes), max(size[1] for size in sizes)
    boxes = []
    for header in headers:
        east, north = _offset(header, first)
        x, y = _rotate(east, north, turn)
        c, s = map(abs, _rotate(1.0, 0.0, _angle(header) - turn))
        boxes.append(_Box(x, y, c * width + s * height, s * width + c * height))
    return boxes


def _angle(header: _Header) -> float:
    """Return the position angle of the ideal frame, in degrees."""
    keys = ("meta.wcsinfo.roll_ref", "meta.wcsinfo.v3yangle")
    return sum(float(header.get(key) or 0.0) for key in keys)


def _offset(header: _Header, first: _Header) -> tuple[float, float]:
    """Return how far east and north of the first an exposure points, in arcsec."""
    (ra, dec), (ra_0, dec_0) = (
        (float(each["meta.wcsinfo.ra_ref"]), float(each["meta.wcsinfo.dec_ref"]))
        for each in (header, first)
    )
    east = ((ra - ra_0 + 180.0) % 360.0 - 180.0) * cos(radians(dec_0))
    return 3600.0 * east, 3600.0 * (dec - dec_0)


def _rotate(x: float, y: float, angle_deg: float) -> tuple[float, float]:
    c, s = cos(radians(angle_deg)), sin(radians(angle_deg))
    return c * x - s * y, s * x + c * y


def _count_spaxels(spans: Sequence[tuple[float, float]], spaxel_arcsec: float) -> int:
    """Count the spaxels of an axis, as `IFUCubeData.set_geometry` does."""
    low = min(centre - half for centre, half in spans)
    high = max(centre + half for centre, half in spans)
    return 2 * (ceil((high - low) / 2.0 / spaxel_arcsec) + 1) + 1


def _count_planes(
    group: Sequence[_Band],
    samplings: Sequence[_Sampling],
    parameters: Parameters,
    pars: _CubePars,
) -> int:
    low = _number(parameters, "wavemin") or min(one.range_um[0] for one in samplings)
    high = _number(parameters, "wavemax") or max(one.range_um[1] for one in samplings)
    is_linear = parameters.get("linear_wave", True)
    if is_linear and parameters.get("output_type") != "multi":
        step_um = _number(parameters, "scalew") or min(one.step_um for one in samplings)
        return ceil((high - low) / step_um)
    first = group[-1][0]
    planes = pars.wavelengths_um["multichannel" if first.isdecimal() else first]
    nearest = [int(np.abs(planes - limit).argmin()) for limit in (low, high)]
    return nearest[1] - nearest[0] + 1


def _number(parameters: Parameters, name: str) -> float | None:
    value = parameters.get(name)
    return float(value) if isinstance(value, int | float) else None


@lru_cache(maxsize=4)
def _read_mrs(path: str) -> _CubePars:
    with datamodels.MiriIFUCubeParsModel(path) as model:
        waves = model.ifucubepars_multichannel_driz_wavetable["wavelength"]
        bands = _read_bands(model, ("channel", "band"))
        return _CubePars(bands, {"multichannel": np.array(waves, float)})


@lru_cache(maxsize=4)
def _read_nirspec(path: str) -> _CubePars:
    with datamodels.NirspecIFUCubeParsModel(path) as model:
        waves = {
            disperser: getattr(model, f"ifucubepars_{name}_driz_wavetable")
            for disperser, name in _TABLES.items()
        }
        return _CubePars(
            _read_bands(model, ("disperser", "filter")),
            {key: np.array(waves[key]["wavelength"], float) for key in waves},
        )


def _read_bands(model: Any, keys: tuple[str, str]) -> dict[_Band, _Sampling]:
    return {
        (
            str(row[keys[0]]).strip().lower(),
            str(row[keys[1]]).strip().lower(),
        ): _Sampling(
            float(row["spaxelsize"]),
            float(row["spectralstep"]),
            (float(row["wavemin"]), float(row["wavemax"])),
        )
        for row in model.ifucubepars_table
    }
