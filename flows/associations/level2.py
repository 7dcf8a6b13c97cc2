"""Level-2b rules: one science exposure, and what corrects it.

They follow the official rules of the same names (jwst 3.0.0,
``jwst/associations/lib/rules_level2b.py``).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from .cliques import bucket_by, gather_cliques, gather_companions
from .detectors import sees_ifu, sees_slit
from .imprints import ImprintIndex, trace_special
from .modes import SPECTRA, loose_mode, mode_of
from .nods import NOD_RULES
from .parts import Draft, Part
from .rows import Candidate, PoolRow
from .slitless import make_slitless
from .slits import make_slits

__all__ = ["SCIENCE_RULES", "ScienceRule", "is_nodded", "make_level2"]

_NODS: Final = frozenset({"2-point-nod", "4-point-nod", "along-slit-nod"})
"""PATTTYPE of exposures that are each other's background."""


@dataclass(frozen=True, slots=True)
class ScienceRule:
    """What makes an association of one exposure of a mode."""

    name: str
    """Name of the official rule."""
    asn_type: str
    """spec2 or tso-spec2."""
    exp_types: frozenset[str]
    """EXP_TYPEs that it is for."""
    accepts: Callable[[PoolRow], bool]
    """What all its members must satisfy."""
    is_science: Callable[[PoolRow], bool]
    """Which of them it takes as science."""
    has_companions: bool = False
    """Whether backgrounds and leakcals of the mode go with the science."""


def is_nodded(row: PoolRow) -> bool:
    """Tell whether an exposure and others of its pattern subtract each other."""
    return row.patttype in _NODS


def _is_science(row: PoolRow) -> bool:
    """Tell whether it is science to level 2b, where a PSF reference is."""
    return row.kind in {"science", "psf"}


def _can_be_tso(row: PoolRow) -> bool:
    """Tell whether a time series is calibrated in this optical path."""
    match row.exp_type:
        case "nrc_tsgrism":
            return row.is_tso and row.pupil != "clear"
        case "nrs_brightobj":
            return row.is_tso and sees_slit(row)
        case "nis_soss":
            return row.is_tso and row.filter not in {None, "f277w"}
    return row.is_tso


SCIENCE_RULES: Final = (
    ScienceRule(
        "Asn_Lv2Spec",
        "spec2",
        frozenset({"mir_mrs", "mir_wfss", "nis_soss", "nrs_ifu"}),
        accepts=lambda row: not (row.is_tso or is_nodded(row)) and sees_ifu(row),
        is_science=lambda row: (
            _is_science(row) and row.bkgdtarg is None and row.mostilno is not None
        ),
        has_companions=True,
    ),
    ScienceRule(
        "Asn_Lv2SpecImprint",
        "spec2",
        SPECTRA,
        accepts=sees_ifu,
        is_science=lambda row: row.is_imprt is not None,
    ),
    ScienceRule(
        "Asn_Lv2SpecTSO",
        "tso-spec2",
        SPECTRA
        - {"nrs_msaspec", "nrs_fixedslit", "mir_lrs-slitless", "mir_lrs-fixedslit"},
        accepts=_can_be_tso,
        is_science=_is_science,
    ),
)
"""Rules whose science is any exposure of a mode."""


def make_level2(candidate: Candidate, rows: Sequence[PoolRow]) -> Iterator[Draft]:
    """Make the level-2b associations of a candidate.

    Parameters
    ----------
    rows
        Its exposures, by name.
    """
    if candidate.type not in {"observation", "background", "direct_image"}:
        return
    modes = bucket_by((row for row in rows if row.exp_type in SPECTRA), mode_of)
    drafts = [
        draft for mode in modes.values() for draft in _make_of_mode(candidate, mode)
    ]
    drafts += make_slits(candidate, rows)
    drafts += make_slitless(candidate, rows)
    for draft in drafts:
        if _is_allowed(draft):
            yield draft


def _make_of_mode(candidate: Candidate, mode: list[PoolRow]) -> Iterator[Draft]:
    """Make what concerns one mode."""
    exp_type = mode[0].exp_type
    for rule in SCIENCE_RULES:
        if exp_type in rule.exp_types:
            yield from _make(rule, candidate, mode)
    yield from _make_special(candidate, mode)
    for nods in NOD_RULES:
        if exp_type == nods.exp_type:
            for clique in gather_cliques(mode, loose_mode):
                yield from nods.make(candidate, clique)


def _is_allowed(draft: Draft) -> bool:
    """Tell whether the candidate allows it: a background must have one."""
    match draft.candidate.type:
        case "observation":
            return True
        case "background":
            return draft.has_background
    return draft.rule == "Asn_Lv2WFSSParallel"


def _make(
    rule: ScienceRule, candidate: Candidate, mode: list[PoolRow]
) -> Iterator[Draft]:
    """Make the associations of a rule in a mode."""
    rows = [row for row in mode if rule.accepts(row)]
    if not rule.has_companions:
        reason = f"science of {rule.name}"
        for row in filter(rule.is_science, rows):
            science = Part("science", (row,), "rate", reason)
            yield Draft(rule.name, rule.asn_type, candidate, row.name, (science,))
        return
    for found, companions in gather_companions(rows, loose_mode, _is_companion):
        yield from _make_with_companions(
            rule, candidate, filter(rule.is_science, found), companions
        )


def _is_companion(row: PoolRow) -> bool:
    """Tell whether a row may go with a science exposure."""
    return row.kind == "background" or row.is_imprt is not None


def _make_with_companions(
    rule: ScienceRule,
    candidate: Candidate,
    science: Iterator[PoolRow],
    companions: Sequence[PoolRow],
) -> Iterator[Draft]:
    """Make associations with the backgrounds and leakcals of the mode."""
    backgrounds = tuple(row for row in companions if row.kind == "background")
    index = ImprintIndex(row for row in companions if row.kind == "imprint")
    sky = (
        Part("background", backgrounds, "rate", "background of the same mode"),
        Part("imprint", index.of_sky, "rate", "leakcal of a background"),
    )
    shared = tuple(part for part in sky if part.rows)
    reason = f"science of {rule.name}"
    for row in science:
        parts = (Part("science", (row,), "rate", reason), *shared)
        if own := index.find(row):
            parts = (*parts, index.part_of(own))
        yield Draft(rule.name, rule.asn_type, candidate, row.name, parts)


def _make_special(candidate: Candidate, mode: list[PoolRow]) -> Iterator[Draft]:
    """Make Asn_Lv2SpecSpecial: backgrounds and PSF references as science."""
    if candidate.type != "observation":
        return
    special = [row for row in mode if (row.bkgdtarg or row.is_psf) and sees_ifu(row)]
    reason = "science of Asn_Lv2SpecSpecial"
    for clique in gather_cliques(special, loose_mode):
        of_sky = [row for row in clique if row.bkgdtarg]
        found = [*trace_special(of_sky)]
        found += [(row, ()) for row in clique if not row.bkgdtarg]
        for row, imprints in found:
            parts = [
                Part("science", (row,), "rate", reason),
                Part("imprint", imprints, "rate", "leakcal of the background"),
            ]
            yield Draft(
                "Asn_Lv2SpecSpecial",
                "spec2",
                candidate,
                row.name,
                tuple(part for part in parts if part.rows),
            )
