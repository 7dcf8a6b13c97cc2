"""What is asked of an archive, what it holds, and what a run needs of it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from workers.cache_contract import FileProgress
from workers.transfer import Opener

from ..models.exposures import Exposure, Inventory, UnusableFile
from ..models.products import Cone
from ..names import check_observations, check_program

__all__ = [
    "Access",
    "Archive",
    "Facts",
    "FetchListener",
    "FileKind",
    "Listing",
    "Query",
    "RemoteFile",
    "Source",
]

FetchListener = Callable[[FileProgress], None]
"""Called from a thread of its own, with the newest alone (`Notifier`)."""


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
    cycles: tuple[int, ...] = ()
    """Proposal cycles; any of them. Only MAST knows them, headers do not."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a query compares, whoever tells it; empty where it is not known."""

    program: str
    """Five digits."""
    observation: str
    """Three digits; empty where it is of the whole program."""
    instrument: str = ""
    """INSTRUME, of an exposure."""
    exp_type: str = ""
    """EXP_TYPE, of an exposure."""
    optics: str = ""
    """Optical elements, as the source says them: ``F115W;CLEAR, F444W;CLEAR``."""
    target: str = ""
    """Name of the target (TARGPROP)."""
    taken: datetime | None = None
    """Begin of the exposure, UTC."""
    cycle: int | None = None
    """Proposal cycle."""
    access: Access = Access.PUBLIC
    """Who may have it."""
    public_from: datetime | None = None
    """When it becomes, or became, public; UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile(Facts):
    """A file that a source holds."""

    name: str
    """Bare file name, checked."""
    uri: str
    """How the source calls it."""
    kind: FileKind
    """What it is."""
    size_bytes: int
    """How long the source says it is."""
    entity: str = ""
    """How a listing calls this version of it, if it does."""


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
    """Where files come from; subclasses that know no tokens need not tell of them."""

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

    def opener(self, file: RemoteFile) -> Opener:
        """Return what opens a file; one try each time, no retries.

        Raises
        ------
        NotHeldError
            The file is of another source.
        """
        ...

    @property
    def has_token(self) -> bool:
        """Whether files of exclusive access are asked for with a token."""
        return False

    def whoami(self) -> str | None:
        """Say whose the token is; None if the server does not know it.

        Raises
        ------
        ArchiveError
            The server does not tell.
        """
        return None

    def may_read(self, file: RemoteFile) -> bool:  # noqa: ARG002  # everybody may
        """Return whether the server gives a file.

        Raises
        ------
        ArchiveError
            The server does not tell.
        """
        return True


class Archive(Protocol):
    """What a run needs: the exposures of a program, and their files here."""

    def find(self, program: str) -> Inventory:
        """Find the exposures of a program.

        Raises
        ------
        UnknownProgramError
            There is no raw exposure of it.
        ArchiveError
            The archive cannot be read.
        """
        ...

    def fetch(
        self, exposures: Iterable[Exposure], *, listener: FetchListener
    ) -> tuple[Exposure, ...]:
        """Make the files of exposures local.

        Returns
        -------
        tuple of Exposure
            The same ones, with where they are; one that could not be fetched has that
            as its defect.

        Raises
        ------
        ArchiveError
            There is no room for them.
        """
        ...
