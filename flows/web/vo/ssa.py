"""Simple Spectral Access 1.1: spectra by place, wavelength and time.

https://www.ivoa.net/documents/SSA/20120210/ says what is asked and answered. What is
wrong with a request is said in a VOTable, as clients expect.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from workers.sky import find_radius_deg

from ...errors import QueryError
from ...models.products import Cone, FoundProduct, Period, ProductQuery, Span
from ...reports import count_samples, name_product
from ..site import find_site
from .addresses import find_base, locate_product
from .votable import Cell, Field, Info, Link, Param, write_votable

__all__ = ["query_spectra", "router"]

router = APIRouter(include_in_schema=False)

_KINDS: Final = ("x1d", "c1d")
"""Kinds of products that are spectra."""

_NATIVE: Final = frozenset({"all", "native", "fits", "application/fits"})
"""Formats that our spectra have."""

_OTHERS: Final = frozenset({"compliant", "graphic", "votable", "xml", "metadata"})
"""Formats that one may ask for, and that none of our spectra has."""

_SIZE_DEG: Final = 0.1
"""Diameter of a circle of which only the middle is given."""

_DEFAULT: Final = 100
_MOST: Final = 1000
"""Spectra of an answer, unless fewer are asked for, and at most."""

_BAND_M: Final = (1e-12, 1.0)
_MJD_0: Final = datetime(1858, 11, 17, tzinfo=UTC)
_DAY_S: Final = 86_400.0
_FIRST_MJD, _LAST_MJD = -100_000.0, 1_000_000.0
"""Ends of ranges of which one end is not given."""

_SKY, _TIME = "ssa:Char.SpatialAxis", "ssa:Char.TimeAxis"
_WAVE, _FLUX = "ssa:Char.SpectralAxis", "ssa:Char.FluxAxis"

_FIELDS: Final = (
    Field("acref", ucd="meta.ref.url", utype="ssa:Access.Reference"),
    Field("mime", ucd="meta.code.mime", utype="ssa:Access.Format"),
    Field("accsize", "long", "kbyte", "phys.size;meta.file", "ssa:Access.Size"),
    Field("datamodel", utype="ssa:Dataset.DataModel"),
    Field("datatype", utype="ssa:Dataset.Type"),
    Field("length", "long", ucd="meta.number", utype="ssa:Dataset.Length"),
    Field("title", ucd="meta.title;meta.dataset", utype="ssa:DataID.Title"),
    Field("collection", utype="ssa:DataID.Collection"),
    Field("creator", utype="ssa:DataID.Creator"),
    Field("date", ucd="time;meta.dataset", utype="ssa:DataID.Date"),
    Field("instrument", ucd="meta.id;instr", utype="ssa:DataID.Instrument"),
    Field("creationtype", utype="ssa:DataID.CreationType"),
    Field("datasource", utype="ssa:DataID.DataSource"),
    Field("version", ucd="meta.version;meta.dataset", utype="ssa:DataID.Version"),
    Field("publisher", ucd="meta.curation", utype="ssa:Curation.Publisher"),
    Field("pubdid", ucd="meta.ref.ivoid", utype="ssa:Curation.PublisherDID"),
    Field("targname", ucd="meta.id;src", utype="ssa:Target.Name"),
    Field("targpos", "double:2", "deg", "pos.eq;src", "ssa:Target.Pos"),
    Field(
        *("location", "double:2", "deg", "pos.eq"),
        f"{_SKY}.Coverage.Location.Value",
    ),
    Field(
        *("aperture", "double", "deg", "phys.angSize;instr.fov"),
        f"{_SKY}.Coverage.Bounds.Extent",
    ),
    Field("region", utype=f"{_SKY}.Coverage.Support.Area"),
    Field("dateobs", "double", "d", "time.epoch", f"{_TIME}.Coverage.Location.Value"),
    Field("timeext", "double", "s", "time.duration", f"{_TIME}.Coverage.Bounds.Extent"),
    Field("timestart", "double", "d", "time.start", f"{_TIME}.Coverage.Bounds.Start"),
    Field("timestop", "double", "d", "time.end", f"{_TIME}.Coverage.Bounds.Stop"),
    Field("specmid", "double", "m", "em.wl", f"{_WAVE}.Coverage.Location.Value"),
    Field(
        *("specext", "double", "m", "em.wl;instr.bandwidth"),
        f"{_WAVE}.Coverage.Bounds.Extent",
    ),
    Field(
        "specstart", "double", "m", "em.wl;stat.min", f"{_WAVE}.Coverage.Bounds.Start"
    ),
    Field("specend", "double", "m", "em.wl;stat.max", f"{_WAVE}.Coverage.Bounds.Stop"),
    Field("specucd", utype=f"{_WAVE}.Ucd"),
    Field("fluxucd", utype=f"{_FLUX}.Ucd"),
    Field("fluxcalib", utype=f"{_FLUX}.Calibration"),
    Field("context", meaning="CRDS context that it was made in"),
    Field("jwst", meaning="Version of the jwst package that made it"),
)

_PARAMS: Final = (
    Param("INPUT:POS", "Middle of a circle: RA,Dec in degrees, ICRS"),
    Param("INPUT:SIZE", "Diameter of the circle, in degrees", str(_SIZE_DEG)),
    Param("INPUT:BAND", "Wavelength, or range of it (1e-6/5e-6), in m"),
    Param("INPUT:TIME", "Time, or range of it, ISO 8601, UTC"),
    Param("INPUT:FORMAT", "application/fits, or METADATA", "ALL"),
    Param("INPUT:TARGETNAME", "Name of the target; * stands for anything"),
    Param("INPUT:MAXREC", f"Spectra at most, up to {_MOST}", str(_DEFAULT)),
)

_PROTOCOL: Final = Info("SERVICE_PROTOCOL", "1.1", "SSAP")


@router.get("/vo/ssa")
def query_spectra(request: Request) -> Response:
    """Find spectra."""
    given = {name.upper(): value for name, value in request.query_params.items()}
    try:
        return _answer(request, given)
    except QueryError as error:
        status = Info("QUERY_STATUS", "ERROR", str(error))
        return write_votable((), (), infos=[status, _PROTOCOL])


def _answer(request: Request, given: Mapping[str, str]) -> Response:
    if given.get("REQUEST", "").lower() != "querydata":
        raise QueryError("Expected REQUEST=queryData.")
    if given.get("VERSION", "1.1") not in {"1.0", "1.1", "1.04"}:
        raise QueryError("This service speaks SSA 1.1.")
    formats = _read_formats(given.get("FORMAT", ""))
    if "metadata" in formats:
        infos = [Info("QUERY_STATUS", "OK"), _PROTOCOL]
        return write_votable(_FIELDS, (), infos=infos, params=_PARAMS)
    most = _read_limit(given.get("MAXREC", ""))
    found: tuple[FoundProduct, ...] = ()
    query = _to_query(given, most + 1)
    if formats & _NATIVE and most:
        found = find_site(request).database.products.find(query)
    state = "OVERFLOW" if len(found) > most or not most else "OK"
    base = find_base(request)
    return write_votable(
        _FIELDS,
        (_to_row(one, base) for one in found[:most]),
        infos=[Info("QUERY_STATUS", state), _PROTOCOL],
        link=Link(
            *("ivo://ivoa.net/std/DataLink#links-1.1", f"{base}/vo/datalink"),
            *("ID", "pubdid"),
        ),
    )


def _to_query(given: Mapping[str, str], limit: int) -> ProductQuery:
    return ProductQuery(
        near=tuple(_read_circle(given)),
        waves=tuple(_read_bands(given.get("BAND", ""))),
        periods=tuple(_read_times(given.get("TIME", ""))),
        targets=(name,) if (name := given.get("TARGETNAME", "")) else (),
        kinds=_KINDS,
        limit=limit,
    )


def _read_formats(text: str) -> frozenset[str]:
    formats = frozenset(word.strip().lower() for word in (text or "all").split(","))
    known = _NATIVE | _OTHERS
    if strange := [one for one in formats if one not in known and "/" not in one]:
        raise QueryError(f"There is no FORMAT {strange[0][:40]!r}.")
    return formats


def _read_limit(text: str) -> int:
    if not text:
        return _DEFAULT
    if not text.isdecimal() or len(text) > 9:
        raise QueryError("Expected a number as MAXREC.")
    return min(int(text), _MOST)


def _read_circle(given: Mapping[str, str]) -> Iterator[Cone]:
    if not given.get("POS"):
        return
    place, _, frame = given["POS"].partition(";")
    if frame.strip().upper() not in {"", "ICRS"}:
        raise QueryError("Expected POS in ICRS.")
    numbers = _read_numbers("POS", place.split(","), 2)
    (size_deg,) = _read_numbers("SIZE", [given.get("SIZE") or str(_SIZE_DEG)], 1)
    yield Cone(numbers[0], numbers[1], size_deg / 2)


def _read_bands(text: str) -> Iterator[Span]:
    for part in filter(None, text.split(",")):
        low, is_range, high = part.partition("/")
        ends = (low, high) if is_range else (low, low)
        given = [
            end or str(default) for end, default in zip(ends, _BAND_M, strict=True)
        ]
        first, last = _read_numbers("BAND", given, 2)
        yield Span(first * 1e6, last * 1e6)


def _read_times(text: str) -> Iterator[Period]:
    for part in filter(None, text.split(",")):
        low, is_range, high = part.partition("/")
        first = _to_mjd(low, _FIRST_MJD)
        last = _to_mjd(high, _LAST_MJD) if is_range else first + _get_length(low)
        yield Period(first, last)


def _get_length(text: str) -> float:
    """Return how long a time is, in days: a date without a time is a day."""
    return 0.0 if "T" in text else 1.0


def _to_mjd(text: str, default: float) -> float:
    if not text.strip():
        return default
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise QueryError(f"Expected TIME as ISO 8601, got {text[:40]!r}.") from error
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    return (aware - _MJD_0).total_seconds() / _DAY_S


def _read_numbers(name: str, words: list[str], count: int) -> list[float]:
    if len(words) != count:
        raise QueryError(f"Expected {count} numbers as {name}.")
    try:
        return [float(word) for word in words]
    except ValueError as error:
        said = ",".join(words)[:40]
        raise QueryError(f"Expected numbers as {name}, got {said!r}.") from error


def _to_row(one: FoundProduct, base: str) -> Mapping[str, Cell]:
    source: dict[str, Cell] = {
        "acref": locate_product(base, one),
        "mime": "application/fits",
        "accsize": -(-one.product.size_bytes // 1000),
        "datamodel": "Spectrum-1.0",
        "datatype": "Spectrum",
        "title": one.product.name,
        "collection": "JWST",
        "creator": f"Rewebb, jwst {one.jwst}",
        "date": one.finished_at.strftime("%Y-%m-%dT%H:%M:%S"),
        "creationtype": "archival",
        "datasource": "pointed",
        "version": one.context,
        "publisher": "Rewebb",
        "pubdid": name_product(one),
        "specucd": "em.wl",
        "fluxucd": "phot.flux.density;em.wl",
        "fluxcalib": "ABSOLUTE",
        "context": one.context,
        "jwst": one.jwst,
    }
    return {**source, **_to_coverage(one)}


def _to_coverage(one: FoundProduct) -> Mapping[str, Cell]:
    facts = one.facts
    if facts is None:
        return {}
    place = None
    if facts.ra_deg is not None and facts.dec_deg is not None:
        place = (facts.ra_deg, facts.dec_deg)
    mid, width = _measure(facts.wave_min_m, facts.wave_max_m)
    at, lasted_d = _measure(facts.start_mjd, facts.end_mjd)
    return {
        "length": count_samples(facts),
        "instrument": facts.instrument,
        "targname": facts.target,
        "targpos": place,
        "location": place,
        "aperture": find_radius_deg(place, facts.region) * 2 if place else None,
        "region": facts.region,
        "dateobs": at,
        "timeext": None if lasted_d is None else facts.exposure_s or lasted_d * _DAY_S,
        "timestart": facts.start_mjd,
        "timestop": facts.end_mjd,
        "specmid": mid,
        "specext": width,
        "specstart": facts.wave_min_m,
        "specend": facts.wave_max_m,
    }


def _measure(
    low: float | None, high: float | None
) -> tuple[float | None, float | None]:
    """Give the middle and the length of a range."""
    if low is None or high is None:
        return None, None
    return (low + high) / 2, high - low
