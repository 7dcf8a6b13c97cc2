"""What a file of a CRDS cache is worth: as it is on disk against what it must be."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ..contract import ReferenceFile
from ..errors import CrdsCacheError
from .catalogue import FileFacts
from .identity import identify_file, refuse_truncated

__all__ = ["Finding", "Verdict", "describe_bad", "inspect", "judge"]


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


_TRUNCATED = "is no whole FITS file"


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

    Parameters
    ----------
    facts
        What it must be.
    known
        The file as it was seen; without it, it is read.
    """
    try:
        found = identify_file(path, known)
    except FileNotFoundError:
        return Finding(path.name, path, Verdict.MISSING, None, facts)
    except OSError as error:
        why = f"cannot be read: {error.strerror}"
        return Finding(path.name, path, Verdict.BAD, None, facts, why)
    verdict = judge(found, facts)
    is_proven = found is known or (facts is not None and facts.sha1 is not None)
    if not is_proven and _is_truncated(path):
        return Finding(path.name, path, Verdict.BAD, found, facts, _TRUNCATED)
    return Finding(path.name, path, verdict, found, facts)


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


def _is_truncated(path: Path) -> bool:
    if path.suffix != ".fits":
        return False
    try:
        refuse_truncated(path)
    except (CrdsCacheError, OSError):
        return True
    return False
