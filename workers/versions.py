"""Which calibration code this environment holds, told without importing it."""

from collections.abc import Mapping
from importlib import metadata

__all__ = ["CALIBRATION_PACKAGES", "calibration_versions"]

CALIBRATION_PACKAGES = (
    "astropy",
    "drizzle",
    "gwcs",
    "jwst",
    "numpy",
    "photutils",
    "scikit-image",
    "scipy",
    "stcal",
    "stdatamodels",
    "stpipe",
    "tweakwcs",
)
"""Distributions whose code can change a pixel."""


def calibration_versions() -> Mapping[str, str]:
    """Give the installed version of each of `CALIBRATION_PACKAGES`."""
    return {name: metadata.version(name) for name in CALIBRATION_PACKAGES}
