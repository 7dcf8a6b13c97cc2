"""The words of the control plane: exposures, associations and their members."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from workers.contract import (
    Caveat,
    Job,
    Outcome,
    Parameters,
    Product,
    Stage,
    Usage,
)

__all__ = [
    "Association",
    "Attempt",
    "CalibratedFile",
    "Content",
    "Damage",
    "Exposure",
    "FetchedFile",
    "InterruptedRun",
    "JobRecord",
    "JobState",
    "Lack",
    "Lease",
    "Member",
    "Metafile",
    "OtherReference",
    "PoolFile",
    "RejectedFile",
    "Role",
    "Run",
    "RunJob",
    "RunState",
    "StoredJob",
    "StoredProduct",
]


class Role(StrEnum):
    """What an exposure is for, by the precedence of the official rules."""

    SCIENCE = "science"
    """A science exposure."""
    BACKGROUND = "background"
    """A dedicated background exposure (BKGDTARG)."""
    IMPRINT = "imprint"
    """A NIRSpec leakcal exposure (IS_IMPRT)."""
    TARGET_ACQUISITION = "target_acquisition"
    """A target-acquisition or confirmation exposure, by EXP_TYPE."""


@dataclass(frozen=True, slots=True)
class Metafile:
    """The file that says which shutters of the MSA are open (MSAMETFL)."""

    name: str
    """As the header of the exposure gives it."""
    path: Path
    """Where it is; only its name when it is not there."""
    size_bytes: int = 0
    """Its size."""
    mtime_ns: int = 0
    """Its time of last modification."""
    defect: str | None = None
    """One sentence when it is missing or cannot be told from another; spec2 of the
    exposure fails, and detector1 if a step of it reads the file."""


@dataclass(frozen=True, slots=True)
class CalibratedFile:
    """What an earlier stage, here or elsewhere, has made of an exposure."""

    path: Path
    """Where it is."""
    size_bytes: int = 0
    """Its size."""
    mtime_ns: int = 0
    """Its time of last modification."""
    software: str = ""
    """Version of `jwst` that made it (CAL_VER); empty if it does not say."""
    context: str = ""
    """CRDS context that it was made in (CRDS_CTX); empty if it does not say."""
    defect: str | None = None
    """One sentence when it is damaged or cannot be read; what needs it is blocked."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """One detector's exposure, or one segment of it, as its primary header tells."""

    name: str
    """File stem without suffix: ``jw02736007001_03103_00001_nrs1``; a segment keeps
    its ``-seg001``."""
    program: str
    """Five digits."""
    observation: str
    """Three digits."""
    visit: str
    """Three digits."""
    path: Path
    """The raw (``_uncal``) file; of a run that starts later, the file that its header
    was read from."""
    size_bytes: int
    """Its size."""
    mtime_ns: int
    """Its time of last modification."""
    exp_type: str
    """EXP_TYPE, upper case."""
    role: Role
    """What it is for."""
    header: Mapping[str, str | int | float | bool]
    """Primary header, upper-case keywords; undefined and commentary cards left out."""
    defect: str | None = None
    """One sentence when the file is damaged (truncated, ...) though its header could
    be read; its jobs fail and what needs it is blocked."""
    is_remote: bool = False
    """Whether only its header was read, and the file is still to be fetched."""
    metafile: Metafile | None = None
    """What the shutters of the MSA are; None for other modes."""
    calibrated: Mapping[str, CalibratedFile] = field(default_factory=dict)
    """Its calibrated files in the archive, by suffix; looked for by runs that start
    after detector1."""


@dataclass(frozen=True, slots=True)
class RejectedFile:
    """A raw file of which not even the role could be told."""

    path: Path
    """The file."""
    program: str
    """From its name."""
    observation: str
    """From its name."""
    reason: str
    """One sentence: what was expected and what was found."""


@dataclass(frozen=True, slots=True)
class PoolFile:
    """A pool of DMS: what the observing proposal says of every exposure."""

    name: str
    """``jw02736_20240229t024723_pool.csv``."""
    text: str
    """What is in it."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """What an archive holds of a program."""

    exposures: tuple[Exposure, ...]
    """Every exposure, damaged ones included, by name."""
    rejected: tuple[RejectedFile, ...]
    """Raw files that are no exposures, by path."""
    barred: tuple[RejectedFile, ...] = ()
    """Raw files that the archive does not give to us yet."""
    withheld: tuple[str, ...] = ()
    """The same in words, by observation, with the date."""
    pool: PoolFile | None = None
    """The newest pool of DMS of the program, where the archive has one."""
    refused: tuple[str, ...] = ()
    """Names that the archive gave and that touch no path, each with why."""
    unchecked: tuple[str, ...] = ()
    """What the archive could not be asked, and which copies are used all the same."""


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """A file of an archive as it was fetched: one version, never overwritten."""

    name: str
    """Bare file name."""
    program: str
    """Five digits."""
    version: int
    """1, or more where the archive changed the file under its name."""
    folder: str
    """Where it is, relative to the data folder."""
    source: str
    """The archive."""
    uri: str
    """How the archive calls it."""
    size_bytes: int
    """Its size."""
    mtime_ns: int
    """Its time of last modification here."""
    sha256: str
    """Hash of its bytes."""
    entity: str | None
    """ETag of the archive."""
    modified: str | None
    """When it was changed last, as the archive says it."""
    fetched_at: datetime
    """UTC."""
    checks: tuple[str, ...]
    """What was verified: size, FITS structure, CHECKSUM, DATASUM, ..."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member of an association."""

    expname: str
    """Bare file name, with the suffix of the product it stands for."""
    exptype: str
    """science, background, imprint, selfcal, target_acquisition, ..."""
    exposure: str
    """Name of the exposure it comes from."""
    reason: str
    """Why it is a member, in one sentence."""


@dataclass(frozen=True, slots=True)
class Association:
    """An official-style association with one product."""

    asn_type: str
    """spec2, tso-spec2, spec3 or tso3."""
    asn_rule: str
    """Name of the official rule it follows."""
    asn_id: str
    """Candidate: ``o001``, ``c1000``, ..."""
    program: str
    """Five digits."""
    target: str
    """Target id of the rules (``t001``), or the target's name where there is none."""
    product_name: str
    """Name of its product."""
    members: Sequence[Member]
    """Science first, then by exptype and name; they may be made when they are read."""


class RunState(StrEnum):
    """How far a run is."""

    RUNNING = "RUNNING"
    """Its orchestrator is at work, or died and nobody has looked yet."""
    SUCCEEDED = "SUCCEEDED"
    """It came to its end and every job succeeded or was reused."""
    FAILED = "FAILED"
    """It came to its end with jobs that failed or were blocked."""
    CANCELLED = "CANCELLED"
    """Somebody stopped it."""
    INTERRUPTED = "INTERRUPTED"
    """Its orchestrator died; found by the next run of the program."""


class JobState(StrEnum):
    """How far a job of a run is."""

    DUE = "DUE"
    """It must run, or be found unchanged once its input is known."""
    RUNNING = "RUNNING"
    """It was handed to a worker."""
    SUCCEEDED = "SUCCEEDED"
    """This run made its products."""
    REUSED = "REUSED"
    """Its products were there already, and verified."""
    FAILED = "FAILED"
    """Its last attempt did not succeed and no other is planned."""
    BLOCKED = "BLOCKED"
    """A job that it needs failed."""
    NO_DATA = "NO_DATA"
    """No light falls on any detector of its science members: nothing is to be made."""
    INTERRUPTED = "INTERRUPTED"
    """It was DUE or RUNNING when the orchestrator died."""


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a plan."""

    id: str
    """UUID."""
    program: str
    """Five digits."""
    recipe_name: str
    """Name of the recipe."""
    recipe_sha256: str
    """Hash of its text."""
    context: str
    """CRDS context (``jwst_NNNN.pmap``)."""
    environment: Mapping[str, str]
    """Versions of packages, Python and platform of the control plane."""
    request: Parameters
    """What was asked for, as JSON."""
    requested_by: str
    """User or schedule that asked."""
    started_at: datetime
    """UTC."""
    finished_at: datetime | None = None
    """UTC; None while it runs."""
    state: RunState = RunState.RUNNING
    """How far it is."""
    message: str | None = None
    """One sentence on its end."""


@dataclass(frozen=True, slots=True)
class RunJob:
    """A job as one run sees it."""

    stage: Stage
    """Its stage."""
    name: str
    """Its product name; with the stage unique in a run."""
    state: JobState
    """How far it is."""
    updated_at: datetime
    """When it came to this state; UTC."""
    why: str = ""
    """Why it is due, or why it could be reused."""
    fingerprint: str | None = None
    """None until all its inputs are known."""
    blocked_by: tuple[str, ...] = ()
    """Keys of the failed jobs that it needs."""
    caveats: tuple[Caveat, ...] = ()
    """What the plan knew of it before it ran, or although it was reused."""

    @property
    def key(self) -> str:
        """Its identity within a run, ``stage:name``."""
        return f"{self.stage}:{self.name}"


@dataclass(frozen=True, slots=True)
class InterruptedRun:
    """A run whose orchestrator died, as it was left."""

    run: Run
    """The run, still RUNNING."""
    jobs: tuple[RunJob, ...]
    """Its jobs that were DUE or RUNNING, by key."""


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
class Content:
    """What can be told apart in the content of a file."""

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


@dataclass(frozen=True, slots=True)
class Damage:
    """A success of which the store does not hold what was made."""

    message: str
    """Which file, what was expected and what was found."""


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
class Lease:
    """The right of one orchestrator to run a program."""

    program: str
    """Five digits."""
    owner: str
    """UUID of the orchestrator."""
    host: str
    """Where it runs."""
    pid: int
    """Its process."""
    acquired_at: datetime
    """UTC."""
    expires_at: datetime
    """UTC; from then on anybody may take it over."""


@dataclass(frozen=True, slots=True)
class UnusedExposure:
    """An exposure that is neither science nor leakcal of an association.

    It may still serve others, as selfcal.
    """

    name: str
    """Name of the exposure."""
    reason: str
    """Why no rule takes it, in one sentence."""


@dataclass(frozen=True, slots=True)
class Lack:
    """What the archive has no file of, although exposures tell of it."""

    exposures: tuple[str, ...]
    """Names of the exposures that tell of it."""
    reason: str
    """What is lacking and what comes of it, in one sentence."""
    level: int | None
    """The lowest level of the products that are the less for it, 2 or 3; None if none
    is."""

    def __str__(self) -> str:
        return f"{self.exposures[0]}: {self.reason}"


@dataclass(frozen=True, slots=True)
class AssociationSet:
    """What the rules make of a set of exposures; every one is accounted for."""

    associations: tuple[Association, ...]
    """By rule (level 2b before level 3) and product name."""
    unused: tuple[UnusedExposure, ...]
    """Exposures of which nothing is made, by name."""
    untaken: tuple[UnusedExposure, ...] = ()
    """Backgrounds and leakcals that correct no other, by name."""
    lacking: tuple[Lack, ...] = ()
    """What science exposures are without."""
