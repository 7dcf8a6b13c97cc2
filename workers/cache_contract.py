"""What crosses the wire about the CRDS cache: what to bring, to verify, and what came.

Standard library only, like `workers.contract`.
"""

from dataclasses import dataclass

from .contract import ReferenceFile, ResolveItem

__all__ = [
    "Account",
    "DueFile",
    "FileProgress",
    "PrefetchReport",
    "PrefetchRequest",
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
