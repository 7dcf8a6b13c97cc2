"""What is looked at in products, each opened once: whether they hold data, and of what.

What they are of goes into the database, where it is searched; it is no part of their
content. A source is where the pipeline put it; a spectrum of an integral field, or of a
slit without a source, is where the target is.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from ..contract import ProductFacts, SourceFacts, Stage
from ..sky import find_centre, list_vertices

__all__ = ["Looked", "look_at"]

_UM = 1e-6
"""In m."""

_TYPES: Mapping[str, str] = {
    **dict.fromkeys(("x1d", "c1d", "s2d"), "spectrum"),
    "s3d": "cube",
    **dict.fromkeys(("rateints", "calints", "crfints", "x1dints"), "timeseries"),
}
"""By suffix; whatever else is in FITS is an image."""

_COMBINED = frozenset({"x1d", "c1d", "s2d", "s3d", "x1dints"})
"""Suffixes of what spec3 and tso3 combine; the others stay of their exposures."""

_LIGHT_CURVE = "_whtlt.ecsv"
"""Ending of what tso3 makes of its ``_x1dints``; it says little itself."""

_NONE = frozenset({"", "N/A", "NONE", "NULL", "UNKNOWN"})
"""What keywords hold that say nothing."""

_Place = tuple[float, float]
"""Right ascension and declination (ICRS), in degrees."""

_Range = tuple[float, float]
"""Shortest and longest wavelength, in m."""

_Key = tuple[str, str, str]
"""Name of a source, its number, and its slit."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What was seen in products."""

    empty: tuple[str, ...]
    """Extensions without a finite value, in words."""
    facts: tuple[ProductFacts, ...]
    """What the products are of, by name."""


@dataclass(slots=True)
class _Part:
    """What the extensions of a source, a slit or a field say."""

    count: int = 0
    """Number of its images and spectra."""
    place: _Place | None = None
    regions: tuple[str, ...] = ()
    ranges: tuple[_Range, ...] = ()
    samples: int | None = None


def look_at(stage: Stage, products: Iterable[Path]) -> Looked:
    """Look at the products of a stage; those that are not in FITS are passed over.

    The light curve of a time series is of what its spectra are.
    """
    paths = list(products)
    empty: list[str] = []
    facts: dict[str, ProductFacts] = {}
    for path in paths:
        if path.suffix == ".fits":
            with fits.open(path, memmap=False) as hdus:
                empty += (f"{which} of {path.name}" for which in _list_empty(hdus))
                facts[path.name] = _describe(path.name, hdus, stage)
    for path in paths:
        spectra = path.name.replace(_LIGHT_CURVE, "_x1dints.fits")
        if spectra != path.name and spectra in facts:
            facts[path.name] = replace(facts[spectra], product=path.name)
    return Looked(tuple(empty), tuple(facts[name] for name in sorted(facts)))


def _list_empty(hdus: Any) -> Iterator[str]:
    for hdu in hdus:
        if _is_all_nan(hdu):
            yield f"{hdu.name} extension {hdu.ver}"


def _is_all_nan(hdu: Any) -> bool:
    if hdu.name == "SCI" and hdu.data is not None:
        return not np.isfinite(hdu.data).any()
    if hdu.name == "EXTRACT1D" and hdu.data is not None and "FLUX" in hdu.data.names:
        return not np.isfinite(hdu.data["FLUX"]).any()
    return False


def _describe(name: str, hdus: Any, stage: Stage) -> ProductFacts:
    header = hdus[0].header
    suffix = name.removesuffix(".fits").rpartition("_")[2]
    is_combined = stage in {Stage.SPEC3, Stage.TSO3} and suffix in _COMBINED
    parts = _find_parts(hdus)
    sources = tuple(
        _to_source(key, part, _find_target(header, key, alone=len(parts) == 1))
        for key, part in parts.items()
    )
    ra_deg, dec_deg = (
        _find_middle(sources, parts.values())
        or _find_target(header, ("", "", ""), alone=True)
        or (None, None)
    )
    wave_min_m, wave_max_m = _join(
        (s.wave_min_m, s.wave_max_m)
        for s in sources
        if s.wave_min_m is not None and s.wave_max_m is not None
    )
    # The header of the slits of several exposures is that of the first alone.
    is_of_many = not is_combined and stage is Stage.SPEC3 and _has_many(parts)
    return ProductFacts(
        product=name,
        dataproduct_type=_TYPES.get(suffix, "image"),
        calib_level=3 if is_combined else 2,
        target=_say(header, "TARGPROP") or _say(header, "TARGNAME"),
        instrument=_say(header, "INSTRUME"),
        detector=_say(header, "DETECTOR"),
        grating=_say(header, "GRATING"),
        filter=_say(header, "FILTER"),
        channel=_say(header, "CHANNEL"),
        band=_say(header, "BAND"),
        ra_deg=ra_deg,
        dec_deg=dec_deg,
        region=_find_only(region for part in parts.values() for region in part.regions),
        start_mjd=None if is_of_many else _read(header, "EXPSTART"),
        end_mjd=None if is_of_many else _read(header, "EXPEND"),
        exposure_s=None if is_of_many else _read(header, "EFFEXPTM"),
        wave_min_m=wave_min_m,
        wave_max_m=wave_max_m,
        sources=sources,
    )


def _find_parts(hdus: Any) -> Mapping[_Key, _Part]:
    """Collect what extensions say of sources, slits or the field, in their order."""
    mode = _say(hdus[0].header, "EXP_TYPE")
    parts: dict[_Key, _Part] = defaultdict(_Part)
    for hdu in hdus:
        if hdu.name not in {"SCI", "EXTRACT1D", "COMBINE1D"}:
            continue
        header = hdu.header
        slit = _say(header, "SLTNAME")
        key = (
            _say(header, "SRCNAME"),
            _say(header, "SOURCEID"),
            "" if slit == mode else slit,  # of spectra of a source or a field
        )
        part = parts[key]
        part.count += 1
        part.place = part.place or _find_place(header, "SRCRA", "SRCDEC")
        if region := " ".join(_say(header, "S_REGION").split()):
            part.regions += (region,)
        if found := _find_range(hdus, hdu):
            part.ranges += (found,)
        if samples := _count_samples(hdu):
            part.samples = max(samples, part.samples or 0)
    return parts


def _count_samples(hdu: Any) -> int | None:
    """Count the wavelengths of a spectrum or a cube; of a time series those of one."""
    if hdu.name != "SCI":
        return int(hdu.data["WAVELENGTH"].shape[-1])
    is_cube = hdu.header["NAXIS"] == 3
    has_waves = is_cube and str(hdu.header.get("CTYPE3")).startswith("WAVE")
    return int(hdu.header["NAXIS3"]) if has_waves else None


def _has_many(parts: Mapping[_Key, _Part]) -> bool:
    return any(part.count > 1 for part in parts.values())


def _find_range(hdus: Any, hdu: Any) -> _Range | None:
    """Find the range of wavelengths of a spectrum, an image or a cube."""
    if hdu.name != "SCI":
        return _range_of(hdu.data["WAVELENGTH"])
    if hdu.header["NAXIS"] == 3 and str(hdu.header.get("CTYPE3")).startswith("WAVE"):
        return _find_range_of_cube(hdus, hdu)
    beside = ("WAVELENGTH", hdu.ver)
    if beside in hdus and hdus[beside].data is not None:
        return _range_of(hdus[beside].data)
    first, last = (_read(hdu.header, key) for key in ("WAVSTART", "WAVEND"))
    return None if first is None or last is None else (first, last)


def _find_range_of_cube(hdus: Any, hdu: Any) -> _Range | None:
    """Find the range of planes, which are even or in a table."""
    if hdu.header["CTYPE3"] == "WAVE-TAB":
        return _range_of(hdus["WCS-TABLE"].data["wavelength"])
    keys = ("CRVAL3", "CDELT3", "CRPIX3")
    first, step, pixel = (_read(hdu.header, key) for key in keys)
    if first is None or step is None or pixel is None:
        return None
    planes = np.arange(1, hdu.header["NAXIS3"] + 1)
    return _range_of(first + step * (planes - pixel))


def _range_of(wavelengths_um: NDArray[np.floating[Any]]) -> _Range | None:
    """Find the range of what is a wavelength: pixels outside have none, or 0."""
    seen = np.asarray(wavelengths_um, dtype=float)
    seen = seen[np.isfinite(seen) & (seen > 0)]
    return (float(seen.min()) * _UM, float(seen.max()) * _UM) if seen.size else None


def _to_source(key: _Key, part: _Part, target: _Place | None) -> SourceFacts:
    name, number, slit = key
    vertices = [place for region in part.regions for place in list_vertices(region)]
    place = part.place or find_centre(vertices) or target
    ra_deg, dec_deg = place or (None, None)
    wave_min_m, wave_max_m = _join(part.ranges)
    return SourceFacts(
        name=name or ("" if slit else number),
        slit=slit,
        ra_deg=ra_deg,
        dec_deg=dec_deg,
        region=_find_only(part.regions),
        wave_min_m=wave_min_m,
        wave_max_m=wave_max_m,
        samples=part.samples,
    )


def _find_middle(
    sources: Sequence[SourceFacts], parts: Iterable[_Part]
) -> _Place | None:
    """Find the middle of a product: of its footprints and sources."""
    places = [
        (source.ra_deg, source.dec_deg)
        for source in sources
        if source.ra_deg is not None and source.dec_deg is not None
    ]
    if len(places) == 1:
        return places[0]
    vertices = (
        place
        for part in parts
        for region in part.regions
        for place in list_vertices(region)
    )
    return find_centre([*places, *vertices])


def _find_target(header: Any, key: _Key, *, alone: bool) -> _Place | None:
    """Find where the target is, if a part is of the target."""
    name, _, slit = key
    is_target = not name and (alone or slit == _say(header, "FXD_SLIT"))
    return _find_place(header, "TARG_RA", "TARG_DEC") if is_target else None


def _find_place(header: Any, ra: str, dec: str) -> _Place | None:
    """Read a place; slitlets without a source have 0, 0 there."""
    ra_deg, dec_deg = _read(header, ra), _read(header, dec)
    if ra_deg is None or dec_deg is None or abs(dec_deg) > 90:
        return None
    return None if ra_deg == dec_deg == 0 else (ra_deg % 360 % 360, dec_deg)


def _join(ranges: Iterable[_Range]) -> tuple[float | None, float | None]:
    found = list(ranges)
    if not found:
        return None, None
    return min(first for first, _ in found), max(last for _, last in found)


def _find_only(regions: Iterable[str]) -> str:
    """Return the region, if there is one."""
    found = set(regions)
    return found.pop() if len(found) == 1 else ""


def _say(header: Any, keyword: str) -> str:
    value = header.get(keyword, "")
    text = "" if isinstance(value, fits.card.Undefined) else str(value).strip()
    return "" if text.upper() in _NONE else text


def _read(header: Any, keyword: str) -> float | None:
    value = header.get(keyword)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and isfinite(value) else None
