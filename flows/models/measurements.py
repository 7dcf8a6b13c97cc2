"""Measurements as they are kept: the numbers of a product, and what they were."""

from dataclasses import dataclass
from datetime import datetime

from workers.contract import Measurement

__all__ = ["MeasuredProduct"]


@dataclass(frozen=True, slots=True)
class MeasuredProduct:
    """A product that was measured."""

    fingerprint: str
    """The job that made it."""
    product: str
    """Name of the file."""
    sha256: str
    """Hash of its bytes."""
    kinds_sha256: str
    """Hash of what was to be measured (`config.measurements.hash_kinds`)."""
    measured_at: datetime
    """When; UTC."""
    numbers: tuple[Measurement, ...]
    """What it gave; none if no measurement is for it."""
