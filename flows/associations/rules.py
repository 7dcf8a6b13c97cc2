"""The rules: one glance shows what each of them selects.

They follow the official rules of the same names (jwst 3.0.0,
``jwst/associations/lib/rules_level2b.py`` and ``rules_level3.py``) for the modes that
are here; an exposure of another mode is told "no rule yet", never dropped silently.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from flows.models import Exposure, Role

from .companions import (
    background_leakcals,
    nearest_backgrounds,
    others_on_sky,
    own_leakcals,
)
from .options import AssociationOptions
from .traits import has_light_on_detector, is_nodded, is_time_series, trait

__all__ = ["RULES", "Companion", "Condition", "Rule", "explain_unused"]


def _always(_options: AssociationOptions) -> bool:
    """Want it whatever the options."""
    return True


def _links_backgrounds(options: AssociationOptions) -> bool:
    """Want what comes with dedicated backgrounds."""
    return options.backgrounds == "same-program"


@dataclass(frozen=True, slots=True)
class Condition:
    """What an exposure must satisfy to be the science of a rule."""

    holds: Callable[[Exposure], bool]
    """Whether it does."""
    otherwise: Callable[[Exposure], str]
    """Why it is left out when it does not."""


@dataclass(frozen=True, slots=True)
class Companion:
    """Members that go with the science exposure of a rule."""

    exptype: str
    """As the pipeline knows them."""
    choose: Callable[[Exposure, Sequence[Exposure]], Sequence[Exposure]]
    """Chooses among the exposures of the same mode."""
    reason: str
    """Why they are members."""
    is_wanted: Callable[[AssociationOptions], bool] = _always
    """Whether the options ask for them."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What makes an association."""

    name: str
    """Name of the official rule."""
    asn_type: str
    """spec2, tso-spec2, spec3 or tso3."""
    exp_type: str
    """EXP_TYPE of its science."""
    role: Role
    """Role of the exposures that it takes as science."""
    conditions: tuple[Condition, ...]
    """What they must satisfy besides."""
    suffix: str
    """Suffix of the products that its members stand for."""
    companions: tuple[Companion, ...] = ()
    """Other members; who is a member already is not added again."""
    together: tuple[str, ...] = ()
    """Traits shared by the science of one association; none: one exposure each."""
    optical: tuple[str, ...] = ()
    """Traits that name the optical path in the product name, in sorted order."""
    aperture: tuple[str, ...] = ()
    """Traits that follow it; a full frame is not named."""
    is_wanted: Callable[[AssociationOptions], bool] = _always
    """Whether the options ask for it."""

    def selects(self, exposure: Exposure) -> bool:
        """Tell whether it takes an exposure as science."""
        return self.is_about(exposure) and all(
            condition.holds(exposure) for condition in self.conditions
        )

    def is_about(self, exposure: Exposure) -> bool:
        """Tell whether an exposure is of its kind, whatever its conditions."""
        return (exposure.exp_type, exposure.role) == (self.exp_type, self.role)


_LIGHT_ON_DETECTOR: Final = Condition(
    has_light_on_detector,
    lambda exposure: (
        f"no light of {trait(exposure, 'GRATING')} with {trait(exposure, 'FILTER')} "
        f"falls on {trait(exposure, 'DETECTOR')}"
    ),
)
_NOT_NODDED: Final = Condition(
    lambda exposure: not is_nodded(exposure),
    lambda exposure: f"no rule yet for the nods of {trait(exposure, 'PATTTYPE')}",
)
_NOT_TIME_SERIES: Final = Condition(
    lambda exposure: not is_time_series(exposure),
    lambda exposure: f"no rule yet for time series of {exposure.exp_type}",
)

_OWN_LEAKCALS: Final = Companion(
    "imprint", own_leakcals, "leakcal of the same observation and mode"
)
_BACKGROUNDS: Final = Companion(
    "background",
    nearest_backgrounds,
    "dedicated background of the same program and mode, nearest in time",
    is_wanted=_links_backgrounds,
)
_BACKGROUND_LEAKCALS: Final = Companion(
    "imprint",
    background_leakcals,
    "leakcal of the dedicated background, to be subtracted from it",
    is_wanted=_links_backgrounds,
)
_SELFCAL: Final = Companion(
    "selfcal",
    others_on_sky,
    "exposure of the same mode, to find outliers fixed on the detector",
    is_wanted=lambda options: options.selfcal,
)

_IFU: Final = (_NOT_TIME_SERIES, _LIGHT_ON_DETECTOR)
_IFU_DITHERED: Final = (*_IFU, _NOT_NODDED)

RULES: Final = (
    Rule(
        name="Asn_Lv2Spec",
        asn_type="spec2",
        exp_type="NRS_IFU",
        role=Role.SCIENCE,
        conditions=_IFU_DITHERED,
        suffix="rate",
        companions=(_BACKGROUNDS, _OWN_LEAKCALS, _BACKGROUND_LEAKCALS, _SELFCAL),
    ),
    Rule(
        name="Asn_Lv2SpecSpecial",
        asn_type="spec2",
        exp_type="NRS_IFU",
        role=Role.BACKGROUND,
        conditions=_IFU,
        suffix="rate",
        companions=(_OWN_LEAKCALS, _SELFCAL),
    ),
    Rule(
        name="Asn_Lv2SpecImprint",
        asn_type="spec2",
        exp_type="NRS_IFU",
        role=Role.IMPRINT,
        conditions=(_LIGHT_ON_DETECTOR,),
        suffix="rate",
        is_wanted=lambda options: options.imprints_as_science,
    ),
    Rule(
        name="Asn_Lv2SpecTSO",
        asn_type="tso-spec2",
        exp_type="NRS_BRIGHTOBJ",
        role=Role.SCIENCE,
        conditions=(_LIGHT_ON_DETECTOR,),
        suffix="rateints",
    ),
    Rule(
        name="Asn_Lv3NRSIFU",
        asn_type="spec3",
        exp_type="NRS_IFU",
        role=Role.SCIENCE,
        conditions=_IFU_DITHERED,
        suffix="cal",
        together=("program", "observation", "TARGNAME", "GRATING"),
        optical=("GRATING",),
    ),
    Rule(
        name="Asn_Lv3NRSIFUBackground",
        asn_type="spec3",
        exp_type="NRS_IFU",
        role=Role.BACKGROUND,
        conditions=_IFU,
        suffix="cal",
        together=("program", "observation", "TARGNAME", "GRATING"),
        optical=("GRATING",),
    ),
    Rule(
        name="Asn_Lv3TSO",
        asn_type="tso3",
        exp_type="NRS_BRIGHTOBJ",
        role=Role.SCIENCE,
        conditions=(_LIGHT_ON_DETECTOR,),
        suffix="calints",
        together=(
            "program",
            "observation",
            "TARGNAME",
            "FILTER",
            "GRATING",
            "FXD_SLIT",
            "SUBARRAY",
        ),
        optical=("FILTER", "GRATING"),
        aperture=("FXD_SLIT", "SUBARRAY"),
    ),
)
"""All rules, level 2b before level 3."""

_SPECTROSCOPIC: Final = frozenset(
    [
        *("MIR_LRS-FIXEDSLIT", "MIR_LRS-SLITLESS", "MIR_MRS", "MIR_WFSS"),
        *("NIS_SOSS", "NIS_WFSS", "NRC_TSGRISM", "NRC_WFSS"),
        *("NRS_BRIGHTOBJ", "NRS_FIXEDSLIT", "NRS_IFU", "NRS_MSASPEC"),
    ]
)
"""``SPEC2_SCIENCE_EXP_TYPES`` of ``jwst/associations/lib/dms_base.py``."""


def explain_unused(exposure: Exposure) -> str:
    """Say why no rule takes an exposure, neither as science nor along with it."""
    if exposure.role is Role.TARGET_ACQUISITION:
        return f"ignored: {exposure.exp_type} is a target acquisition"
    if exposure.exp_type not in _SPECTROSCOPIC:
        return f"ignored: {exposure.exp_type} is not spectroscopic science"
    return _explain_spectroscopic(exposure)


def _explain_spectroscopic(exposure: Exposure) -> str:
    """Say which condition of the rules for its kind an exposure fails."""
    if all(rule.exp_type != exposure.exp_type for rule in RULES):
        return f"no rule yet for {exposure.exp_type}"
    about = [rule for rule in RULES if rule.is_about(exposure)]
    for rule in about:
        for condition in rule.conditions:
            if not condition.holds(exposure):
                return condition.otherwise(exposure)
    if exposure.role is Role.IMPRINT:
        return "no exposure that is processed goes with this leakcal"
    return f"no rule yet for {exposure.role} exposures of {exposure.exp_type}"
