"""Level-2b rules: one science exposure, and what corrects it.

They follow the official rules of the same names (jwst 3.0.0,
``jwst/associations/lib/rules_level2b.py``).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from .exposure_types import EXP_TYPES_OF, SPECTRA
from .grouping import bucket_by, gather_cliques, gather_companions, loose_mode, mode_of
from .imprints import ImprintIndex, trace_special
from .miri_lrs import make_lrs
from .nirspec import NOD_RULES, sees_ifu, sees_slit
from .parts import Draft, Part, draft_exposure
from .pool import Candidate, PoolRow
from .wfss import make_wfss

__all__ = ["SCIENCE_RULES", "is_nodded", "make_level2"]


@dataclass(frozen=True, slots=True)
class _ScienceRule:
    """What makes an association of one exposure of a mode."""

    name: str
    """Name of the official rule."""
    accepts: Callable[[PoolRow], bool]
    """What all its members must satisfy."""
    is_science: Callable[[PoolRow], bool]
    """Which of them it takes as science."""
    asn_type: str = "spec2"
    """spec2 or tso-spec2."""
    has_companions: bool = False
    """Whether backgrounds and leakcals of the mode go with the science."""


def is_nodded(row: PoolRow) -> bool:
    """Check whether an exposure and others of its pattern subtract each other."""
    return row.patttype in {"2-point-nod", "4-point-nod", "along-slit-nod"}


def _can_be_tso(row: PoolRow) -> bool:
    """Check that a time series is calibrated in this optical path."""
    match row.exp_type:
        case "nrc_tsgrism":
            return row.is_tso and row.pupil != "clear"
        case "nrs_brightobj":
            return row.is_tso and sees_slit(row)
        case "nis_soss":
            return row.is_tso and row.filter not in {None, "f277w"}
    return row.is_tso


SCIENCE_RULES: Final = (
    _ScienceRule(
        "Asn_Lv2Spec",
        accepts=lambda row: not (row.is_tso or is_nodded(row)) and sees_ifu(row),
        is_science=lambda row: (
            row.is_science and row.bkgdtarg is None and row.mostilno is not None
        ),
        has_companions=True,
    ),
    _ScienceRule(
        "Asn_Lv2SpecImprint",
        accepts=sees_ifu,
        is_science=lambda row: row.is_imprt is not None,
    ),
    _ScienceRule(
        "Asn_Lv2SpecTSO",
        accepts=_can_be_tso,
        is_science=lambda row: row.is_science,
        asn_type="tso-spec2",
    ),
)
"""Rules whose science is any exposure of a mode."""


def make_level2(candidate: Candidate, rows: Sequence[PoolRow]) -> Iterator[Draft]:
    """Make the level-2b associations of a candidate, from its exposures by name."""
    if candidate.type not in {"observation", "background", "direct_image"}:
        return
    modes = bucket_by((row for row in rows if row.exp_type in SPECTRA), mode_of)
    drafts = [
        draft for mode in modes.values() for draft in _make_of_mode(candidate, mode)
    ]
    drafts += make_lrs(candidate, rows)
    drafts += make_wfss(candidate, rows)
    for draft in drafts:
        match candidate.type:
            case "observation":
                is_allowed = True
            case "background":
                is_allowed = draft.has_background
            case _:
                is_allowed = draft.rule == "Asn_Lv2WFSSParallel"
        if is_allowed:
            yield draft


def _make_of_mode(candidate: Candidate, mode: list[PoolRow]) -> Iterator[Draft]:
    exp_type = mode[0].exp_type
    for rule in SCIENCE_RULES:
        if exp_type in EXP_TYPES_OF.get(rule.name, SPECTRA):
            yield from _make(rule, candidate, mode)
    yield from _make_special(candidate, mode)
    for nods in NOD_RULES:
        if exp_type in EXP_TYPES_OF[nods.name]:
            for clique in gather_cliques(mode, loose_mode):
                yield from nods.make(candidate, clique)


def _make(
    rule: _ScienceRule, candidate: Candidate, mode: list[PoolRow]
) -> Iterator[Draft]:
    rows = [row for row in mode if rule.accepts(row)]
    if not rule.has_companions:
        for row in filter(rule.is_science, rows):
            yield draft_exposure(rule.name, candidate, row, asn_type=rule.asn_type)
        return
    for found, companions in gather_companions(
        rows,
        loose_mode,
        lambda row: row.kind == "background" or row.is_imprt is not None,
    ):
        backgrounds = tuple(row for row in companions if row.kind == "background")
        index = ImprintIndex(row for row in companions if row.kind == "imprint")
        shared = (
            Part("background", backgrounds, "rate", "background of the same mode"),
            Part("imprint", index.of_sky, "rate", "leakcal of a background"),
        )
        for row in filter(rule.is_science, found):
            parts = (*shared, index.part_of(row))
            yield draft_exposure(rule.name, candidate, row, parts)


def _make_special(candidate: Candidate, mode: list[PoolRow]) -> Iterator[Draft]:
    """Make Asn_Lv2SpecSpecial: backgrounds and PSF references as science."""
    if candidate.type != "observation":
        return
    special = [row for row in mode if (row.bkgdtarg or row.is_psf) and sees_ifu(row)]
    for clique in gather_cliques(special, loose_mode):
        found = trace_special([row for row in clique if row.bkgdtarg])
        found += [(row, ()) for row in clique if not row.bkgdtarg]
        for row, imprints in found:
            part = Part("imprint", imprints, "rate", "leakcal of the background")
            yield draft_exposure("Asn_Lv2SpecSpecial", candidate, row, (part,))
