"""Associations and their members, and what the rules leave out."""

from collections.abc import Sequence
from dataclasses import dataclass

from config.recipe import MemberRule

__all__ = [
    "Association",
    "AssociationSet",
    "Lack",
    "Member",
    "UnusedExposure",
]


@dataclass(frozen=True, slots=True)
class Member:
    """A member of an association."""

    expname: str
    """Bare file name, with the suffix of the product it stands for."""
    exptype: str
    """science, background, imprint, selfcal, target_acquisition, ..."""
    exposure: str
    """Name of the exposure it comes from."""
    reason: str
    """Why it is a member, in one sentence."""


@dataclass(frozen=True, slots=True)
class Association:
    """An official-style association with one product."""

    asn_type: str
    """spec2, tso-spec2, spec3 or tso3."""
    asn_rule: str
    """Name of the official rule it follows."""
    asn_id: str
    """Candidate: ``o001``, ``c1000``, ..."""
    program: str
    """Five digits."""
    target: str
    """Target id of the rules (``t001``), or the target's name where there is none."""
    product_name: str
    """Name of its product."""
    members: Sequence[Member]
    """Science first, then by exptype and name; they may be made when they are read."""


@dataclass(frozen=True, slots=True)
class UnusedExposure:
    """An exposure that is neither science nor leakcal of an association.

    It may still serve others, as selfcal.
    """

    name: str
    """Name of the exposure."""
    reason: str
    """Why no rule takes it, in one sentence."""


@dataclass(frozen=True, slots=True)
class Lack:
    """A file that exposures need and that the archive does not have."""

    exposures: tuple[str, ...]
    """Names of the exposures that need it."""
    reason: str
    """What is missing and what follows from it, in one sentence."""
    level: int | None
    """The lowest level of the affected products, 2 or 3; None if no product is
    affected."""

    def __str__(self) -> str:
        return f"{self.exposures[0]}: {self.reason}"


@dataclass(frozen=True, slots=True)
class AssociationSet:
    """What the rules make of a set of exposures; every one is accounted for."""

    associations: tuple[Association, ...]
    """By rule (level 2b before level 3) and product name."""
    unused: tuple[UnusedExposure, ...]
    """Exposures that nothing is made of, by name."""
    untaken: tuple[UnusedExposure, ...] = ()
    """Backgrounds and leakcals that correct no other, by name."""
    lacking: tuple[Lack, ...] = ()
    """Files that science exposures lack."""
    idle: tuple[MemberRule, ...] = ()
    """Members that a recipe puts in or leaves out, of which there are none."""
