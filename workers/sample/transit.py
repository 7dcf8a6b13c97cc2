"""A planet that passes before a star, as a time series sees it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

__all__ = ["Transit"]


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

    def transmission(self, integrations: NDArray[np.int64]) -> NDArray[np.float64]:
        """Give the part of the light that passes the planet."""
        inside = (integrations >= self.first) & (integrations <= self.last)
        return np.where(inside, 1 - self.depth, 1.0)

    def make_table(self, integrations: int, meta: Mapping[str, object]) -> Table:
        """Tabulate what passes in each of so many integrations."""
        numbers = np.arange(1, integrations + 1)
        columns = {"integration": numbers, "transmission": self.transmission(numbers)}
        return Table(columns, meta=dict(meta))
