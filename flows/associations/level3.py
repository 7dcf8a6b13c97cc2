"""Level-3 rules: one glance shows what each of them selects.

They follow the official rules of the same names (jwst 3.0.0,
``jwst/associations/lib/rules_level3.py``).
"""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Final

from .cliques import Loose
from .detectors import sees_ifu, sees_slit
from .level2 import is_nodded
from .product_names import (
    name_of_optics,
    name_of_slit_sources,
    name_of_sources,
    name_without_optics,
)
from .rows import Candidate, PoolRow

__all__ = ["JOINT_RULES", "JointRule", "elements"]

NameProduct = Callable[[Candidate, PoolRow, Iterable[str], Iterable[str]], str]


def _nothing_loose(_row: PoolRow) -> Loose:
    """Let nothing be loose."""
    return ()


def elements(row: PoolRow) -> tuple[str | None, str | None]:
    """Give filter, and grating or pupil."""
    return (row.filter, row.pupil or row.grating)


def _loose_path(row: PoolRow) -> Loose:
    """Give what of the optical path may be undefined; S200A1 and A2 go with any."""
    slit = None if row.fxd_slit in {"s200a1", "s200a2"} else row.fxd_slit
    return (*elements(row), slit)


def _path(row: PoolRow) -> tuple[Hashable, ...]:
    """Give what of the optical path must be defined."""
    return (row.subarray,)


@dataclass(frozen=True, slots=True)
class JointRule:
    """What makes an association of all exposures of a target."""

    name: str
    """Name of the official rule."""
    exp_types: frozenset[str]
    """EXP_TYPEs that it is for."""
    accepts: Callable[[PoolRow], bool]
    """What its members must satisfy besides."""
    shared: Callable[[PoolRow], tuple[Hashable, ...]]
    """What its members share; all of it must be defined."""
    loose: Callable[[PoolRow], Loose] = _nothing_loose
    """What they share where it is defined."""
    optics: tuple[str, ...] = ()
    """Columns that name the optical elements, where they are not loose."""
    name_product: NameProduct = name_of_optics
    """Names the product."""
    has_aperture: bool = False
    """Whether slit and subarray are in the name."""
    is_of_background: bool = False
    """Whether it takes backgrounds as science."""
    has_nods: bool = False
    """Whether the spectra of nods are backgrounds too, of any number of
    observations."""
    asn_type: str = "spec3"
    """spec3 or tso3."""


def _is_plain(row: PoolRow) -> bool:
    """Tell whether it is no time series."""
    return not row.is_tso


def _is_sky(row: PoolRow) -> bool:
    """Tell whether it is a dedicated background and no time series."""
    return not row.is_tso and row.bkgdtarg == "t"


def _is_time_series(row: PoolRow) -> bool:
    """Tell whether it is a time series that tso3 can join."""
    if not row.is_tso or row.subarray in _STRIPES:
        return False
    match row.exp_type:
        case "nrc_tsgrism":
            is_clear = row.pupil in {"clear", "gdhs0", "gdhs60"}
            return not is_clear and row.detector != "nrcblong"
        case "nis_soss":
            return row.nints != "1" and row.filter not in {None, "f277w"}
        case "nrs_brightobj":
            return sees_slit(row)
    return row.exp_type not in {"mir_mrs", "nrs_ifu"}


_STRIPES: Final = frozenset(
    [
        *("sub260stripe4_dhs", "sub41stripe1_dhs"),
        *("sub82stripe2_dhs", "sub164stripe4_dhs"),
    ]
)
"""Subarrays that tso3 does not know."""

_ALL: Final = frozenset(
    [
        *("mir_lrs-fixedslit", "mir_lrs-slitless", "mir_wfss", "nis_soss"),
        *("nis_wfss", "nrc_tsgrism", "nrc_wfss", "nrs_brightobj"),
        *("nrs_fixedslit", "nrs_msaspec"),
    ]
)
"""EXP_TYPEs of spectra that may be time series; IFUs are none."""

JOINT_RULES: Final = (
    JointRule(
        "Asn_Lv3MIRMRS",
        frozenset({"mir_mrs"}),
        _is_plain,
        shared=lambda _row: (),
        name_product=name_without_optics,
    ),
    JointRule(
        "Asn_Lv3MIRMRSBackground",
        frozenset({"mir_mrs"}),
        _is_sky,
        shared=lambda _row: (),
        name_product=name_without_optics,
        is_of_background=True,
    ),
    JointRule(
        "Asn_Lv3NRSFSS",
        frozenset({"nrs_autoflat", "nrs_autowave", "nrs_fixedslit"}),
        lambda row: not row.is_tso and sees_slit(row),
        shared=_path,
        loose=_loose_path,
        name_product=name_of_slit_sources,
        has_aperture=True,
    ),
    JointRule(
        "Asn_Lv3NRSIFU",
        frozenset({"nrs_autowave", "nrs_ifu"}),
        lambda row: not row.is_tso and sees_ifu(row),
        shared=lambda row: (row.patttype, row.grating),
        optics=("grating",),
    ),
    JointRule(
        "Asn_Lv3NRSIFUBackground",
        frozenset({"nrs_ifu"}),
        lambda row: _is_sky(row) and sees_ifu(row),
        shared=lambda row: (row.grating,),
        optics=("grating",),
        is_of_background=True,
    ),
    JointRule(
        "Asn_Lv3SlitlessSpectral",
        frozenset({"nis_soss"}),
        lambda row: not row.is_tso and row.patttype is None,
        shared=_path,
        loose=_loose_path,
        has_aperture=True,
    ),
    JointRule(
        "Asn_Lv3SpecAux",
        frozenset({"mir_lrs-fixedslit", "nrs_fixedslit"}),
        _is_sky,
        shared=lambda row: (row.exp_type, row.subarray),
        loose=_loose_path,
        has_aperture=True,
        is_of_background=True,
    ),
    JointRule(
        "Asn_Lv3SpectralSource",
        frozenset({"nrs_autoflat", "nrs_autowave", "nrs_msaspec"}),
        lambda row: (
            not row.is_tso
            and (row.exp_type != "nrs_msaspec" or row.msametfl is not None)
        ),
        shared=_path,
        loose=_loose_path,
        name_product=name_of_sources,
        has_aperture=True,
    ),
    JointRule(
        "Asn_Lv3SpectralTarget",
        frozenset({"mir_lrs-fixedslit", "nis_soss"}),
        lambda row: not row.is_tso and is_nodded(row),
        shared=lambda row: (row.subarray, row.patttype),
        loose=_loose_path,
        has_aperture=True,
        has_nods=True,
    ),
    JointRule(
        "Asn_Lv3TSO",
        _ALL,
        _is_time_series,
        shared=lambda row: (row.exp_type, row.subarray),
        loose=_loose_path,
        has_aperture=True,
        asn_type="tso3",
    ),
    JointRule(
        "Asn_Lv3WFSSMIR",
        frozenset({"mir_wfss"}),
        lambda row: row.filter == "p750l",
        shared=lambda _row: (),
        optics=("filter",),
    ),
    JointRule(
        "Asn_Lv3WFSSNIS",
        frozenset({"nis_wfss"}),
        lambda row: row.filter in {"gr150r", "gr150c"},
        shared=lambda row: (row.filter, row.pupil),
        optics=("filter", "pupil"),
    ),
    JointRule(
        "Asn_Lv3WFSSNRC",
        frozenset({"nrc_wfss"}),
        lambda row: row.pupil in {"grismr", "grismc"},
        shared=lambda row: (row.pupil, row.filter),
        optics=("pupil", "filter"),
    ),
)
"""All of them."""
