"""Which exposures a query asks for, and the listing of a source that only has files.

Of such a source names are looked at first, then the headers of those that may be asked
for, then what belongs to them. The contract suite of the sources holds what headers
tell against the search of MAST. Nothing here asks a source.
"""

import filecmp
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import degrees, radians
from pathlib import Path
from typing import Final, TypeVar

from ..errors import ArchiveError, FileNameError
from ..models.exposures import Exposure, UnusableFile
from ..models.products import Cone
from ..names import (
    CompanionName,
    ExposureName,
    check_file_name,
    parse_companion_name,
    parse_exposure_name,
)
from .headers import HeaderValue
from .source import Access, Facts, FileKind, Listing, Query, RemoteFile

__all__ = [
    "HeldFile",
    "ScreenedFiles",
    "fits",
    "have_same_bytes",
    "is_asked_for",
    "is_asked_for_by_name",
    "keep_one_of_each",
    "parse_utc",
    "refuse_other_kinds",
    "screen",
    "to_listing",
]

_File = TypeVar("_File")

_Header = Mapping[str, HeaderValue]
"""A primary header, upper-case keywords."""

_OPTICS: Final = ("FILTER", "PUPIL", "GRATING", "BAND")
"""Keywords of the optical elements."""

_NO_ELEMENT: Final = frozenset(["", "N/A", "NONE", "NULL"])
"""What they hold where there is none."""

_COMPANION_ENDINGS: Final = ("_msa.fits", "_pool.csv", "_asn.json")
"""Of the names of what belongs to exposures."""

_GUIDE_STAR: Final = "_gs-"
"""In the names of guide-star exposures, which are never asked for."""


@dataclass(frozen=True, slots=True)
class HeldFile:
    """A file of a source of which nothing was read yet, not even its name."""

    name: str
    """Bare file name, as the source gives it."""
    uri: str
    """How the source calls it."""
    size_bytes: int
    """How long it is."""
    entity: str = ""
    """How the source calls this version of it, if it does."""


@dataclass(frozen=True, slots=True)
class ScreenedFiles:
    """Files, sorted by what their names say."""

    exposures: list[RemoteFile] = field(default_factory=list)
    """Of the kind that is asked for, and not excluded by name."""
    companions: list[RemoteFile] = field(default_factory=list)
    """MSA metafiles, pools and associations."""
    refused: list[str] = field(default_factory=list)
    """Names that touch no path, each with why."""


def fits(facts: Facts, query: Query) -> bool:
    """Return whether an exposure fits all of a query but its cone.

    A criterion on what is not known is not met. Of a target only ``*`` is special
    (``[KAG2008] 13`` is not); of a time the begin is included, the end is not.
    """
    return (
        query.access in {None, facts.access}
        and _is_of(facts, query)
        and _is_any(facts.instrument, [query.instrument] if query.instrument else [])
        and _is_any(facts.exp_type, query.exp_types)
        and (not query.cycles or facts.cycle in query.cycles)
        and _has_optics(facts.optics, query.optics)
        and _has_target(facts.target, query.target)
        and _is_taken_between(facts.taken, query.taken_from, query.taken_until)
    )


def is_asked_for(exposure: Exposure, query: Query) -> bool:
    """Return whether an exposure that everybody may have fits a query."""
    return fits(_read_facts(exposure), query) and _is_within(
        exposure.header, query.cone
    )


def is_asked_for_by_name(name: ExposureName | UnusableFile, query: Query) -> bool:
    """Return whether an exposure may fit a query, as far as its name says."""
    return query.access in {None, Access.PUBLIC} and _is_of(name, query)


def parse_utc(text: str) -> datetime | None:
    """Read a time of a header or of MAST, which is UTC without saying it."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        return None


def refuse_other_kinds(query: Query) -> None:
    """Refuse a query for anything but exposures, raw or as countrates."""
    if query.kind not in {FileKind.UNCAL, FileKind.RATE}:
        raise ArchiveError(
            f"expected a search for uncal or rate, got one for {query.kind}"
        )


def screen(held: Iterable[HeldFile], query: Query) -> ScreenedFiles:
    """Sort files by what their names say.

    Raises
    ------
    ArchiveError
        The query is for what neither names nor headers tell.
    """
    refuse_other_kinds(query)
    if query.cycles:
        raise ArchiveError(
            "expected a search without proposal cycles, which only MAST knows; name "
            "programs or targets"
        )
    screened = ScreenedFiles()
    for file in held:
        try:
            _put(file, screened, query)
        except FileNameError as error:
            screened.refused.append(str(error))
    return screened


def keep_one_of_each(
    files: Iterable[_File],
    place_of: Callable[[_File], str],
    is_same: Callable[[_File, _File], bool],
) -> list[_File]:
    """Keep one file of each name, the first that is given.

    The path or URI of a file ends with its name. One name that stands for different
    bytes is an error.
    """
    kept: dict[str, _File] = {}
    for file in files:
        place = place_of(file)
        name = place.rpartition("/")[2]
        first = kept.setdefault(name, file)
        if first is not file and not is_same(first, file):
            raise ArchiveError(
                f"two different files are named {name}: {place_of(first)} and "
                f"{place}; remove one"
            )
    return list(kept.values())


def have_same_bytes(one: Path, other: Path) -> bool:
    """Compare two files by inode, then by content."""
    try:
        return one.samefile(other) or filecmp.cmp(one, other, shallow=False)
    except OSError:
        return False


def to_listing(
    query: Query,
    examined: Iterable[tuple[RemoteFile, Exposure | UnusableFile]],
    *,
    companions: Iterable[RemoteFile] = (),
    refused: Iterable[str] = (),
) -> Listing:
    """List what is asked for.

    A file whose header cannot be read is listed as well, so that it is missed and not
    forgotten; where the query asks for what only headers tell, it is refused.

    Parameters
    ----------
    examined
        What its name does not exclude already, and what its header says.
    companions
        Files of which those are listed that belong to the listed exposures.
    """
    files, found, doubted = list[RemoteFile](), list[Exposure | UnusableFile](), []
    for file, one in examined:
        if isinstance(one, Exposure):
            if not is_asked_for(one, query):
                continue
            file = _describe(file, one)  # noqa: PLW2901  # the same, better known
        elif not is_asked_for_by_name(one, query):
            continue
        elif _asks_headers(query):
            doubted.append(one.reason)
            continue
        files.append(file)
        found.append(one)
    files += _find_companions(found, companions)
    files.sort(key=lambda file: file.name)
    return Listing(tuple(files), tuple(sorted([*refused, *doubted])))


def _put(file: HeldFile, screened: ScreenedFiles, query: Query) -> None:
    """Put a file where it belongs; refuse it, or leave it out."""
    ending = f"_{query.kind}.fits"
    plain = file.name.casefold().strip()
    if _GUIDE_STAR in plain or not plain.endswith((ending, *_COMPANION_ENDINGS)):
        return
    check_file_name(file.name)
    if companion := _companion_name(file.name):
        kind = FileKind(companion.kind)
        screened.companions.append(_to_remote_file(file, companion, kind))
    elif plain.endswith(ending):
        name = parse_exposure_name(file.name.removesuffix(ending))
        if is_asked_for_by_name(name, query):
            screened.exposures.append(_to_remote_file(file, name, query.kind))


def _to_remote_file(
    file: HeldFile, name: ExposureName | CompanionName, kind: FileKind
) -> RemoteFile:
    return RemoteFile(
        name=file.name,
        uri=file.uri,
        kind=kind,
        size_bytes=file.size_bytes,
        entity=file.entity,
        program=name.program,
        observation=name.observation,
    )


def _companion_name(name: str) -> CompanionName | None:
    try:
        return parse_companion_name(name)
    except FileNameError:
        return None


def _asks_headers(query: Query) -> bool:
    """Return whether a query asks for what names do not tell."""
    return query != Query(
        program=query.program,
        observations=query.observations,
        access=query.access,
        kind=query.kind,
    )


def _find_companions(
    found: Sequence[Exposure | UnusableFile], held: Iterable[RemoteFile]
) -> list[RemoteFile]:
    """Find what belongs to exposures.

    An MSA metafile belongs to the exposures whose headers name it, an association of
    an observation to the exposures of that, a pool or another association to all
    exposures of the program.
    """
    headers = [one.header for one in found if isinstance(one, Exposure)]
    metafiles = {str(header.get("MSAMETFL")) for header in headers}
    observed = {(one.program, one.observation) for one in found}
    observed |= {(program, "") for program, _ in observed}
    return [
        file
        for file in held
        if (
            file.name in metafiles
            if file.kind is FileKind.MSA
            else (file.program, file.observation) in observed
        )
    ]


def _describe(file: RemoteFile, exposure: Exposure) -> RemoteFile:
    facts = _read_facts(exposure)
    return replace(
        file,
        instrument=facts.instrument,
        exp_type=facts.exp_type,
        optics=facts.optics,
        target=facts.target,
        taken=facts.taken,
    )


def _read_facts(exposure: Exposure) -> Facts:
    """Read in a header what a query may ask for."""
    header = exposure.header
    elements = (str(header.get(keyword, "")).strip().upper() for keyword in _OPTICS)
    observed = f"{header.get('DATE-OBS')}T{header.get('TIME-OBS')}"  # MAST's date_obs
    return Facts(
        program=exposure.program,
        observation=exposure.observation,
        instrument=str(header.get("INSTRUME", "")).upper(),
        exp_type=exposure.exp_type,
        optics=";".join(one for one in elements if one not in _NO_ELEMENT),
        target=str(header.get("TARGPROP", "")),
        taken=parse_utc(observed) or parse_utc(str(header.get("DATE-BEG"))),
    )


def _is_of(name: Facts | ExposureName | UnusableFile, query: Query) -> bool:
    """Compare program and observation."""
    return query.program in {None, name.program} and (
        not query.observations or name.observation in query.observations
    )


def _is_any(value: str, wanted: Collection[str]) -> bool:
    """Return whether a value is one of those that are wanted, whatever its case."""
    return not wanted or value.upper() in {one.upper() for one in wanted}


def _has_optics(optics: str, wanted: Collection[str]) -> bool:
    """Return whether any of the elements was in the beam."""
    elements = filter(None, re.split(r"[;,/\s]+", optics))
    return not wanted or any(_is_any(one, wanted) for one in elements)


def _has_target(target: str, wanted: str | None) -> bool:
    if wanted is None or not target:
        return wanted is None
    pattern = ".*".join(re.escape(part) for part in wanted.split("*"))
    flags = re.IGNORECASE | re.DOTALL
    return re.fullmatch(pattern, target, flags) is not None


def _is_taken_between(
    taken: datetime | None, since: datetime | None, until: datetime | None
) -> bool:
    if since is None and until is None:
        return True
    return taken is not None and not (
        (since is not None and taken < since) or (until is not None and taken >= until)
    )


def _is_within(header: _Header, cone: Cone | None) -> bool:
    """Return whether the target is in a cone, its edge included."""
    if cone is None:
        return True
    ra_deg, dec_deg = header.get("TARG_RA"), header.get("TARG_DEC")
    if not (isinstance(ra_deg, int | float) and isinstance(dec_deg, int | float)):
        return False
    from astropy.coordinates import angular_separation  # a second: only when needed

    places_deg = (ra_deg, dec_deg, cone.ra_deg, cone.dec_deg)
    separation_deg = degrees(angular_separation(*map(radians, places_deg)))
    return separation_deg <= cone.radius_deg
