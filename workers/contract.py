"""What crosses the wire between the planes: jobs to do and outcomes of attempts.

Everything here is frozen, picklable, turns into JSON with `to_json`, and needs
nothing but the standard library, so both planes and a bare Dask worker can
import it in milliseconds.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from .workload import Workload

__all__ = [
    "BACKGROUND_SPECTRUM",
    "BAD_PIXELS",
    "BROUGHT",
    "CHILD_LOST",
    "CONTENT_VERSION",
    "EXTRACT1D",
    "KNOWN_BEFORE",
    "METAFILE",
    "NOT_APPLICABLE",
    "PERSISTENCE",
    "RECORD_VERSION",
    "TAKERS",
    "BroughtReport",
    "Caveat",
    "CaveatKind",
    "CodeSpecs",
    "Combined",
    "Edit",
    "ErrorInfo",
    "FileHash",
    "Input",
    "Job",
    "Measurement",
    "Outcome",
    "ParameterSpec",
    "Parameters",
    "ParsUse",
    "Product",
    "ProductFacts",
    "ReferenceFile",
    "ReferenceUse",
    "Resolution",
    "ResolveItem",
    "ResolveMember",
    "ResolveRequest",
    "Resolved",
    "SourceFacts",
    "Stage",
    "Status",
    "StepSpec",
    "StepStatus",
    "TimeLimits",
    "Usage",
    "to_json",
]

if TYPE_CHECKING:
    JsonValue = (
        None
        | bool
        | int
        | float
        | str
        | Sequence["JsonValue"]
        | Mapping[str, "JsonValue"]
    )
else:
    # Pydantic, which reads outcomes back, cannot follow a recursive alias that is
    # not a TypeAliasType (Python 3.12), and has nothing to check in it.
    JsonValue = Any
"""What JSON can hold."""

Parameters = Mapping[str, JsonValue]
"""Parameters of a pipeline: its own by name, those of its steps under ``steps``."""

NOT_APPLICABLE = "N/A"
"""The word of CRDS for a reference type that an exposure does not need."""

CHILD_LOST = "ChildLost"
"""Type of the error of a child that ended without an answer."""

METAFILE = "metafile"
"""The exptype of an input that says which shutters of the MSA are open; no member of
the association."""

PERSISTENCE = "persistence"
"""The exptype of an input that says until when pixels of the detector glow after the
exposure before; no member of an association. Also its suffix."""

BACKGROUND_SPECTRUM = "background-spectrum"
"""The exptype of an input that a user has brought: the 1-D background to subtract; in
spec3 also a background member of the association, without which it ignores it."""

EXTRACT1D = "extract1d"
"""The exptype of another: the apertures that spectra are extracted with."""

BAD_PIXELS = "bad-pixels"
"""The exptype of another: flags of pixels, to be added to those of the mask."""

BROUGHT = frozenset({BACKGROUND_SPECTRUM, EXTRACT1D, BAD_PIXELS})
"""Exptypes of inputs that users have brought."""

CONTENT_VERSION = 2
"""Version of the content hash, part of every fingerprint; a change makes every job
due."""

RECORD_VERSION = 3
"""Version of the shape of `Outcome`, part of no fingerprint.

Records of version 1 do not name it, and hold caveats of `KNOWN_BEFORE`. Those before 3
have no facts of products."""


class Stage(StrEnum):
    """A part of the calibration that runs as one job."""

    DETECTOR1 = "detector1"
    """Ramps to slopes, one exposure (`calwebb_detector1`)."""
    SPEC2 = "spec2"
    """Slopes to calibrated spectra, one level-2b association (`calwebb_spec2`)."""
    SPEC3 = "spec3"
    """Combined spectra, one level-3 association (`calwebb_spec3`)."""
    TSO3 = "tso3"
    """Time series, one level-3 association (`calwebb_tso3`)."""


TAKERS: Mapping[tuple[str, Stage], tuple[str, str]] = {
    (BACKGROUND_SPECTRUM, Stage.SPEC2): ("master_background_mos", "user_background"),
    (BACKGROUND_SPECTRUM, Stage.SPEC3): ("master_background", "user_background"),
    (BAD_PIXELS, Stage.DETECTOR1): ("dq_init", "user_supplied_dq"),
    (EXTRACT1D, Stage.SPEC2): ("extract_1d", "override_extract1d"),
    (EXTRACT1D, Stage.SPEC3): ("extract_1d", "override_extract1d"),
    (EXTRACT1D, Stage.TSO3): ("extract_1d", "override_extract1d"),
}
"""The step, and its parameter (jwst 3.0.0), that takes a file that a user has brought,
by exptype and stage."""


class Status(StrEnum):
    """How an attempt ended, and so what should happen next."""

    SUCCEEDED = "SUCCEEDED"
    """The products are published in the store, with this outcome beside them."""
    FAILED = "FAILED"
    """The job itself raised; the same job would fail again."""
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    """The child outgrew its grant; try again with a larger one."""
    LOST = "LOST"
    """The child or its worker vanished without an answer; try again."""
    TIMED_OUT = "TIMED_OUT"
    """The child made no progress, or took far longer than predicted, and was ended;
    try once more."""
    PREEMPTED = "PREEMPTED"
    """The worker left on purpose and ended the child: its allocation is over, its node
    drained, or it got a SIGTERM; try elsewhere, which is no failure."""


class CaveatKind(StrEnum):
    """What can be true of a success that a scientist must know."""

    NO_DATA_ON_DETECTOR = "NO_DATA_ON_DETECTOR"
    """No light falls on this detector in this configuration; there is no product."""
    ALL_NAN = "ALL_NAN"
    """A science array of a product holds no finite value."""
    STEP_FAILED = "STEP_FAILED"
    """A product records a step as FAILED."""
    STEP_SKIPPED = "STEP_SKIPPED"
    """A step that its parameters switch on was skipped by the pipeline."""
    MISSING_PRODUCT = "MISSING_PRODUCT"
    """A product that this stage makes for this mode is not there."""
    UNEXPECTED_PRODUCT = "UNEXPECTED_PRODUCT"
    """A product is there that this stage does not make for this mode, and that no
    recipe asks to save."""
    EDIT_INCOMPLETE = "EDIT_INCOMPLETE"
    """A part of an edit that the recipe asks for could not be made."""
    EDITED = "EDITED"
    """An edit that the recipe asks for changed errors or left pixels out."""
    PARTIAL = "PARTIAL"
    """Members were left out (`--allow-partial`), or the archive has no file of them."""
    MIXED_PROVENANCE = "MIXED_PROVENANCE"
    """Inputs were calibrated elsewhere, with other software or in another context."""


KNOWN_BEFORE = frozenset({CaveatKind.PARTIAL, CaveatKind.MIXED_PROVENANCE})
"""Caveats that are known before a job runs: of the plan of a run, never of an outcome,
since the same product may be reused where they do not hold."""


@dataclass(frozen=True, slots=True)
class Caveat:
    """Something true of a success that a scientist must know."""

    kind: CaveatKind
    """Which of the known caveats."""
    message: str
    """One sentence: what, and of which product."""


@dataclass(frozen=True, slots=True)
class Input:
    """A file that a job reads."""

    name: str
    """Bare canonical file name; the name under which the stage sees the file."""
    path: str
    """Where the file is."""
    exptype: str
    """Role in the association: science, background, imprint, selfcal, ...; or
    `METAFILE` or `PERSISTENCE`."""
    reason: str
    """Why it is read, in one sentence."""
    sha256: str
    """Hash of the bytes of the file."""
    content_sha256: str
    """Hash of pixels and science metadata; what the fingerprint takes."""


@dataclass(frozen=True, slots=True)
class ReferenceFile:
    """A file of a CRDS cache (reference, `pars-*` or mapping), as it is on disk."""

    name: str
    """Bare file name."""
    sha1: str
    """SHA-1 of its bytes, as CRDS itself gives it."""
    size_bytes: int
    """Size on disk."""
    mtime_ns: int
    """Time of last modification; while it and the size stand, so does the sha1."""


@dataclass(frozen=True, slots=True)
class ReferenceUse:
    """The reference that the rules select for one reference type."""

    reftype: str
    """Reference type, lower case (``photom``); ``... of EXPOSURE`` for what a member
    of spec2 alone takes, ``... of target_acquisition`` for the verification image."""
    file: ReferenceFile | None
    """The file, or None where the rules say N/A."""


@dataclass(frozen=True, slots=True)
class ParsUse:
    """The parameter reference that the rules select for a step or pipeline."""

    reftype: str
    """Reference type, lower case (``pars-spec2pipeline``)."""
    file: ReferenceFile
    """The file; types whose rules say N/A are left out."""


@dataclass(frozen=True, slots=True)
class Edit:
    """What is changed in the copy of a file that a job reads."""

    file: str
    """Bare name of the input."""
    edit: str
    """Which edit it is, by its name in recipes."""
    values: Parameters
    """What the recipe gives, and the defaults of the rest."""


@dataclass(frozen=True, slots=True)
class Job:
    """One stage over one exposure or association, with all that decides its result."""

    stage: Stage
    """What to run."""
    name: str
    """Product name: the exposure's stem, or the product name of the association."""
    program: str
    """Program id, five digits."""
    exp_type: str
    """EXP_TYPE of the science exposures."""
    fingerprint: str
    """Identity: a hash of everything that can change a pixel and nothing else."""
    inputs: tuple[Input, ...]
    """All files it reads; the first is the primary one when there is no association."""
    association: str | None
    """Text of the association file to run on, or None for a single exposure."""
    association_name: str | None
    """File name of that association."""
    overrides: Parameters
    """Parameters that the recipe sets over the ``pars-*`` files."""
    parameters: Parameters
    """Effective parameters, as resolved; the run must come to the same."""
    references: tuple[ReferenceUse, ...]
    """References as resolved; the product must record the same."""
    pars: tuple[ParsUse, ...]
    """Parameter references that went into `parameters`."""
    context: str
    """CRDS context (``jwst_NNNN.pmap``)."""
    mappings: tuple[ReferenceFile, ...]
    """Mapping files of the context that the selection read."""
    crds_path: str
    """The CRDS cache; read only."""
    versions: Mapping[str, str]
    """Version of each package of the calibration code; other workers refuse."""
    edits: tuple[Edit, ...] = ()
    """What is changed in copies of its inputs before it runs, in this order."""
    workload: Workload = field(default_factory=Workload)
    """How large it is; all 0 of jobs that were recorded before it was."""
    origins: Mapping[str, str] | None = None
    """What sets each parameter that is no default, by ``step.parameter``: ``pars FILE``
    or ``recipe NAME``. None of jobs that were recorded before it was."""


@dataclass(frozen=True, slots=True)
class Product:
    """A file that a job made."""

    name: str
    """Canonical JWST file name."""
    size_bytes: int
    """Size on disk."""
    mtime_ns: int
    """Time of last modification when it was published."""
    sha256: str
    """Hash of its bytes."""
    content_sha256: str
    """Hash of pixels and science metadata (equal to `sha256` for what is not FITS)."""
    pixels_sha256: str = ""
    """Hash of the data of all HDUs but the ASDF tree; empty if there are none."""


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """A part of a product that has a place of its own: a source, a slit, a field."""

    name: str = ""
    """Of the source; its number where it has none, empty of what is no source."""
    slit: str = ""
    """Of the slit or slitlet, where the product says it."""
    ra_deg: float | None = None
    """Right ascension (ICRS): of the source, or of the middle of `region`."""
    dec_deg: float | None = None
    """Declination, likewise."""
    region: str = ""
    """Its footprint, as in S_REGION (STC-S); empty if it is not known, or if there are
    several."""
    wave_min_m: float | None = None
    """Shortest wavelength, in m."""
    wave_max_m: float | None = None
    """Longest wavelength, in m."""
    samples: int | None = None
    """Wavelengths of its spectrum, or planes of its cube; None of images."""


@dataclass(frozen=True, slots=True)
class ProductFacts:
    """What a product is of, as its headers and tables say, in the terms of ObsCore 1.1.

    None of it is part of the content of the product.
    """

    product: str
    """Name of the file."""
    dataproduct_type: str
    """spectrum, cube, image or timeseries."""
    calib_level: int
    """As in MAST: 2 of an exposure, 3 of several that are combined."""
    target: str = ""
    """Name of the target in the proposal."""
    instrument: str = ""
    """INSTRUME."""
    detector: str = ""
    """DETECTOR; of combined products that of the first exposure."""
    grating: str = ""
    """GRATING, of NIRSpec."""
    filter: str = ""
    """FILTER."""
    channel: str = ""
    """CHANNEL, of the MRS."""
    band: str = ""
    """BAND, of the MRS."""
    ra_deg: float | None = None
    """Right ascension (ICRS) of its middle; of the target where it does not say."""
    dec_deg: float | None = None
    """Declination, likewise."""
    region: str = ""
    """Its footprint, as in S_REGION (STC-S); empty if it has none, or several."""
    start_mjd: float | None = None
    """Begin of the first exposure (MJD, UTC)."""
    end_mjd: float | None = None
    """End of the last (MJD, UTC)."""
    exposure_s: float | None = None
    """Effective exposure time of all, in s."""
    wave_min_m: float | None = None
    """Shortest wavelength, in m."""
    wave_max_m: float | None = None
    """Longest wavelength, in m."""
    sources: tuple[SourceFacts, ...] = ()
    """Its parts; one without a name if it has neither sources nor slits."""


@dataclass(frozen=True, slots=True)
class Combined:
    """What an earlier job of spec3 has made, of which spectra are extracted again."""

    folder: str
    """Where it is, absolute."""
    products: tuple[Product, ...]
    """All that it made."""


@dataclass(frozen=True, slots=True)
class StepStatus:
    """What a product records of a step."""

    step: str
    """Name under ``meta.cal_step``."""
    status: str
    """COMPLETE, SKIPPED or FAILED."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What an attempt took."""

    elapsed_s: float
    """Wall time of the child."""
    cpu_s: float
    """User and system time of the child."""
    peak_bytes: int
    """Largest resident memory of the child and of its descendants, together."""
    granted_bytes: int
    """Memory it had been granted."""


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """How long an attempt may take; None is for ever."""

    stall_s: float | None = None
    """Time in which its processes together must use some of a processor."""
    elapsed_s: float | None = None
    """Wall time, far more than is predicted of it."""


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """An exception as data."""

    type: str
    """Qualified name of its class."""
    message: str
    """One sentence for the user."""
    traceback: str
    """The traceback as text; empty where the child left none."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an attempt leaves on disk (``outcome.json``) and returns."""

    job: Job
    """The job, complete, so that the database can be made again from outcomes."""
    attempt: str
    """Identity of the attempt (UUID)."""
    status: Status
    """How it ended."""
    started_at: datetime
    """UTC."""
    finished_at: datetime
    """UTC."""
    host: str
    """Where it ran."""
    usage: Usage
    """What it took."""
    folder: str
    """Where products, association, log and this outcome are, relative to the data
    folder."""
    products: tuple[Product, ...] = ()
    """Files made, by name."""
    steps: tuple[StepStatus, ...] = ()
    """Status of the steps that this stage ran."""
    caveats: tuple[Caveat, ...] = ()
    """What the job found that a scientist must know; none of `KNOWN_BEFORE`."""
    facts: tuple[ProductFacts, ...] = ()
    """What products are of, by name; not of every kind of file."""
    error: ErrorInfo | None = None
    """Why it did not succeed."""
    node: str = ""
    """Name of the Dask worker that it ran on; by default that is its address."""
    environment_sha256: str = ""
    """What was installed there, by its hash; empty if it is not known."""
    content_version: int = CONTENT_VERSION
    """Version of the content hash."""
    record_version: int = RECORD_VERSION
    """Version of the shape of this record."""


@dataclass(frozen=True, slots=True)
class FileHash:
    """The hashes of a raw file, and the state of the file that they hold for."""

    path: str
    """The file."""
    size_bytes: int
    """Its size."""
    mtime_ns: int
    """Its time of last modification."""
    sha256: str
    """Hash of its bytes; empty when `error` is set."""
    content_sha256: str
    """Hash of pixels and science metadata; empty when `error` is set."""
    error: ErrorInfo | None = None
    """Why it could not be read."""
    pixels_sha256: str = ""
    """Hash of the data of all HDUs; only when the file was just read."""
    cards: Mapping[str, str] = field(default_factory=dict)
    """Cards of the primary header that the content holds; likewise."""


@dataclass(frozen=True, slots=True)
class BroughtReport:
    """What a check of a file that a user brings has found."""

    kind: str
    """One of `BROUGHT`."""
    about: str
    """What it holds, in a few words."""
    span_um: tuple[float, float] | None = None
    """First and last wavelength of a spectrum, in um."""
    shape: tuple[int, int] | None = None
    """Rows and columns of a mask."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """A number that a product gives, or why it gives none."""

    name: str
    """What was measured: a name of ``config/measurements.toml``."""
    product: str
    """Name of the file."""
    part: str
    """Of what in it: slit, detector, extension, neighbour, line; empty of all of it."""
    value: float | None
    """The number, which is finite; None where `why` says why there is none."""
    unit: str
    """As in FITS; ``1`` of a ratio."""
    n: int
    """How many values it was taken from."""
    why: str = ""
    """Why it could not be taken."""


@dataclass(frozen=True, slots=True)
class ResolveMember:
    """A member of a job that is not its science."""

    exptype: str
    """What it is a member as."""
    exposure: str
    """Path of its raw file, or of what the archive has of it."""


@dataclass(frozen=True, slots=True)
class ResolveItem:
    """A job of which references and parameters are wanted."""

    key: str
    """Key of the planned job."""
    stage: Stage
    """Its stage."""
    exposure: str
    """Path of the raw file whose header decides: the first science member's."""
    overrides: Parameters
    """Parameters that the recipe sets."""
    metafile: str | None = None
    """Path of the metafile of the MSA; if the job reads it, it must fit the header."""
    members: tuple[ResolveMember, ...] = ()
    """Other members whose own headers may select references."""
    edits: tuple[Edit, ...] = ()
    """What would be changed in copies of its inputs."""
    science: tuple[str, ...] = ()
    """Paths of the raw files, or of what the archive has, of the exposures that spec3
    combines."""


@dataclass(frozen=True, slots=True)
class ResolveRequest:
    """A batch of jobs to resolve in one context."""

    items: tuple[ResolveItem, ...]
    """The jobs."""
    context: str | None
    """CRDS context, or None for the operational one of the cache."""
    crds_path: str
    """The CRDS cache."""
    known: tuple[ReferenceFile, ...] = ()
    """Files whose sha1 need not be computed again while size and mtime stand."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """What the rules of a context select for one job."""

    key: str
    """Key of the planned job."""
    parameters: Parameters
    """Effective parameters."""
    references: tuple[ReferenceUse, ...]
    """References, by type."""
    pars: tuple[ParsUse, ...]
    """Parameter references, by type."""
    mappings: tuple[ReferenceFile, ...]
    """Mapping files that the selection read."""
    error: ErrorInfo | None = None
    """Why it could not be resolved; then the rest is empty."""
    reads_metafile: bool = True
    """Whether it reads the metafile of the MSA, if the exposure has one; detector1
    does with a few steps only."""
    endings: tuple[str, ...] = ()
    """What follows its name in the names of the products that it makes with these
    parameters (``x1d``); empty where the mode is unknown."""
    cubes: tuple[tuple[int, int, int], ...] = ()
    """Predicted shapes of the cubes that it builds: wavelengths, rows, columns."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """Parameters that a parameter reference sets, as in `Job.origins`."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """The answer to a `ResolveRequest`."""

    context: str
    """The context, by its final name."""
    versions: Mapping[str, str]
    """Versions of the calibration code on the worker."""
    resolved: tuple[Resolved, ...]
    """One a job, in the order of the request."""
    host: str = ""
    """Where it was worked out."""


@dataclass(frozen=True, slots=True)
class ParameterSpec:
    """What a parameter of a pipeline or step accepts."""

    kind: str
    """Its type in the words of configobj: boolean, integer, option, float_list, ..."""
    default: JsonValue
    """Its default, as the code writes it; None if there is none."""
    options: tuple[str, ...] = ()
    """What an option can be."""
    minimum: float | None = None
    """The least value of a number, or number of values of a list."""
    maximum: float | None = None
    """The greatest."""
    can_be_set: bool = True
    """Whether a recipe may set it: it names no file, no place and no code."""


@dataclass(frozen=True, slots=True)
class StepSpec:
    """The parameters of a pipeline or step."""

    parameters: Mapping[str, ParameterSpec]
    """By name."""
    steps: Mapping[str, "StepSpec"] = field(default_factory=dict)
    """Its steps, by name."""


@dataclass(frozen=True, slots=True)
class CodeSpecs:
    """The parameters of the calibration code."""

    versions: Mapping[str, str]
    """Its versions."""
    stages: Mapping[Stage, StepSpec]
    """The pipeline of each stage."""


def to_json(record: object) -> str:
    """Turn a record of this module into indented JSON, times in ISO 8601."""
    tree = asdict(record)  # type: ignore[call-overload]  # a dataclass instance
    return json.dumps(tree, indent=1, sort_keys=True, default=datetime.isoformat)
