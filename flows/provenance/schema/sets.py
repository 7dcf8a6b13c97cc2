"""Tables of what many jobs have in common, each set once by the hash of all of it.

A survey of millions of jobs has some thousands of sets: jobs of one mode, recipe and
context differ in their inputs alone. Sets are never changed.
"""

from collections.abc import Mapping

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from workers.contract import Parameters

from .row import ReferenceKind, SQLBase

__all__ = [
    "SQLParameter",
    "SQLParameterSet",
    "SQLReference",
    "SQLReferenceSet",
    "SQLReferenceUse",
    "SQLVersion",
    "SQLVersionSet",
]


class SQLParameterSet(SQLBase):
    """All parameters of a job."""

    __tablename__ = "parameter_set"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    """Hash of parameters, overrides and origins."""
    parameters: Mapped[Parameters]
    """The effective ones, as JSON; those of steps below `steps`."""
    overrides: Mapped[Parameters]
    """Those that the recipe sets, as JSON."""
    origins: Mapped[Mapping[str, str] | None]
    """What sets each that is set, by name, as JSON; null before revision 0010."""


class SQLParameter(SQLBase):
    """One effective parameter."""

    __tablename__ = "parameter"

    set_sha256: Mapped[str] = mapped_column(
        ForeignKey("parameter_set.sha256"), primary_key=True
    )
    """The set."""
    name: Mapped[str] = mapped_column(primary_key=True, index=True)
    """`step.parameter`, or `parameter` of the pipeline itself."""
    value: Mapped[str]
    """Its value, as JSON."""
    origin: Mapped[str | None]
    """`default`, `pars FILE` or `recipe NAME`; null where it is not known, of jobs
    before revision 0010."""


class SQLVersionSet(SQLBase):
    """Versions of all the calibration code that a job was made with."""

    __tablename__ = "version_set"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    """Hash of the names and versions."""


class SQLVersion(SQLBase):
    """The version of one distribution."""

    __tablename__ = "version"
    __table_args__ = (Index(None, "name", "version"),)

    set_sha256: Mapped[str] = mapped_column(
        ForeignKey("version_set.sha256"), primary_key=True
    )
    """The set."""
    name: Mapped[str] = mapped_column(primary_key=True)
    """Name of the distribution (`jwst`, `stcal`, `numpy`, ...)."""
    version: Mapped[str]
    """Its version; `none` of an optional one that is not installed."""


class SQLReference(SQLBase):
    """A reference, parameter reference or mapping of CRDS that any job has used.

    What CRDS delivered under one name is one file for ever: two rows of one name are
    an incident.
    """

    __tablename__ = "reference"

    sha1: Mapped[str] = mapped_column(primary_key=True)
    """SHA-1 of its bytes, as CRDS gives it."""
    name: Mapped[str] = mapped_column(primary_key=True, index=True)
    """Bare file name."""
    size_bytes: Mapped[int]
    """Its size."""


class SQLReferenceSet(SQLBase):
    """The references and parameter references of a job, or the mappings."""

    __tablename__ = "reference_set"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    """Hash of all its files, with what they are used for."""


class SQLReferenceUse(SQLBase):
    """A file of a set, and what it is used for."""

    __tablename__ = "reference_use"
    __table_args__ = (
        ForeignKeyConstraint(["sha1", "name"], ["reference.sha1", "reference.name"]),
        Index(None, "sha1", "name"),
    )

    set_sha256: Mapped[str] = mapped_column(
        ForeignKey("reference_set.sha256"), primary_key=True
    )
    """The set."""
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Order, from 0."""
    kind: Mapped[ReferenceKind]
    """reference, pars or mapping."""
    reftype: Mapped[str]
    """Type of the reference (`photom`, `pars-spec2pipeline`); empty of mappings."""
    name: Mapped[str | None] = mapped_column(index=True)
    """The file; null, as is what follows, where the rules say N/A."""
    sha1: Mapped[str | None]
    """Its bytes."""
    mtime_ns: Mapped[int | None]
    """Its time of last modification in that cache."""
