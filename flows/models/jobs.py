"""Jobs as they are recorded: attempts, products, and what is wrong with them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from workers.contract import (
    Caveat,
    Job,
    Outcome,
    Parameters,
    Product,
    Stage,
    Usage,
)
from workers.workload import Workload

__all__ = [
    "Attempt",
    "Content",
    "Damage",
    "JobRecord",
    "JobUse",
    "OtherReference",
    "ReadFile",
    "StoredJob",
    "StoredProduct",
    "TakenCost",
]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at a job, as recorded."""

    outcome: Outcome
    """What it left; products only of the success that lies in the store."""
    run_id: str | None
    """Run that made it; None when the database was made again from the store."""


@dataclass(frozen=True, slots=True)
class JobRecord:
    """Everything that is recorded of a job."""

    job: Job
    """The job as the success saw it that lies in the store; if none succeeded, as its
    newest attempt did."""
    attempts: tuple[Attempt, ...]
    """Every try, oldest first."""


@dataclass(frozen=True, slots=True)
class ReadFile:
    """A file that a job read, as far as its lineage goes."""

    name: str
    """Bare file name."""
    exptype: str
    """Role in the association."""
    sha256: str
    """Hash of its bytes, equal to that of the product that it is."""
    content_sha256: str
    """Hash of its content."""


@dataclass(frozen=True, slots=True)
class JobUse:
    """How a job processed what it read."""

    fingerprint: str
    """Identity of the job."""
    stage: Stage
    """Its stage."""
    parameters: Parameters
    """Its effective parameters."""
    versions: Mapping[str, str]
    """Version of each package of the calibration code."""
    inputs: tuple[ReadFile, ...]
    """What it read."""
    references: Mapping[str, bool]
    """Types of references that it asked for, and whether it took a file."""
    changes: frozenset[str] = frozenset()
    """Names of the edits that it made, and kinds of the files of users that it
    read."""


@dataclass(frozen=True, slots=True)
class TakenCost:
    """What an attempt that succeeded took, and how large its job is."""

    stage: Stage
    """Stage of the job."""
    exp_type: str
    """EXP_TYPE of its science exposures."""
    workload: Workload
    """How large it is."""
    peak_bytes: int
    """Largest resident memory of its processes."""
    cpu_s: float
    """User and system time."""
    disk_bytes: int
    """Size of its products."""
    granted_bytes: int
    """Memory that it had been granted."""


@dataclass(frozen=True, slots=True)
class StoredJob:
    """The success of a job that lies in the store, with what it made."""

    fingerprint: str
    """Identity of the job."""
    stage: Stage
    """Its stage."""
    name: str
    """Its product name."""
    context: str
    """CRDS context that it was made in, which the headers of its products name."""
    attempt: str
    """The attempt that succeeded."""
    folder: str
    """Where its files are, relative to the data folder."""
    finished_at: datetime
    """When it succeeded; UTC."""
    usage: Usage
    """What it took."""
    products: tuple[Product, ...]
    """What it made, by name; none where there is no data on the detector."""
    caveats: tuple[Caveat, ...]
    """What the job found that a scientist must know."""


@dataclass(frozen=True, slots=True)
class StoredProduct:
    """A file in the store, with the job that made it."""

    product: Product
    """The file."""
    fingerprint: str
    """Identity of the job."""
    stage: Stage
    """Stage of the job."""
    job_name: str
    """Product name of the job."""
    program: str
    """Five digits."""
    context: str
    """CRDS context it was made in."""
    attempt: str
    """The attempt that made it."""
    folder: str
    """Where it is, relative to the data folder."""
    finished_at: datetime
    """When the attempt ended; UTC."""


@dataclass(frozen=True, slots=True)
class Damage:
    """A success of which the store does not hold what was made."""

    message: str
    """Which file, what was expected and what was found."""


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a file, in the parts that are compared."""

    pixels_sha256: str
    """Hash of its data."""
    cards: Mapping[str, str] | None
    """Cards of its primary header, of raw files only."""


@dataclass(frozen=True, slots=True)
class OtherReference:
    """A CRDS file of the same name as another, but of other bytes."""

    name: str
    """Bare file name."""
    sha1: str
    """SHA-1 of its bytes."""
    crds_path: str
    """The cache that it was used from."""
