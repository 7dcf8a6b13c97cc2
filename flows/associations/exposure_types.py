"""The one table of exposure types: what they are, and which rules take them.

It follows ``jwst/associations/lib/dms_base.py`` and the rules beside it (jwst 3.0.0).
"""

from dataclasses import dataclass
from typing import Final

from ..models.exposures import ACQUISITIONS

__all__ = [
    "ALWAYS_TIME_SERIES",
    "EXPOSURE_TYPES",
    "EXP_TYPES_OF",
    "GRISMS",
    "SPECTRA",
]


@dataclass(frozen=True, slots=True)
class _ExposureType:
    """What the rules make of exposures of one EXP_TYPE."""

    level2: tuple[str, ...] = ()
    """Rules of level 2b that take them as science; those that take every spectrum
    (``Asn_Lv2SpecImprint``, ``Asn_Lv2SpecSpecial``) are left out."""
    level3: tuple[str, ...] = ()
    """Rules of level 3 that join them."""
    kind: str = "science"
    """Their exptype where it does not depend on other columns (``EXPTYPE_MAP``)."""


def _of_kind(kind: str, *exp_types: str) -> dict[str, _ExposureType]:
    return dict.fromkeys(exp_types, _ExposureType(kind=kind))


EXPOSURE_TYPES: Final = {
    "mir_lrs-fixedslit": _ExposureType(
        level2=("Asn_MIRLRSTAConfirm", "Asn_Lv2MIRLRSFixedSlitNod"),
        level3=("Asn_Lv3SpecAux", "Asn_Lv3SpectralTarget", "Asn_Lv3TSO"),
    ),
    "mir_lrs-slitless": _ExposureType(
        level2=("Asn_MIRLRSTAConfirm",), level3=("Asn_Lv3TSO",)
    ),
    "mir_mrs": _ExposureType(
        level2=("Asn_Lv2Spec", "Asn_Lv2SpecTSO"),
        level3=("Asn_Lv3MIRMRS", "Asn_Lv3MIRMRSBackground"),
    ),
    "mir_wfss": _ExposureType(
        level2=(
            *("Asn_Lv2Spec", "Asn_Lv2SpecTSO", "Asn_Lv2WFSSMIR"),
            "Asn_Lv2WFSSParallel",
        ),
        level3=("Asn_Lv3TSO", "Asn_Lv3WFSSMIR"),
    ),
    "nis_soss": _ExposureType(
        level2=("Asn_Lv2Spec", "Asn_Lv2SpecTSO"),
        level3=("Asn_Lv3SlitlessSpectral", "Asn_Lv3SpectralTarget", "Asn_Lv3TSO"),
    ),
    "nis_wfss": _ExposureType(
        level2=("Asn_Lv2SpecTSO", "Asn_Lv2WFSSNIS", "Asn_Lv2WFSSParallel"),
        level3=("Asn_Lv3TSO", "Asn_Lv3WFSSNIS"),
    ),
    "nrc_tsgrism": _ExposureType(level2=("Asn_Lv2SpecTSO",), level3=("Asn_Lv3TSO",)),
    "nrc_wfss": _ExposureType(
        level2=("Asn_Lv2SpecTSO", "Asn_Lv2WFSSNRC", "Asn_Lv2WFSSParallel"),
        level3=("Asn_Lv3TSO", "Asn_Lv3WFSSNRC"),
    ),
    "nrs_brightobj": _ExposureType(level2=("Asn_Lv2SpecTSO",), level3=("Asn_Lv3TSO",)),
    "nrs_fixedslit": _ExposureType(
        level2=("Asn_Lv2NRSFSS",),
        level3=("Asn_Lv3NRSFSS", "Asn_Lv3SpecAux", "Asn_Lv3TSO"),
    ),
    "nrs_ifu": _ExposureType(
        level2=("Asn_Lv2Spec", "Asn_Lv2SpecTSO", "Asn_Lv2NRSIFUNod"),
        level3=("Asn_Lv3NRSIFU", "Asn_Lv3NRSIFUBackground"),
    ),
    "nrs_msaspec": _ExposureType(
        level2=("Asn_Lv2NRSMSA",), level3=("Asn_Lv3SpectralSource", "Asn_Lv3TSO")
    ),
    # Lamps, which go with the science of level 3.
    "nrs_autoflat": _ExposureType(
        level3=("Asn_Lv3NRSFSS", "Asn_Lv3SpectralSource"), kind="autoflat"
    ),
    "nrs_autowave": _ExposureType(
        level3=("Asn_Lv3NRSFSS", "Asn_Lv3NRSIFU", "Asn_Lv3SpectralSource"),
        kind="autowave",
    ),
    **_of_kind(
        "target_acquisition",
        *sorted(name.lower() for name in ACQUISITIONS - {"NRS_VERIFY"}),
    ),
    **_of_kind(
        "dark",
        *("mir_darkall", "mir_darkimg", "mir_darkmrs"),
        *("nis_dark", "nrc_dark", "nrs_dark"),
    ),
    **_of_kind(
        "flat",
        *("mir_flatimage", "mir_flatmrs", "mir_flatimage-ext", "mir_flatmrs-ext"),
        "nrc_flat",
    ),
    **_of_kind(
        "engineering",
        *("nis_focus", "nis_lamp", "nrc_focus", "nrc_led"),
        *("nrs_focus", "nrs_image", "nrs_lamp"),
    ),
}
"""By EXP_TYPE in lower case; a type that is missing is science that no rule takes."""

SPECTRA: Final = frozenset(name for name, one in EXPOSURE_TYPES.items() if one.level2)
"""Types of spectra (``SPEC2_SCIENCE_EXP_TYPES``)."""

EXP_TYPES_OF: Final = {
    rule: frozenset(
        name
        for name, one in EXPOSURE_TYPES.items()
        if rule in (*one.level2, *one.level3)
    )
    for each in EXPOSURE_TYPES.values()
    for rule in (*each.level2, *each.level3)
}
"""The types that a rule takes, by its official name."""

GRISMS: Final = {
    "mir_wfss": "mir_image",
    "nis_wfss": "nis_image",
    "nrc_wfss": "nrc_image",
}
"""Types of exposures through grisms without a slit, with that of their images."""

ALWAYS_TIME_SERIES: Final = frozenset({"nrc_tsimage", "nrc_tsgrism", "nrs_brightobj"})
"""Types that are, whatever the visit is (``TSO_EXP_TYPES``)."""
