"""Which exposures are of one mode, and so can correct each other at level 2b."""

from typing import Final

from .cliques import Loose
from .rows import PoolRow

__all__ = ["SPECTRA", "loose_mode", "mode_of"]

SPECTRA: Final = frozenset(
    [
        *("mir_lrs-fixedslit", "mir_lrs-slitless", "mir_mrs", "mir_wfss"),
        *("nis_soss", "nis_wfss", "nrc_tsgrism", "nrc_wfss"),
        *("nrs_brightobj", "nrs_fixedslit", "nrs_ifu", "nrs_msaspec"),
    ]
)
"""``SPEC2_SCIENCE_EXP_TYPES`` of ``jwst/associations/lib/dms_base.py``."""

Mode = tuple[str, ...]
"""Program, EXP_TYPE, instrument, detector, and filter or band."""


def mode_of(row: PoolRow) -> Mode | None:
    """Tell the mode (``Constraint_Base``, ``Constraint_Mode``); None if it has none."""
    element = row.filter or row.band
    which = "filter" if row.filter else "band"
    mode = (row.program, row.exp_type, row.instrume, row.detector, element)
    if any(value is None for value in mode) or _is_refused(row):
        return None
    return (*(value for value in mode if value is not None), which)


def _is_refused(row: PoolRow) -> bool:
    """Tell whether it is of wavefront sensing, or of a detector that sees no grism."""
    if row.detector == "nrcblong" and row.exp_type == "nrc_tsgrism":
        return True
    visit = row.visitype or ""
    return "wfsc" in visit[1:-1]


def loose_mode(row: PoolRow) -> Loose:
    """Give what else is the same in a mode, where it is defined."""
    return (row.pupil or row.grating, row.fxd_slit, row.subarray, row.channel)
