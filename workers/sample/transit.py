"""A planet that passes before a star, as a time series sees it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from .exposures import RawExposure
from .raw_files import integration_times

__all__ = ["TimedTransit", "Transit"]


@dataclass(frozen=True, slots=True)
class Transit:
    """Integrations in which part of the light is missing."""

    depth: float
    """Part of the light that the planet takes."""
    first: int
    """First integration in transit, counted from 1."""
    last: int
    """Last one."""

    @property
    def meta(self) -> dict[str, float]:
        """What tables of the truth say of it."""
        return {
            "transit_depth": self.depth,
            "transit_first": self.first,
            "transit_last": self.last,
        }

    def transmission(self, raw: RawExposure) -> NDArray[np.float64]:
        """Return the part of the light that passes the planet, for each integration."""
        integrations = _number(raw)
        inside = (integrations >= self.first) & (integrations <= self.last)
        return np.where(inside, 1 - self.depth, 1.0)

    def make_table(self, segments: Sequence[RawExposure], meta: Any) -> Table:
        """Tabulate what passes in each integration."""
        columns = {
            "integration": np.concatenate([_number(raw) for raw in segments]),
            "transmission": np.concatenate([self.transmission(r) for r in segments]),
        }
        return Table(columns, meta=meta)


def _number(raw: RawExposure) -> NDArray[np.int64]:
    return raw.first_integration + np.arange(raw.integrations)


@dataclass(frozen=True, slots=True)
class TimedTransit:
    """Seconds in which part of the light is missing, of integrations that differ."""

    depth: float
    """Part of the light that the planet takes."""
    start_s: float
    """Begin of the first exposure, since the epoch of the samples."""
    contacts_s: tuple[float, float]
    """First and last contact, since then; a planet without a size."""

    @property
    def meta(self) -> dict[str, float]:
        """What tables of the truth say of it."""
        return {"transit_depth": self.depth}

    def transmission(self, raw: RawExposure) -> NDArray[np.float64]:
        """Return the part of the light that passes the planet, for each integration."""
        start_s = raw.integration_starts_s - self.start_s
        end_s = start_s + raw.integration_s
        first_s, last_s = self.contacts_s
        inside_s = np.minimum(end_s, last_s) - np.maximum(start_s, first_s)
        return 1 - self.depth * np.clip(inside_s / raw.integration_s, 0, 1)

    def make_table(self, segments: Sequence[RawExposure], meta: Any) -> Table:
        """Tabulate what passes in each integration, and when."""
        times = np.concatenate([integration_times(raw) for raw in segments])
        columns = {
            "integration": times["integration_number"],
            "mid_mjd_utc": times["int_mid_MJD_UTC"],
            "transmission": np.concatenate([self.transmission(r) for r in segments]),
        }
        return Table(columns, meta=meta)
