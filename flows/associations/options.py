"""What of an association is a choice, and what the official rules choose."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from config.recipe import AssociationChoice, MemberRule

__all__ = [
    "AssociationOptions",
    "DeclaredCandidate",
    "MemberChoice",
    "options_of",
]


@dataclass(frozen=True, slots=True)
class DeclaredCandidate:
    """Observations that the observing proposal links, which no header tells."""

    id: str
    """``c1000``, ..."""
    type: str
    """background, group or mosaic."""
    observations: tuple[str, ...]
    """Three digits each."""


@dataclass(frozen=True, slots=True)
class MemberChoice:
    """Members to put in, or to leave out, whatever the rules say.

    Patterns are those of a shell: ``*``, ``?``, ``[...]``.
    """

    exposure: str
    """Pattern of the exposures."""
    exptype: str
    """As what they are members; ``*`` for any when they are left out."""
    product: str = "*"
    """Pattern of the products."""


@dataclass(frozen=True, slots=True)
class AssociationOptions:
    """Choices of a recipe."""

    is_official: bool = False
    """Whether to follow the official rules to the letter, with what they make that
    is not worth processing; the other choices are then of no effect."""
    backgrounds: Literal["same-program", "linked", "none"] = "same-program"
    """Which dedicated backgrounds a science exposure gets. The link is made in the
    observing proposal and is in no header. ``linked``: only those of its candidates.
    ``same-program``: where there is none, the background observation of the same
    program and mode that is nearest in time."""
    background_observations: tuple[str, ...] = ()
    """Observations whose exposures are off-scene backgrounds of all others, whatever
    their headers say."""
    background_targets: tuple[str, ...] = ()
    """Names of targets whose exposures are."""
    nod_backgrounds: Literal["on", "off", "both"] = "on"
    """Whether the nods of a pattern are each other's background; ``both`` makes a
    second set of products without, for the master background of the MSA."""
    selfcal: bool | Literal["all"] = False
    """Whether the other IFU exposures of the mode that see the sky become ``selfcal``
    members, for `badpix_selfcal`; ``all`` takes leakcals too. No official rule ever
    does that."""
    imprints: bool = True
    """Whether leakcals are members."""
    background_imprints: bool = True
    """Whether leakcals of the backgrounds are members where the backgrounds are."""
    imprints_as_science: bool = False
    """Whether leakcals get an association of their own (Asn_Lv2SpecImprint). The
    official rules do it, but there is no spectrum in a leakcal."""
    level3: Literal["observation", "target"] = "observation"
    """Whether spec3 joins the exposures of a target by observation (and declared
    candidate), or over all observations of the program."""
    has_grisms: bool = True
    """Whether exposures through grisms without a slit are taken; they need images
    that are combined first."""
    candidates: tuple[DeclaredCandidate, ...] = ()
    """What the proposal links besides the observations."""
    include: tuple[MemberChoice, ...] = ()
    """Members to put in."""
    exclude: tuple[MemberChoice, ...] = ()
    """Members to leave out; science stays."""


def options_of(
    choice: AssociationChoice, *, has_grisms: bool = True
) -> AssociationOptions:
    """Give the options that a recipe chooses."""
    return AssociationOptions(
        backgrounds=choice.backgrounds,
        background_observations=choice.background_observations,
        background_targets=choice.background_targets,
        nod_backgrounds=choice.nod_backgrounds,
        selfcal=choice.selfcal,
        imprints=choice.imprints,
        background_imprints=choice.background_imprints,
        imprints_as_science=choice.imprints_as_science,
        level3=choice.level3,
        has_grisms=has_grisms,
        candidates=tuple(
            DeclaredCandidate(one.id, one.type, one.observations)
            for one in choice.candidates
        ),
        include=_choose_members(choice.include),
        exclude=_choose_members(choice.exclude),
    )


def _choose_members(rules: Iterable[MemberRule]) -> tuple[MemberChoice, ...]:
    """Give what a recipe says of members."""
    return tuple(MemberChoice(r.exposure, r.exptype, r.product) for r in rules)
