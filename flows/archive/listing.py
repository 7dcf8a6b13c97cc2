"""What is asked of an archive, and what it says that it holds."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from flows.models.exposures import UnusableFile
from flows.names import check_observations, check_program
from workers.transfer import Body

__all__ = ["Access", "Cone", "FileKind", "Listing", "Query", "RemoteFile", "Source"]


class Access(StrEnum):
    """Who may have a file."""

    PUBLIC = "public"
    """Everybody."""
    EXCLUSIVE = "exclusive"
    """Those of the program, until a date."""


class FileKind(StrEnum):
    """What a file is, by the suffix of its name."""

    UNCAL = "uncal"
    """A raw exposure."""
    RATE = "rate"
    """A countrate image, for those who start there."""
    MSA = "msa"
    """An MSA metafile (MSAMETFL)."""
    POOL = "pool"
    """A pool of DMS."""
    ASN = "asn"
    """An association of DMS."""


@dataclass(frozen=True, slots=True)
class Cone:
    """A circle on the sky."""

    ra_deg: float
    """Right ascension of its centre, ICRS."""
    dec_deg: float
    """Declination of its centre, ICRS."""
    radius_deg: float
    """Its radius."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is asked for; everything that is given must hold."""

    program: str | None = None
    """Five digits."""
    observations: tuple[str, ...] = ()
    """Three digits each; any of them."""
    target: str | None = None
    """Name of the target (TARGPROP), whatever its case; ``*`` stands for anything."""
    cone: Cone | None = None
    """Where the target is."""
    instrument: str | None = None
    """INSTRUME."""
    exp_types: tuple[str, ...] = ()
    """EXP_TYPE; any of them."""
    optics: tuple[str, ...] = ()
    """Optical elements (FILTER, GRATING, PUPIL, BAND); any of them."""
    taken_from: datetime | None = None
    """Begin of the exposure, at the earliest; UTC."""
    taken_until: datetime | None = None
    """Begin of the exposure, before this; UTC."""
    access: Access | None = None
    """Who may have it."""
    kind: FileKind = FileKind.UNCAL
    """The exposures to list, raw or as countrates."""

    def __post_init__(self) -> None:
        """Refuse ids that are none: they could be an operator of a search, or a path.

        Raises
        ------
        IdError
            The program is not five digits, or an observation not three.
        """
        if self.program is not None:
            check_program(self.program)
        check_observations(self.observations)


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file that a source holds."""

    name: str
    """Bare file name, checked."""
    uri: str
    """How the source calls it."""
    kind: FileKind
    """What it is."""
    size_bytes: int
    """How long the source says it is."""
    program: str
    """Five digits."""
    observation: str
    """Three digits; empty where it is of the whole program."""
    instrument: str = ""
    """INSTRUME, where it is of an exposure."""
    exp_type: str = ""
    """EXP_TYPE, where it is of an exposure."""
    optics: str = ""
    """Optical elements, as the source says them."""
    target: str = ""
    """Name of the target."""
    access: Access = Access.PUBLIC
    """Who may have it."""
    public_from: datetime | None = None
    """When it becomes, or became, public; UTC."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What a source holds of what was asked for."""

    files: tuple[RemoteFile, ...]
    """Every file, by name; exclusive ones included."""
    refused: tuple[str, ...] = ()
    """Names that a server gave and that touch no path, each with why."""
    unlisted: tuple[UnusableFile, ...] = ()
    """Exposures that a server knows, but lists no files of."""

    def __iter__(self) -> Iterator[RemoteFile]:
        """Iterate over the files."""
        return iter(self.files)


class Source(Protocol):
    """Where files come from."""

    @property
    def name(self) -> str:
        """How messages call it."""
        ...

    def search(self, query: Query) -> Listing:
        """List what it holds of what is asked for.

        Beside the exposures these are the MSA metafiles, pools and associations that
        belong to them, where the source has them.

        Raises
        ------
        ArchiveError
            The source gave no, or no whole, answer; it says what was tried.
        """
        ...

    def open(
        self,
        file: RemoteFile,
        *,
        start_byte: int = 0,
        end_byte: int | None = None,
        entity: str | None = None,
    ) -> AbstractContextManager[Body]:
        """Open a file as `workers.transfer.Opener` says; one try, no retries.

        Parameters
        ----------
        start_byte, end_byte
            The bytes that are wanted; the end is not included.
        entity
            Only of this version, else all of the new one is given from its begin.
        """
        ...
