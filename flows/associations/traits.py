"""What the rules look at in an exposure.

A trait in lower case is a field of the exposure (``program``), one in upper case a
keyword of its header (``GRATING``).
"""

from collections.abc import Sequence
from typing import Final

from flows.models import Exposure

__all__ = [
    "MODE",
    "Trait",
    "has_light_on_detector",
    "is_nodded",
    "is_time_series",
    "mode_of",
    "trait",
    "traits",
]

_FLAGS: Final = frozenset({"BKGDTARG", "IS_IMPRT", "TSOVISIT"})
"""Keywords whose absence means no."""

_STAND_INS: Final = {"TARGNAME": "TARGPROP"}
"""Keyword to look at where the first is blank: real exposures of the MSA have no
TARGNAME, but the name of the target in the proposal."""

Trait = str | int | float | bool | None
"""Value of a trait; None where the header has none."""

MODE: Final = (
    "program",
    "exp_type",
    "INSTRUME",
    "DETECTOR",
    "FILTER",
    "GRATING",
    "FXD_SLIT",
    "SUBARRAY",
    "TSOVISIT",
)
"""Constraint_Base and Constraint_Mode of the level-2b rules, as far as NIRSpec."""

_ALWAYS_TIME_SERIES: Final = frozenset({"NRS_BRIGHTOBJ", "NRC_TSGRISM", "NRC_TSIMAGE"})
"""``TSO_EXP_TYPES`` of ``jwst/associations/lib/dms_base.py`` (jwst 3.0.0)."""

_NODS: Final = frozenset({"2-POINT-NOD", "4-POINT-NOD", "ALONG-SLIT-NOD"})
"""PATTTYPE of exposures that are each other's background."""

_WITH_NRS2: Final = frozenset(
    {("G140H", "F100LP"), ("G235H", "F170LP"), ("G395H", "F290LP")}
)
"""Grating and filter whose spectra through IFU and A slits reach NRS2."""

_WITHOUT_NRS2: Final = frozenset(
    {
        ("PRISM", "CLEAR"),
        ("G140M", "F070LP"),
        ("G140M", "F100LP"),
        ("G235M", "F170LP"),
        ("G395M", "F290LP"),
        ("G140H", "F070LP"),
    }
)
"""Grating and filter whose spectra through IFU and A slits fall on NRS1 alone."""


def trait(exposure: Exposure, name: str) -> Trait:
    """Look up a trait; text in upper case, a flag that is not set is False."""
    if name.islower():
        found = getattr(exposure, name)
        return found if isinstance(found, str) else None
    value = exposure.header.get(name)
    if not value and name in _STAND_INS:
        value = exposure.header.get(_STAND_INS[name])
    if isinstance(value, str):
        return value.strip().upper()
    return False if value is None and name in _FLAGS else value


def traits(exposure: Exposure, names: Sequence[str]) -> tuple[Trait, ...]:
    """Look up several traits."""
    return tuple(trait(exposure, name) for name in names)


def mode_of(exposure: Exposure) -> tuple[Trait, ...]:
    """Tell what must be the same in exposures that correct each other."""
    return traits(exposure, MODE)


def is_time_series(exposure: Exposure) -> bool:
    """Tell whether an exposure is processed by integrations."""
    always = exposure.exp_type in _ALWAYS_TIME_SERIES
    return always or trait(exposure, "TSOVISIT") is True


def is_nodded(exposure: Exposure) -> bool:
    """Tell whether an exposure and others of its pattern subtract each other."""
    return trait(exposure, "PATTTYPE") in _NODS


def has_light_on_detector(exposure: Exposure) -> bool:
    """Tell whether a spectrum through the IFU or an A slit falls on the detector."""
    grating, filter_name, detector = traits(exposure, ("GRATING", "FILTER", "DETECTOR"))
    path = (grating, filter_name)
    match detector:
        case "NRS1":
            return path in _WITH_NRS2 or path in _WITHOUT_NRS2
        case "NRS2":
            return path in _WITH_NRS2
    return False
