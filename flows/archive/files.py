"""Files of an archive, apart from a run: what is there, and bringing it here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import ArchiveError
from ..layout import RAW
from .access import admit, describe_withheld
from .fetch import Fetcher, FetchReport
from .folder import FolderArchive
from .source import FetchListener, Listing, Query, RemoteFile, Source
from .vault import Vault

__all__ = ["FetchedFiles", "FoundFiles", "fetch_files", "find_files", "list_files"]


@dataclass(frozen=True, slots=True)
class FoundFiles:
    """What an archive holds of what was asked for."""

    source: str
    """The archive."""
    files: tuple[RemoteFile, ...]
    """Every file, by name."""
    here: tuple[str, ...]
    """Names of those of which there is a local copy."""
    refused: tuple[str, ...]
    """Names that the archive gave and that touch no path, with why."""


@dataclass(frozen=True, slots=True)
class FetchedFiles:
    """What a fetch came to, or would do."""

    source: str
    """The archive."""
    folder: Path
    """Where the files are, below it by version."""
    dry_run: bool
    """Whether nothing was fetched."""
    files: tuple[str, ...]
    """What was fetched, or would be."""
    size_bytes: int
    """Its size."""
    have: int
    """How many files were here already, unchanged."""
    withheld: tuple[str, ...]
    """Observations of exclusive access, with the date that they become public."""
    refused: tuple[str, ...]
    """Names that the archive gave and that touch no path, with why."""
    failed: Mapping[str, str] = field(default_factory=dict)
    """Files that could not be fetched, with what was tried."""
    unchecked: Mapping[str, str] = field(default_factory=dict)
    """Files that are here, and of which the archive did not tell whether it has changed
    them."""


def find_files(source: Source, vault: Vault, query: Query) -> FoundFiles:
    """Find what an archive holds of what is asked for; not all that it holds."""
    is_local = isinstance(source, FolderArchive)
    # MAST is not asked for access and optics: they only sort out what it answers.
    whole = Query(kind=query.kind, access=query.access, optics=query.optics)
    if not is_local and query == whole:
        raise ArchiveError(
            f"Say what to search {source.name} for: a program, a target, a cone, a "
            "mode or a date; all of it is too much, and optics or access alone make "
            "it no less."
        )
    listing = source.search(query)
    return FoundFiles(
        source=source.name,
        files=listing.files,
        here=tuple(f.name for f in listing if is_local or vault.has(f)),
        refused=(*listing.refused, *(lost.reason for lost in listing.unlisted)),
    )


def list_files(source: Source, query: Query) -> Listing:
    """List the files to fetch; not those of a folder, and there must be some."""
    if isinstance(source, FolderArchive):
        raise ArchiveError(f"{source.name} is used where it is: there is no fetching")
    listing = source.search(query)
    if not listing.files:
        refused = "".join(f"; {reason}" for reason in listing.refused)
        raise ArchiveError(f"{source.name} holds nothing of what is asked for{refused}")
    return listing


def fetch_files(
    source: Source,
    vault: Vault,
    listing: Listing,
    *,
    parallel: int,
    dry_run: bool,
    listener: FetchListener,
) -> FetchedFiles:
    """Fetch the listed files that we may have and that are not here.

    Or, in a dry run, list only what would be fetched.
    """
    allowed, withheld = admit(source, listing)
    fetcher = Fetcher(source, vault, parallel=parallel)
    decided = fetcher.decide(allowed)
    report = FetchReport(decided.have, failed=decided.unknown)
    if not dry_run:
        report = fetcher.fetch(decided, listener=listener)
    missing = decided.missing.values()
    names = {file.name for file in missing} if dry_run else {*report.fetched}
    return FetchedFiles(
        source=source.name,
        folder=vault.data_dir / RAW,
        dry_run=dry_run,
        files=tuple(sorted(names)),
        size_bytes=sum(f.size_bytes for f in missing if f.name in names),
        have=len(decided.have),
        withheld=describe_withheld(withheld),
        refused=listing.refused,
        failed={**report.failed, **_tell_unlisted(listing)},
        unchecked=decided.unchecked,
    )


def _tell_unlisted(listing: Listing) -> dict[str, str]:
    """Say of which exposures the archive lists no files."""
    return {
        lost.path.name: lost.reason.removeprefix(f"{lost.path.name}: ")
        for lost in listing.unlisted
    }
