"""Tables of measurements: the numbers that products gave."""

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from ..column_types import FREE_TEXT
from .row import SQLBase

__all__ = ["SQLMeasuredProduct", "SQLMeasurement"]


class SQLMeasuredProduct(SQLBase):
    """A product that was measured."""

    __tablename__ = "measured_product"

    fingerprint: Mapped[str] = mapped_column(
        ForeignKey("job.fingerprint"), primary_key=True
    )
    """The job."""
    product: Mapped[str] = mapped_column(primary_key=True)
    """The product. Products are recorded anew when their job is, hence no foreign
    key."""
    sha256: Mapped[str]
    """Hash of its bytes when it was measured."""
    kinds_sha256: Mapped[str]
    """Hash of the definitions of what was measured."""
    measured_at: Mapped[datetime]
    """When that was."""


class SQLMeasurement(SQLBase):
    """A number that a product gave."""

    __tablename__ = "measurement"

    fingerprint: Mapped[str] = mapped_column(
        ForeignKey("job.fingerprint"), primary_key=True
    )
    """The job."""
    file: Mapped[str] = mapped_column(primary_key=True)
    """The product."""
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Order, from 0."""
    name: Mapped[str] = mapped_column(index=True)
    """What was measured (docs/user/measurements.md)."""
    part: Mapped[str]
    """Of what in the product; empty of all of it."""
    value: Mapped[float | None]
    """The number; null where `why` says why it could not be taken."""
    unit: Mapped[str]
    """Its unit."""
    n: Mapped[int]
    """How many values went into it."""
    why: Mapped[str] = mapped_column(FREE_TEXT)
    """Why there is none."""
