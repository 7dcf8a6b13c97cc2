"""Showers: faint extended charge that a cosmic ray leaves between two reads."""

from dataclasses import dataclass

import numpy as np

from .frames import Image, Subarray

__all__ = ["Shower"]


@dataclass(frozen=True, slots=True)
class Shower:
    """A shower, with the shape of an elliptical Gaussian."""

    group: int
    """First read that has its charge, counted from 1."""
    row: int
    """Centre, counted from 0."""
    column: int
    """Centre, counted from 0."""
    sigma_rows: float
    """Width across rows, pixels."""
    sigma_columns: float
    """Width across columns, pixels."""
    peak_dn: float
    """Charge at the centre."""

    def charge(self, subarray: Subarray) -> Image:
        """Give the charge (DN) that it leaves in each pixel that sees light."""
        y, x = np.ogrid[: subarray.rows, : subarray.columns]
        rows = (y - self.row) / self.sigma_rows
        columns = (x - self.column) / self.sigma_columns
        image = np.zeros(subarray.shape, np.float32)
        full = self.peak_dn * np.exp(-0.5 * (rows**2 + columns**2))
        image[subarray.inside] = full[subarray.inside]
        return image
