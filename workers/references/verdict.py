"""What a file of a CRDS cache is, and what it is worth against what it must be."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ..contract import ReferenceFile
from ..errors import CrdsCacheError
from ..outside import open_outside
from ..transfer.fits_checks import FitsError, verify_structure

__all__ = [
    "FileFacts",
    "Finding",
    "Verdict",
    "describe_bad",
    "identify_file",
    "inspect",
    "judge",
    "refuse_truncated",
]


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What a file of CRDS must be."""

    name: str
    """Bare file name."""
    size_bytes: int | None
    """Its size, where it is known."""
    sha1: str | None
    """SHA-1 of its bytes, where it is known."""


class Verdict(StrEnum):
    """What a file of a cache is worth."""

    GOOD = "good"
    """All that is known of it holds."""
    MISSING = "missing"
    """It is not there."""
    BAD = "bad"
    """It is not what its name stands for."""
    UNKNOWN = "unknown"
    """It is there, and nothing is known of it."""

    @property
    def is_lacking(self) -> bool:
        """Whether a good one must be fetched."""
        return self in {Verdict.MISSING, Verdict.BAD}


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of a file."""

    name: str
    """Bare file name."""
    path: Path
    """Its place in the cache."""
    verdict: Verdict
    """What it is worth."""
    found: ReferenceFile | None
    """The file as it is on disk."""
    facts: FileFacts | None
    """What it must be, where that is known."""
    why: str | None = None
    """Why it is bad, if not for its size or sha1."""


def identify_file(
    path: Path, known: ReferenceFile | None, *, sha1: str | None = None
) -> ReferenceFile:
    """Return name, sha1, size and time of a file that can be read.

    While size and time stand as they were known, so does the sha1; one that was just
    taken need not be taken again.
    """
    stat = path.stat()
    if (
        known is not None
        and (known.size_bytes, known.mtime_ns) == (stat.st_size, stat.st_mtime_ns)
        and known.sha1
    ):
        return known
    if sha1 is None:
        with open_outside(path) as stream:
            sha1 = hashlib.file_digest(stream, "sha1").hexdigest()
    return ReferenceFile(path.name, sha1, stat.st_size, stat.st_mtime_ns)


def refuse_truncated(path: Path) -> None:
    """Refuse a FITS file that ends before its last header says; others may."""
    if path.suffix != ".fits":
        return
    try:
        verify_structure(path)
    except FitsError as error:
        raise CrdsCacheError(
            f"{path} is truncated: {error}; `rewebb refs verify --repair` fetches it "
            "again."
        ) from error


def judge(found: ReferenceFile | None, facts: FileFacts | None) -> Verdict:
    """Decide what a file is worth."""
    if found is None:
        return Verdict.MISSING
    if facts is None:
        return Verdict.UNKNOWN
    right_size = facts.size_bytes in {None, found.size_bytes}
    right_sha1 = facts.sha1 in {None, found.sha1}
    return Verdict.GOOD if right_size and right_sha1 else Verdict.BAD


def inspect(
    path: Path, facts: FileFacts | None, known: ReferenceFile | None
) -> Finding:
    """Look at a file; one that cannot be read is bad, whatever it is.

    Unless it is known as it was seen, it is read.
    """
    try:
        found = identify_file(path, known)
    except FileNotFoundError:
        return Finding(path.name, path, Verdict.MISSING, None, facts)
    except OSError as error:
        why = f"cannot be read: {error.strerror}"
        return Finding(path.name, path, Verdict.BAD, None, facts, why)
    is_proven = found is known or (facts is not None and facts.sha1 is not None)
    try:
        if not is_proven:
            refuse_truncated(path)
    except (CrdsCacheError, OSError):
        why = "is no whole FITS file"
        return Finding(path.name, path, Verdict.BAD, found, facts, why)
    return Finding(path.name, path, judge(found, facts), found, facts)


def describe_bad(finding: Finding) -> str:
    """Say in what a bad file differs, without a full stop."""
    found, facts = finding.found, finding.facts
    if finding.why or found is None or facts is None:
        return f"{finding.path} {finding.why or 'is missing'}"
    if facts.size_bytes not in {None, found.size_bytes}:
        wanted, got = f"{facts.size_bytes} bytes", f"{found.size_bytes} bytes"
    else:
        wanted, got = f"sha1 {facts.sha1}", f"{found.sha1}"
    return f"{finding.path} is bad: expected {wanted}, got {got}"
