"""Files that a source holds become a listing.

For sources that only have files: their names are looked at first, then the headers of
those that may be asked for, then what belongs to them. Everything here is pure.
"""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from flows.errors import ArchiveError, FileNameError
from flows.models.exposures import Exposure, UnusableFile
from flows.names import check_file_name, parse_exposure_name

from .header_search import asks_headers, is_asked_for, is_asked_for_by_name, optics_of
from .listing import FileKind, Listing, Query, RemoteFile

__all__ = [
    "ExaminedFile",
    "HeldFile",
    "ScreenedFiles",
    "keep_one_of_each",
    "screen",
    "to_listing",
]

_COMPANION: Final = re.compile(
    r"jw(?P<program>[0-9]{5})"
    r"(?:(?P<visited>[0-9]{3})[0-9]{3}(?=.*_msa\.fits)"
    r"|-(?:o(?P<joined>[0-9]{3})|[ca][0-9]{4})(?=.*_asn\.json)"
    r"|(?=.*_pool\.csv))(?:_[a-z0-9-]+)*_(?P<kind>msa|asn|pool)\.[a-z]+"
)
"""``jw02736007001_01_msa.fits``, ``jw02736_20240614t123456_pool.csv`` and
``jw02736-o007_20240614t123456_spec2_00001_asn.json``."""

_ENDINGS: Final = ("_msa.fits", "_pool.csv", "_asn.json")
"""Of their names."""

_GUIDE_STAR: Final = "_gs-"
"""In the names of guide-star exposures, which are never asked for."""


@dataclass(frozen=True, slots=True)
class HeldFile:
    """A file of a source of which nothing was read yet."""

    name: str
    """Bare file name, as the source gives it."""
    uri: str
    """How the source calls it."""
    size_bytes: int
    """How long it is."""
    entity: str = ""
    """How the source calls this version of it, if it does."""


@dataclass(frozen=True, slots=True)
class ExaminedFile:
    """A raw exposure or a countrate of which the primary header was read."""

    held: HeldFile
    """The file."""
    found: Exposure | UnusableFile
    """What its header says, or why that is not known."""


@dataclass(frozen=True, slots=True)
class ScreenedFiles:
    """Files, sorted by what their names say."""

    exposures: list[HeldFile] = field(default_factory=list)
    """Of the kind that is asked for, and not excluded by name."""
    companions: list[HeldFile] = field(default_factory=list)
    """MSA metafiles, pools and associations."""
    refused: list[str] = field(default_factory=list)
    """Names that touch no path, each with why."""


def to_listing(
    query: Query,
    examined: Iterable[ExaminedFile],
    *,
    companions: Iterable[HeldFile] = (),
    refused: Iterable[str] = (),
) -> Listing:
    """List what is asked for.

    A file whose header cannot be read is listed as well, so that it is missed and not
    forgotten; where the query asks for what only headers tell, it is refused.

    Parameters
    ----------
    examined
        What its name does not exclude already.
    companions
        Files of which those are listed that belong to the listed exposures.
    refused
        Names that were refused before.
    """
    seen = tuple(examined)
    kept = [one for one in seen if _is_listed(one.found, query)]
    files = [_to_remote_file(one, query.kind) for one in kept]
    files += _find_companions([one.found for one in kept], companions)
    files.sort(key=lambda file: file.name)
    return Listing(tuple(files), tuple(sorted([*refused, *_doubts(seen, query)])))


def screen(held: Iterable[HeldFile], query: Query) -> ScreenedFiles:
    """Sort files by what their names say.

    Raises
    ------
    ArchiveError
        Neither raw exposures nor countrates are asked for.
    """
    if query.kind not in {FileKind.UNCAL, FileKind.RATE}:
        raise ArchiveError(f"expected to be asked for uncal or rate, got {query.kind}")
    screened = ScreenedFiles()
    for file in held:
        try:
            _put(file, screened, query)
        except FileNameError as error:
            screened.refused.append(str(error))
    return screened


def keep_one_of_each(
    held: Iterable[HeldFile], is_same: Callable[[HeldFile, HeldFile], bool]
) -> list[HeldFile]:
    """Keep one file of each name, the first by URI; all of them must be the same.

    Raises
    ------
    ArchiveError
        One name stands for different files.
    """
    kept: dict[str, HeldFile] = {}
    for file in sorted(held, key=lambda file: file.uri):
        first = kept.setdefault(file.name, file)
        if first is not file and not is_same(first, file):
            raise ArchiveError(
                f"two different files are named {file.name}: {first.uri} and "
                f"{file.uri}; remove one"
            )
    return list(kept.values())


def _put(file: HeldFile, screened: ScreenedFiles, query: Query) -> None:
    """Put a file where it belongs; refuse it, or leave it out."""
    ending = f"_{query.kind}.fits"
    plain = file.name.casefold().strip()
    if _GUIDE_STAR in plain or not plain.endswith((ending, *_ENDINGS)):
        return
    check_file_name(file.name)
    if _COMPANION.fullmatch(file.name):
        screened.companions.append(file)
    elif plain.endswith(ending):
        name = parse_exposure_name(file.name.removesuffix(ending))
        if is_asked_for_by_name(name, query):
            screened.exposures.append(file)


def _is_listed(found: Exposure | UnusableFile, query: Query) -> bool:
    """Tell whether an exposure is asked for, or may be and is to be missed."""
    if isinstance(found, Exposure):
        return is_asked_for(found, query)
    return is_asked_for_by_name(found, query) and not asks_headers(query)


def _doubts(seen: Iterable[ExaminedFile], query: Query) -> list[str]:
    """Say of which exposures it is not known whether they are asked for."""
    unusable = [one.found for one in seen if isinstance(one.found, UnusableFile)]
    return [
        file.reason
        for file in unusable
        if is_asked_for_by_name(file, query) and asks_headers(query)
    ]


def _to_remote_file(one: ExaminedFile, kind: FileKind) -> RemoteFile:
    """Say of an exposure what sources say of their files."""
    header = one.found.header if isinstance(one.found, Exposure) else {}
    return RemoteFile(
        name=one.held.name,
        uri=one.held.uri,
        kind=kind,
        size_bytes=one.held.size_bytes,
        program=one.found.program,
        observation=one.found.observation,
        instrument=str(header.get("INSTRUME", "")).upper(),
        exp_type=str(header.get("EXP_TYPE", "")).upper(),
        optics=";".join(optics_of(header)),
        target=str(header.get("TARGPROP", "")),
    )


def _find_companions(
    found: Sequence[Exposure | UnusableFile], held: Iterable[HeldFile]
) -> list[RemoteFile]:
    """Find what belongs to exposures.

    An MSA metafile belongs to the exposures whose headers name it, an association of
    an observation to the exposures of that, a pool or another association to all
    exposures of the program.
    """
    headers = [one.header for one in found if isinstance(one, Exposure)]
    metafiles = {str(header.get("MSAMETFL")) for header in headers}
    observed = {(one.program, one.observation) for one in found}
    files = (_to_companion(file) for file in held)
    return [file for file in files if file and _belongs(file, metafiles, observed)]


def _to_companion(held: HeldFile) -> RemoteFile | None:
    """Take the name of a companion apart; give None for other files."""
    match = _COMPANION.fullmatch(held.name)
    if match is None:
        return None
    return RemoteFile(
        name=held.name,
        uri=held.uri,
        kind=FileKind(match["kind"]),
        size_bytes=held.size_bytes,
        program=match["program"],
        observation=match["visited"] or match["joined"] or "",
    )


def _belongs(
    file: RemoteFile,
    metafiles: Collection[str],
    observed: Collection[tuple[str, str]],
) -> bool:
    """Tell whether a companion belongs to what was found."""
    if file.kind is FileKind.MSA:
        return file.name in metafiles
    if file.observation:
        return (file.program, file.observation) in observed
    return any(file.program == program for program, _ in observed)
