"""Exposures and their files: what an archive has, and what was fetched from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

from config.match import read_facts

__all__ = [
    "ACQUISITIONS",
    "CalibratedFile",
    "Exposure",
    "FetchedFile",
    "Inventory",
    "KnownExposure",
    "Metafile",
    "PoolFile",
    "Program",
    "Role",
    "UnusableFile",
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


ACQUISITIONS: Final = frozenset(
    [
        *("MIR_TACQ", "MIR_TACONFIRM", "NIS_TACQ", "NIS_TACONFIRM"),
        *("NRC_TACQ", "NRC_TACONFIRM", "NRS_TACQ", "NRS_TACONFIRM", "NRS_TASLIT"),
        *("NRS_CONFIRM", "NRS_MSATA", "NRS_VERIFY", "NRS_WATA"),
    ]
)
"""``ACQ_EXP_TYPES`` of ``jwst/associations/lib/dms_base.py`` (jwst 3.0.0)."""


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
    """One detector's exposure, or one segment of it, as its primary header has it."""

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

    @property
    def facts(self) -> Mapping[str, str]:
        """What recipes choose it by (`config.match.FACTS`); empty where unknown."""
        own = {"exp_type": self.exp_type, "observation": self.observation}
        return read_facts(self.name, self.header) | own


@dataclass(frozen=True, slots=True)
class UnusableFile:
    """A raw file that is known of and cannot be used as an exposure.

    It cannot be read or contradicts itself, the archive withholds it, or the archive
    does not have it. What needs it is blocked.
    """

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
    unusable: tuple[UnusableFile, ...]
    """Raw files that cannot be read, or contradict themselves, by path."""
    withheld_files: tuple[UnusableFile, ...] = ()
    """Unusable files of exclusive access, which the archive withholds from us."""
    withheld: tuple[str, ...] = ()
    """The same in words, by observation, with the date of release."""
    pool: PoolFile | None = None
    """The newest pool of DMS of the program, where the archive has one."""
    refused: tuple[str, ...] = ()
    """File names from the archive that must not become paths, each with why."""
    unchecked: tuple[str, ...] = ()
    """What could not be asked of the archive, and which copies are used instead."""


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
    """Its name in the archive."""
    size_bytes: int
    """Its size."""
    mtime_ns: int
    """Its time of last modification here."""
    sha256: str
    """Hash of its bytes."""
    entity: str | None
    """ETag of the archive."""
    modified: str | None
    """When it last changed, according to the archive."""
    fetched_at: datetime
    """UTC."""
    checks: tuple[str, ...]
    """What was verified: size, FITS structure, CHECKSUM, DATASUM, ..."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program, as the headers of its exposures tell of it."""

    id: str
    """Five digits."""
    title: str
    """TITLE; empty where it is not said."""
    principal_investigator: str
    """PI_NAME, likewise."""
    category: str
    """CATEGORY: GO, GTO, ...; likewise."""


@dataclass(frozen=True, slots=True)
class KnownExposure:
    """An exposure as it is recorded: what it is searched by and associated with.

    What the header does not say is empty, or None.
    """

    name: str
    """File stem without suffix."""
    program: str
    """Five digits."""
    observation: str
    """Three digits."""
    visit: str
    """Three digits."""
    exp_type: str
    """EXP_TYPE."""
    role: Role
    """What it is for."""
    instrument: str
    """INSTRUME."""
    detector: str
    """DETECTOR."""
    grating: str
    """GRATING."""
    filter: str
    """FILTER."""
    pupil: str
    """PUPIL."""
    channel: str
    """CHANNEL."""
    band: str
    """BAND."""
    subarray: str
    """SUBARRAY."""
    aperture: str
    """APERNAME."""
    readout: str
    """READPATT."""
    target: str
    """TARGPROP: name of the target in the proposal."""
    ra_deg: float | None
    """TARG_RA (ICRS)."""
    dec_deg: float | None
    """TARG_DEC (ICRS)."""
    started_at: datetime | None
    """DATE-BEG, UTC."""
    duration_s: float | None
    """DURATION."""
    exposure_s: float | None
    """EFFEXPTM."""
    metafile: str
    """MSAMETFL: name of the metafile of the MSA."""
    path: str
    """Where its file is, or will be once it is fetched."""
    size_bytes: int
    """Size of the file."""
    mtime_ns: int
    """Its time of last modification."""
    sha256: str
    """Hash of its bytes; empty while nobody has read all of it."""
    defect: str | None
    """One sentence when the file is damaged."""
