"""Tables of jobs: what was asked of each, and what it reads.

What many jobs have in common (parameters, versions, references, mappings) is there
once, by the hash of all of it: see `sets`.
"""

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from workers.contract import Edit, Stage
from workers.workload import Workload

from .row import SQLBase

__all__ = ["SQLJob", "SQLJobInput"]


class SQLJob(SQLBase):
    """One stage over one exposure or association, once it was attempted."""

    __tablename__ = "job"
    __table_args__ = (Index(None, "stage", "name"),)

    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    """Hash of all that can change a pixel."""
    stage: Mapped[Stage]
    """detector1, spec2, spec3 or tso3."""
    name: Mapped[str]
    """Product name: the stem of the exposure, or that of the association."""
    program: Mapped[str] = mapped_column(index=True)
    """Five digits."""
    exp_type: Mapped[str]
    """EXP_TYPE of the science exposures."""
    context: Mapped[str]
    """CRDS context (`jwst_NNNN.pmap`)."""
    parameters_sha256: Mapped[str] = mapped_column(
        ForeignKey("parameter_set.sha256"), index=True
    )
    """Its parameters."""
    versions_sha256: Mapped[str] = mapped_column(
        ForeignKey("version_set.sha256"), index=True
    )
    """Versions of the calibration code."""
    references_sha256: Mapped[str] = mapped_column(
        ForeignKey("reference_set.sha256"), index=True
    )
    """Its references and parameter references."""
    mappings_sha256: Mapped[str] = mapped_column(
        ForeignKey("reference_set.sha256"), index=True
    )
    """The mappings of the context that selected them."""
    edits: Mapped[tuple[Edit, ...]]
    """What is changed in copies of its inputs: triples of file, edit and values, as
    JSON."""
    association: Mapped[str | None]
    """Text of the association file."""
    association_name: Mapped[str | None]
    """Name of that file."""
    crds_path: Mapped[str]
    """The CRDS cache that it was resolved in."""
    workload: Mapped[Workload]
    """How large it is, as JSON; empty of jobs before revision 0009."""


class SQLJobInput(SQLBase):
    """A file that a job reads."""

    __tablename__ = "job_input"

    fingerprint: Mapped[str] = mapped_column(
        ForeignKey("job.fingerprint"), primary_key=True
    )
    """The job."""
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Order, from 0."""
    name: Mapped[str] = mapped_column(index=True)
    """Bare file name."""
    path: Mapped[str]
    """Where it was."""
    exptype: Mapped[str]
    """Role in the association: science, background, imprint, ..."""
    reason: Mapped[str]
    """Why it is read."""
    sha256: Mapped[str] = mapped_column(index=True)
    """Hash of its bytes, equal to that of the product that it is."""
    content_sha256: Mapped[str]
    """Hash of pixels and science metadata."""
