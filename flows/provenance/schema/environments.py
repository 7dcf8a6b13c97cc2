"""Tables of environments: what was installed where jobs and runs ran.

Each is there once, by its hash, and also in the data folder (`environments/`).
"""

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from .row import SQLBase

__all__ = ["SQLDistribution", "SQLEnvironment"]


class SQLEnvironment(SQLBase):
    """The software of a process, and its machine."""

    __tablename__ = "environment"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    """Hash of all of it, with its distributions."""
    lock_sha256: Mapped[str]
    """Hash of the requirements.lock that was installed from; empty if not known."""
    python: Mapped[str]
    """Version of Python."""
    system: Mapped[str]
    """Operating system with its version, and the C library."""
    machine: Mapped[str]
    """Architecture of the processor."""
    cpu_flags: Mapped[tuple[str, ...]]
    """Flags of the processor that numeric libraries choose their code by, as JSON."""
    container: Mapped[str]
    """Digest of the image, if CONTAINER_DIGEST told it."""


class SQLDistribution(SQLBase):
    """A Python distribution that was installed."""

    __tablename__ = "distribution"
    __table_args__ = (Index(None, "name", "version"),)

    environment_sha256: Mapped[str] = mapped_column(
        ForeignKey("environment.sha256"), primary_key=True
    )
    """The environment."""
    name: Mapped[str] = mapped_column(primary_key=True)
    """Its normalized name."""
    version: Mapped[str]
    """Its version."""
