"""On which NIRSpec detector light of an optical path falls.

The tables are those of ``jwst/associations/lib/dms_base.py`` (jwst 3.0.0).
"""

from typing import Final

from .rows import PoolRow

__all__ = ["list_lit", "sees_ifu", "sees_slit"]

_BOTH: Final = (("g140h", "f100lp"), ("g235h", "f170lp"), ("g395h", "f290lp"))
"""Grating and filter whose spectra reach both detectors."""

_FIRST: Final = (
    *(("prism", "clear"), ("g140h", "f070lp"), ("g140m", "f070lp")),
    *(("g140m", "f100lp"), ("g235m", "f170lp"), ("g395m", "f290lp")),
)
"""Grating and filter whose spectra fall on NRS1 alone."""

_IFU: Final = frozenset(
    [
        *((*path, "nrs1") for path in (*_BOTH, *_FIRST)),
        *((*path, "nrs2") for path in _BOTH),
    ]
)
"""Grating, filter and detector of the IFU and the A slits."""

_S200B1: Final = frozenset(
    [
        *((*path, "nrs2") for path in (*_BOTH, *_FIRST)),
        *(("g140h", "f070lp", "nrs1"), ("g140m", "f070lp", "nrs1")),
    ]
)
"""The same of slit S200B1."""

_THROUGH: Final = frozenset({"nrs_brightobj", "nrs_fixedslit", "nrs_ifu"})
"""EXP_TYPEs whose light comes through the IFU or a fixed slit."""


def sees_ifu(row: PoolRow) -> bool:
    """Tell whether light through the IFU falls on the detector; True if no IFU."""
    if row.exp_type != "nrs_ifu":
        return True
    return (row.grating, row.filter, row.detector) in _IFU


def sees_slit(row: PoolRow) -> bool:
    """Tell whether light through the fixed slit falls on the detector."""
    if row.fxd_slit is None:
        return False
    paths = _S200B1 if row.fxd_slit == "s200b1" else _IFU
    return (row.grating, row.filter, row.detector) in paths


def list_lit(row: PoolRow) -> frozenset[str]:
    """List the detectors that light through the IFU or the fixed slit falls on."""
    if row.exp_type not in _THROUGH:
        return frozenset()
    paths = _S200B1 if row.fxd_slit == "s200b1" else _IFU
    path = row.grating, row.filter
    return frozenset(detector for *other, detector in paths if (*other,) == path)
