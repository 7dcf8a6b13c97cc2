"""Findings: what is not as it was recorded."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = [
    "Finding",
    "FindingKind",
    "ReferenceUsers",
    "RowDifference",
    "UsedInput",
    "UsedReference",
]


class FindingKind(StrEnum):
    """What is wrong."""

    UNRECORDED = "UNRECORDED"
    """The data folder holds it, the database does not."""
    ORPHANED = "ORPHANED"
    """The database holds it, and nothing in the data folder does."""
    ROW_CHANGED = "ROW_CHANGED"
    """The database says something else than the record."""
    RECORD_DAMAGED = "RECORD_DAMAGED"
    """A record of the data folder cannot be read."""
    NO_RECORD = "NO_RECORD"
    """A run has no journal, so it would not come back."""
    DEAD_RUN = "DEAD_RUN"
    """A run is recorded as RUNNING and nobody runs it."""
    DEAD_LEASE = "DEAD_LEASE"
    """A lease is left that nobody holds."""
    FILE_MISSING = "FILE_MISSING"
    """A file is not there."""
    FILE_CHANGED = "FILE_CHANGED"
    """A file does not hold what it held."""
    REFERENCE_MISSING = "REFERENCE_MISSING"
    """A file of CRDS that jobs used is not in its cache any more."""
    REFERENCE_CHANGED = "REFERENCE_CHANGED"
    """A file of CRDS does not hold what it held when jobs used it."""
    REFERENCE_AMBIGUOUS = "REFERENCE_AMBIGUOUS"
    """Jobs used files of CRDS of one name and different content."""
    INPUT_REPLACED = "INPUT_REPLACED"
    """The archive has another file under the name of an input."""
    NOT_ASKED = "NOT_ASKED"
    """Something could not be compared, or was not to be."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was recorded."""

    kind: FindingKind
    """What is wrong."""
    subject: str
    """What it is about: a file, a job, a run, a row."""
    message: str
    """What was expected, and what was found."""
    remedy: str
    """What to do."""
    affected: tuple[str, ...] = ()
    """Products that it concerns, also downstream."""


@dataclass(frozen=True, slots=True)
class RowDifference:
    """A row of which two databases say different things."""

    table: str
    """Its table."""
    key: tuple[object, ...]
    """Its primary key."""
    found: dict[str, object] | None
    """Its columns that differ as the one database has them; None if it lacks it."""
    expected: dict[str, object] | None
    """The same of the other."""


@dataclass(frozen=True, slots=True)
class UsedReference:
    """A file of CRDS that jobs used."""

    crds_path: str
    """The cache that they took it from."""
    name: str
    """Bare file name."""
    sha1: str
    """SHA-1 of its bytes then."""


@dataclass(frozen=True, slots=True)
class UsedInput:
    """A file that jobs read and that no job made."""

    path: str
    """Where it was."""
    sha256: str
    """Hash of its bytes then."""
    name: str
    """Name under which the jobs saw it."""


@dataclass(frozen=True, slots=True)
class ReferenceUsers:
    """Who has used a file of CRDS."""

    jobs: int
    """Recorded jobs."""
    programs: int
    """Programs that they are of."""
