"""Whether an exposure is what a query asks for, told by its name and its header.

For sources that have no search of their own. Everything here is pure; the contract
suite of the sources holds it against the search of MAST.
"""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from math import asin, cos, degrees, radians, sin, sqrt
from typing import Final

from flows.models.exposures import Exposure, UnusableFile
from flows.names import ExposureName

from .listing import Access, Cone, Query
from .matching import has_target, is_either, is_taken_between, tuple_of
from .roles import HeaderValue

__all__ = ["asks_headers", "is_asked_for", "is_asked_for_by_name", "optics_of"]

Header = Mapping[str, HeaderValue]
"""A primary header, upper-case keywords."""

_OPTICS: Final = ("FILTER", "PUPIL", "GRATING", "BAND")
"""Keywords of the optical elements."""

_NO_ELEMENT: Final = frozenset(["", "N/A", "NONE", "NULL"])
"""What they hold where there is none."""


def is_asked_for(exposure: Exposure, query: Query) -> bool:
    """Tell whether an exposure that everybody may have fits a query.

    A criterion on what the header does not say is not met.
    """
    header = exposure.header
    return (
        query.access in {None, Access.PUBLIC}
        and _is_of(exposure, query)
        and is_either(header.get("INSTRUME"), tuple_of(query.instrument))
        and is_either(exposure.exp_type, query.exp_types)
        and _has_optics(header, query.optics)
        and has_target(header.get("TARGPROP"), query.target)
        and _is_within(header, query.cone)
        and is_taken_between(_begin_of(header), query.taken_from, query.taken_until)
    )


def is_asked_for_by_name(name: ExposureName | UnusableFile, query: Query) -> bool:
    """Tell whether an exposure may fit a query, as far as its name says."""
    return query.access in {None, Access.PUBLIC} and _is_of(name, query)


def _is_of(name: Exposure | ExposureName | UnusableFile, query: Query) -> bool:
    """Compare program and observation."""
    return query.program in {None, name.program} and (
        not query.observations or name.observation in query.observations
    )


def asks_headers(query: Query) -> bool:
    """Tell whether a query asks for what names do not tell."""
    return query != Query(
        program=query.program,
        observations=query.observations,
        access=query.access,
        kind=query.kind,
    )


def optics_of(header: Header) -> list[str]:
    """List the optical elements."""
    values = (str(header.get(keyword, "")).strip().upper() for keyword in _OPTICS)
    return [value for value in values if value not in _NO_ELEMENT]


def _has_optics(header: Header, wanted: Collection[str]) -> bool:
    """Tell whether any of the elements was in the beam."""
    return not wanted or any(is_either(one, wanted) for one in optics_of(header))


def _is_within(header: Header, cone: Cone | None) -> bool:
    """Tell whether the target is in a cone, its edge included."""
    if cone is None:
        return True
    ra_deg, dec_deg = header.get("TARG_RA"), header.get("TARG_DEC")
    if not (isinstance(ra_deg, int | float) and isinstance(dec_deg, int | float)):
        return False
    separation_deg = _separation_deg(ra_deg, dec_deg, cone.ra_deg, cone.dec_deg)
    return separation_deg <= cone.radius_deg


def _separation_deg(ra1: float, dec1: float, ra2: float, dec2: float) -> float:
    """Give the angle between two directions; the haversine keeps small ones exact."""
    across = sin(radians(ra2 - ra1) / 2) ** 2
    along = sin(radians(dec2 - dec1) / 2) ** 2
    haversine = along + cos(radians(dec1)) * cos(radians(dec2)) * across
    return degrees(2 * asin(sqrt(min(haversine, 1.0))))


def _begin_of(header: Header) -> datetime | None:
    """Read when an exposure began; as MAST's date_obs, or else DATE-BEG."""
    observed = f"{header.get('DATE-OBS')}T{header.get('TIME-OBS')}"
    return _parse_utc(observed) or _parse_utc(str(header.get("DATE-BEG")))


def _parse_utc(text: str) -> datetime | None:
    """Read a time of a header, which is UTC without saying it."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        return None
