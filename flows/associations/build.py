"""Exposures to associations, by the rules."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

from flows.models import Association, AssociationSet, Exposure, Member, UnusedExposure
from flows.names import (
    ProductName,
    format_product_name,
    member_file,
    parse_product_name,
)

from .options import AssociationOptions
from .rules import RULES, Companion, Rule, explain_unused
from .traits import Trait, mode_of, trait, traits

__all__ = ["build_associations"]

_USES: Final = frozenset({"science", "imprint"})
"""As what an exposure must be a member somewhere to be used."""


@dataclass(frozen=True, slots=True)
class _Pool:
    """Exposures, arranged for the rules."""

    exposures: tuple[Exposure, ...]
    """All of them, by name."""
    modes: Mapping[tuple[Trait, ...], Sequence[Exposure]]
    """The same by mode."""
    targets: Mapping[tuple[Trait, ...], str]
    """Target id (``t001``) by program and TARGNAME."""


def build_associations(
    exposures: Sequence[Exposure], options: AssociationOptions
) -> AssociationSet:
    """Associate exposures, in whatever order they come.

    Target ids are in no header: the targets of a program are numbered by TARGNAME in
    sorted order, so give all exposures of a program at once; a new target that sorts
    between others renumbers those behind it. Damaged exposures are members like any
    other: their jobs fail and what needs them is blocked.

    Parameters
    ----------
    exposures
        All exposures of one or more programs.
    options
        What the recipe chooses.

    Raises
    ------
    FileNameError
        A header makes a product name that is none.
    """
    pool = _arrange(exposures)
    associations = tuple(
        association
        for rule in RULES
        if rule.is_wanted(options)
        for association in _apply(rule, pool, options)
    )
    return AssociationSet(associations, _find_unused(pool, associations))


def _arrange(exposures: Sequence[Exposure]) -> _Pool:
    """Sort exposures and group them by mode."""
    by_name = tuple(sorted(exposures, key=lambda exposure: exposure.name))
    modes: dict[tuple[Trait, ...], list[Exposure]] = defaultdict(list)
    for exposure in by_name:
        modes[mode_of(exposure)].append(exposure)
    return _Pool(by_name, modes, _number_targets(by_name))


def _number_targets(exposures: Sequence[Exposure]) -> Mapping[tuple[Trait, ...], str]:
    """Give each target of a program its id, in the order of their names."""
    names: dict[str, set[Trait]] = defaultdict(set)
    for exposure in exposures:
        names[exposure.program].add(trait(exposure, "TARGNAME"))
    return {
        (program, name): f"t{number:03d}"
        for program, found in names.items()
        for number, name in enumerate(sorted(found, key=str), start=1)
    }


def _apply(
    rule: Rule, pool: _Pool, options: AssociationOptions
) -> Iterator[Association]:
    """Make the associations of a rule, by product name."""
    groups: dict[tuple[Trait, ...], list[Exposure]] = defaultdict(list)
    for exposure in filter(rule.selects, pool.exposures):
        groups[traits(exposure, rule.together or ("name",))].append(exposure)
    made = (_associate(rule, science, pool, options) for science in groups.values())
    yield from sorted(made, key=lambda association: association.product_name)


def _associate(
    rule: Rule, science: Sequence[Exposure], pool: _Pool, options: AssociationOptions
) -> Association:
    """Make one association of the science exposures that belong together."""
    first = science[0]
    target = pool.targets[traits(first, ("program", "TARGNAME"))]
    return Association(
        asn_type=rule.asn_type,
        asn_rule=rule.name,
        asn_id=_candidate(first),
        program=first.program,
        target=target,
        product_name=_product_name(rule, first, target),
        members=_members(rule, science, pool, options),
    )


def _candidate(exposure: Exposure) -> str:
    """Name the candidate of an association: the observation of its science."""
    return f"o{exposure.observation}"


def _product_name(rule: Rule, first: Exposure, target: str) -> str:
    """Name the product: after its only exposure, or by the level-3 grammar."""
    if not rule.together:
        return first.name
    optical = sorted(str(value) for value in traits(first, rule.optical))
    aperture = [str(value) for value in traits(first, rule.aperture) if value != "FULL"]
    name = ProductName(
        program=first.program,
        candidate=_candidate(first),
        target=target,
        instrument=str(trait(first, "INSTRUME")).lower(),
        optical="-".join((*optical, *aperture)).lower(),
    )
    # Headers come from outside; the name ends in paths.
    return format_product_name(parse_product_name(format_product_name(name)))


def _members(
    rule: Rule, science: Sequence[Exposure], pool: _Pool, options: AssociationOptions
) -> tuple[Member, ...]:
    """List the members of an association, every exposure once."""
    reason = f"science of {rule.name}"
    members = {
        exposure.name: _member(exposure, rule.suffix, "science", reason)
        for exposure in science
    }
    for companion in rule.companions:
        if companion.is_wanted(options):
            for exposure in _choose(companion, science[0], pool):
                member = _member(
                    exposure, rule.suffix, companion.exptype, companion.reason
                )
                members.setdefault(exposure.name, member)
    return tuple(sorted(members.values(), key=_science_first))


def _choose(companion: Companion, science: Exposure, pool: _Pool) -> Sequence[Exposure]:
    """Let a companion choose among the exposures of the mode."""
    return companion.choose(science, pool.modes[mode_of(science)])


def _member(exposure: Exposure, suffix: str, exptype: str, reason: str) -> Member:
    """Make a member."""
    return Member(
        expname=member_file(exposure.name, suffix),
        exptype=exptype,
        exposure=exposure.name,
        reason=reason,
    )


def _science_first(member: Member) -> tuple[bool, str, str]:
    """Order members: science first, then by exptype and name."""
    return member.exptype != "science", member.exptype, member.expname


def _find_unused(
    pool: _Pool, associations: Sequence[Association]
) -> tuple[UnusedExposure, ...]:
    """List the exposures that are neither science nor leakcal of any, and why.

    A science exposure that only serves others, as selfcal, is still not processed.
    """
    members = chain.from_iterable(made.members for made in associations)
    used = {member.exposure for member in members if member.exptype in _USES}
    return tuple(
        UnusedExposure(exposure.name, explain_unused(exposure))
        for exposure in pool.exposures
        if exposure.name not in used
    )
