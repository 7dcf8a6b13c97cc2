"""What is measured in products: the registry, ``measurements.toml``."""

import hashlib
import json
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources

from pydantic import BaseModel, ConfigDict, TypeAdapter

from .match import Match

__all__ = ["MeasuredValue", "MeasurementKind", "hash_kinds", "list_measurements"]


class MeasuredValue(BaseModel):
    """One of the numbers that a measurement gives."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    unit: str
    """As in FITS; ``1`` of a ratio. Each number of a measurement has its own."""
    ideal: float
    """What data without the defect would give."""

    def compare(self, before: float, after: float) -> float | None:
        """Return how many times nearer to the ideal a number is than it was before.

        Less than 1 is worse; None where both, or the one after, are the ideal itself.
        """
        left = abs(after - self.ideal)
        return abs(before - self.ideal) / left if left else None


class MeasurementKind(BaseModel):
    """What is measured under a name, of which products, and how it is defined."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    definition: str
    """What the numbers are."""
    suffixes: tuple[str, ...]
    """Products that it is taken of."""
    match: Match = Match()
    """Exposures that it is for."""
    values: tuple[MeasuredValue, ...]
    """The numbers that it gives."""
    source: str
    """Known issue or paper."""
    version: int = 1
    """Raised when the same definition gives other numbers."""


@cache
def list_measurements() -> Mapping[str, MeasurementKind]:
    """List what is measured, by name."""
    text = resources.files("config").joinpath("measurements.toml").read_text()
    return TypeAdapter(dict[str, MeasurementKind]).validate_python(tomllib.loads(text))


@cache
def hash_kinds(suffix: str) -> str | None:
    """Hash what is measured of products of a suffix; None if nothing is.

    Numbers that were taken under another hash have to be taken again.
    """
    kinds = {
        name: kind.model_dump(mode="json")
        for name, kind in list_measurements().items()
        if suffix in kind.suffixes
    }
    text = json.dumps(kinds, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest() if kinds else None
