"""What an exposure is for, told from its header as the official rules tell it."""

from collections.abc import Mapping
from typing import Final

from flows.models.exposures import Role

__all__ = ["ACQUISITION_EXP_TYPES", "HeaderValue", "role_of"]

HeaderValue = str | int | float | bool
"""What a header card holds once it is read."""

ACQUISITION_EXP_TYPES: Final = frozenset(
    [
        *("MIR_TACQ", "MIR_TACONFIRM", "NIS_TACQ", "NIS_TACONFIRM"),
        *("NRC_TACQ", "NRC_TACONFIRM", "NRS_TACQ", "NRS_TACONFIRM", "NRS_TASLIT"),
        *("NRS_CONFIRM", "NRS_MSATA", "NRS_VERIFY", "NRS_WATA"),
    ]
)
"""``ACQ_EXP_TYPES`` of ``jwst/associations/lib/dms_base.py`` (jwst 3.0.0)."""

_MODIFIERS: Final = (
    # A PSF reference is science to the level-2b rules, whatever else it says it is.
    ("IS_PSF", Role.SCIENCE),
    ("IS_IMPRT", Role.IMPRINT),
    ("BKGDTARG", Role.BACKGROUND),
)
"""``SPECIAL_EXPOSURE_MODIFIERS`` of the same module: the first that is set wins."""


def role_of(header: Mapping[str, HeaderValue]) -> Role:
    """Tell what an exposure is for.

    Parameters
    ----------
    header
        Its primary header, upper-case keywords, with EXP_TYPE.
    """
    if str(header["EXP_TYPE"]).upper() in ACQUISITION_EXP_TYPES:
        return Role.TARGET_ACQUISITION
    set_roles = (role for keyword, role in _MODIFIERS if header.get(keyword) is True)
    return next(set_roles, Role.SCIENCE)
