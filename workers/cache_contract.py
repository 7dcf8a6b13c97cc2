"""What crosses the wire about the CRDS cache: what to bring, to verify, and what came.

Standard library only, like `workers.contract`.
"""

from dataclasses import dataclass

from .contract import ReferenceFile, ResolveItem

__all__ = [
    "Account",
    "ArrayChange",
    "ContextsReport",
    "ContextsRequest",
    "DueFile",
    "FileProgress",
    "PrefetchReport",
    "PrefetchRequest",
    "Preview",
    "ReferenceChange",
    "ReferenceProblem",
    "VerifyReport",
    "VerifyRequest",
]


@dataclass(frozen=True, slots=True)
class PrefetchRequest:
    """Files of a CRDS context that are to be in a cache, whole, before jobs run."""

    items: tuple[ResolveItem, ...]
    """The jobs whose references are wanted; its mappings are wanted always."""
    context: str | None
    """CRDS context by name, ``build``, ``edit`` or date; None for the operational
    one."""
    crds_path: str
    """The CRDS cache; it is made."""
    server_url: str | None
    """The CRDS server, or None to take the cache as it is."""
    known: tuple[ReferenceFile, ...] = ()
    """Files whose sha1 need not be computed again while size and mtime stand."""
    everything: bool = False
    """Whether every reference of the context is wanted."""
    dry_run: bool = False
    """Whether references are only listed; mappings and ``pars-*`` files, which are
    small and without which there is nothing to tell, are fetched all the same."""


@dataclass(frozen=True, slots=True)
class DueFile:
    """A file that a dry run would fetch."""

    name: str
    """Bare file name."""
    size_bytes: int
    """Its size as the server says it; 0 where it does not."""


@dataclass(frozen=True, slots=True)
class ReferenceProblem:
    """What is wrong with a file of a CRDS cache."""

    name: str
    """Bare file name."""
    message: str
    """One sentence: what, expected and got, what was done or tried."""


@dataclass(frozen=True, slots=True)
class Account:
    """What was done with files of a CRDS cache, each by name."""

    files: tuple[ReferenceFile, ...]
    """Files that are there and good, as they are on disk, to be remembered."""
    fetched: tuple[ReferenceFile, ...]
    """Those of them that came from the server."""
    due: tuple[DueFile, ...]
    """Files that a dry run left where they are."""
    repaired: tuple[ReferenceProblem, ...]
    """Files that were bad: what was wrong and where the bad one is now."""
    failed: tuple[ReferenceProblem, ...]
    """Files that are not there, or not good: what was tried."""


@dataclass(frozen=True, slots=True)
class PrefetchReport(Account):
    """What a `PrefetchRequest` came to; also when some files could not be had."""

    context: str
    """The context, by its final name: what jobs are to be pinned to."""
    checked: int
    """Files that were wanted."""
    skipped: tuple[str, ...]
    """Jobs for which nothing can be selected; their resolution says the same."""
    notes: tuple[str, ...]
    """What one should know: what the answer rests on when the server is away."""


@dataclass(frozen=True, slots=True)
class VerifyRequest:
    """A CRDS cache of which every file is to be read and compared."""

    crds_path: str
    """The CRDS cache."""
    context: str | None
    """Context whose mappings must be there; None for the operational one."""
    server_url: str | None
    """The CRDS server to compare with, or None for what is remembered."""
    known: tuple[ReferenceFile, ...] = ()
    """What is remembered of the files."""
    repair: bool = False
    """Whether bad and missing files are fetched again."""


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What a `VerifyRequest` came to."""

    context: str
    """The context, by its final name."""
    checked: int
    """Files that were read."""
    bad: tuple[ReferenceProblem, ...]
    """Files that are not what their names stand for."""
    missing: tuple[str, ...]
    """Files that should be there: mappings of the context, and what is remembered."""
    unknown: tuple[str, ...]
    """Files of which nothing is known."""
    repaired: tuple[ReferenceProblem, ...]
    """Files that were bad and are good now."""
    failed: tuple[ReferenceProblem, ...]
    """Files that could not be repaired."""
    notes: tuple[str, ...]
    """What one should know: what the answer rests on when the server is away."""
    files: tuple[ReferenceFile, ...]
    """Every good file, as it is on disk, to be remembered."""


@dataclass(frozen=True, slots=True)
class FileProgress:
    """How far work over many files is: a fetch, a verification."""

    doing: str
    """What is going on, in a few words."""
    done: int
    """Files done."""
    total: int
    """Files to do."""
    done_bytes: int
    """Their sizes together."""
    total_bytes: int
    """Sizes of all together."""


@dataclass(frozen=True, slots=True)
class ContextsRequest:
    """Two contexts whose rules are to be compared."""

    before: str
    """A context, as in `PrefetchRequest`."""
    after: str
    """Another one."""
    crds_path: str
    """The CRDS cache."""
    server_url: str | None
    """The CRDS server that mappings are fetched from, or None to take the cache as it
    is."""
    known: tuple[ReferenceFile, ...] = ()
    """Files whose sha1 need not be computed again while size and mtime stand."""
    preview: bool = False
    """Whether to compare the files that were replaced."""


@dataclass(frozen=True, slots=True)
class ArrayChange:
    """How an array of a reference differs from that of another one."""

    part: str
    """Extension, as in ``SCI,1``; with the column of a table; with the row of a table
    of conversions to flux."""
    values: int
    """Values that it has."""
    changed: int
    """How many differ."""
    lost: int
    """How many were finite and are not any more."""
    gained: int
    """How many are finite and were not."""
    ratio: tuple[float, float, float] | None
    """Of after to before: 5th, 50th and 95th percentile of all values; None where there
    are none that are finite and not 0 in both."""
    largest_at_um: float | None = None
    """Wavelength of the largest change, where the array has one."""


@dataclass(frozen=True, slots=True)
class Preview:
    """How two files of CRDS differ."""

    arrays: tuple[ArrayChange, ...] = ()
    """Arrays that differ."""
    other: tuple[str, ...] = ()
    """What else differs, in words; or why they cannot be compared."""


@dataclass(frozen=True, slots=True)
class ReferenceChange:
    """A file that a context selects, and another does not."""

    instrument: str
    """In upper case."""
    reftype: str
    """Type of the reference (``photom``, ``pars-spec2pipeline``)."""
    match: tuple[tuple[str, str], ...]
    """Header keywords and their values that it is selected for, as the rules have them;
    none if the rules changed in another way."""
    before: str | None
    """The file; None where there was none."""
    after: str | None
    """The file now; None where there is none."""
    rules: str
    """Name of the rules (rmap) that have changed, as they were before."""
    preview: Preview | None = None
    """How the two differ, if that was asked for."""


@dataclass(frozen=True, slots=True)
class ContextsReport:
    """How two contexts differ."""

    before: str
    """The first one, by its final name."""
    after: str
    """The other one."""
    changes: tuple[ReferenceChange, ...]
    """By instrument and type."""
