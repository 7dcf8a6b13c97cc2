"""Rows of a pool to associations: by the official rules, then by a recipe."""

import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from typing import Final

from config.recipe import AssociationChoice, MemberRule

from ..models.associations import Association, AssociationSet, UnusedExposure
from ..models.exposures import Exposure
from .level2 import make_level2
from .level3 import make_level3
from .missing import find_missing_companions
from .parts import Draft, MemberList
from .pool import Candidate, PoolRow
from .product_names import target_name
from .prune import prune
from .recipe_choices import RecipeChooser
from .unused import explain_untaken, explain_unused

__all__ = ["associate_rows"]

_USES: Final = frozenset({"science", "imprint"})
"""As what an exposure must be a member somewhere to be used."""

_JOINED: Final = Candidate("a3001", "target")
"""Candidate of what is joined over all observations of a program."""


def associate_rows(
    rows: Sequence[PoolRow],
    choice: AssociationChoice | None,
    *,
    has_grisms: bool = True,
    candidates: Sequence[str] | None = None,
    exposures: Mapping[str, Exposure] | None = None,
) -> AssociationSet:
    """Associate the rows of a pool, in whatever order they come.

    Damaged exposures are members like any other: their jobs fail and what needs them
    is blocked.

    Parameters
    ----------
    choice
        What a recipe asks for; None follows the official rules to the letter, with
        associations that are not worth processing.
    has_grisms
        Whether a recipe's exposures through grisms without a slit are associated; they
        need images that are combined first.
    candidates
        Ids of the candidates to look at (``o001``, ``c1000``); all if None.
    exposures
        The exposures of the rows, by name, where there are headers.

    Raises
    ------
    FileNameError
        A value makes an unsafe product name.
    """
    with _without_collection():
        drafts = _apply_rules(rows, candidates)
        missing = tuple(find_missing_companions(drafts))
        idle: tuple[MemberRule, ...] = ()
        if choice is not None:
            chooser = RecipeChooser(
                rows, exposures or {}, choice, has_grisms=has_grisms
            )
            drafts = _name_apart(_choose(drafts, rows, chooser, choice))
            idle = chooser.list_idle()
        used, taken = _find_used(drafts)
        images = {member.exposure for draft in drafts for member in draft.extra}
        used |= {row for row in rows if row.name in images}
        used |= {row for row in taken if row.kind == "target_acquisition"}
        return AssociationSet(
            tuple(map(_finish, drafts)),
            tuple(
                UnusedExposure(row.name, explain_unused(row, has_grisms=has_grisms))
                for row in sorted(rows, key=lambda row: row.name)
                if row not in used
            ),
            tuple(explain_untaken(rows, taken)),
            missing,
            idle,
        )


@contextmanager
def _without_collection() -> Iterator[None]:
    """Pause the garbage collector, which looks at all that is made again and again."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _apply_rules(rows: Iterable[PoolRow], wanted: Sequence[str] | None) -> list[Draft]:
    """Draft what the official rules make, candidate by candidate."""
    by_candidate: dict[Candidate, list[PoolRow]] = {}
    for row in sorted(rows, key=lambda row: row.name):
        for candidate in row.candidates:
            if wanted is None or candidate.id in wanted:
                by_candidate.setdefault(candidate, []).append(row)
    levels = (
        prune(
            draft
            for candidate in sorted(by_candidate)
            for draft in make(candidate, by_candidate[candidate])
        )
        for make in (make_level2, make_level3)
    )
    return [draft for level in levels for draft in sorted(level, key=_order)]


def _order(draft: Draft) -> tuple[str, str, str]:
    return draft.rule, draft.product, draft.candidate.id


def _choose(
    drafts: Sequence[Draft],
    rows: Sequence[PoolRow],
    chooser: RecipeChooser,
    choice: AssociationChoice,
) -> list[Draft]:
    """Apply what the recipe asks for."""
    level2 = [draft for draft in drafts if draft.is_level2]
    level3 = [draft for draft in drafts if not draft.is_level2]
    if choice.level3 == "target":  # time series stay apart
        joined = make_level3(_JOINED, sorted(rows, key=lambda row: row.name))
        level3 = [*joined, *(draft for draft in level3 if draft.asn_type == "tso3")]
    chosen = _keep_one(chain.from_iterable(map(chooser.choose, level2)))
    doubled = {draft.product for draft in chosen if draft.product != draft.first.name}
    made = {draft.product for draft in chosen}
    for draft in map(chooser.choose_level3, level3):
        if all(row.name in made for row in draft.parts[0].rows):
            chosen.append(draft)
            if any(chooser.double_name(row) in doubled for row in draft.parts[0].rows):
                chosen.append(chooser.double(draft))
    return chosen


def _keep_one(drafts: Iterable[Draft]) -> list[Draft]:
    """Keep one association of a product: the larger, else that of the observation."""
    kept: dict[str, Draft] = {}
    for draft in drafts:
        other = kept.setdefault(draft.product, draft)
        if (len(draft), draft.candidate.id) > (len(other), other.candidate.id):
            kept[draft.product] = draft
    return list(kept.values())


def _name_apart(drafts: Iterable[Draft]) -> list[Draft]:
    """Add numbers to associations of one product name and type.

    The official names of the MSA have no target, those of the IFU no pattern
    (https://github.com/spacetelescope/jwst/issues/8939); the last would win.
    """
    named: list[Draft] = []
    seen: dict[tuple[str, str], int] = {}
    for draft in drafts:
        key = (draft.asn_type, draft.product)
        seen[key] = count = seen.get(key, 0) + 1
        named.append(
            draft if count == 1 else replace(draft, product=f"{draft.product}-{count}")
        )
    return named


def _find_used(drafts: Iterable[Draft]) -> tuple[set[PoolRow], set[PoolRow]]:
    """Find who is science or leakcal of any, and who is another member of any."""
    used: set[PoolRow] = set()
    taken: set[PoolRow] = set()
    left: dict[int, frozenset[PoolRow]] = {}
    for draft in drafts:
        for place, part in enumerate(draft.parts):
            # Shared tuples are looked at once, and then who was left out of them.
            before = left.get(id(part.rows))
            found = set(part.rows if before is None else before) - part.but
            left[id(part.rows)] = part.but if before is None else before & part.but
            taken |= found if place else set()
            used |= found if part.exptype in _USES else set()
    return used, taken


def _finish(draft: Draft) -> Association:
    """Make an association, its members still unread."""
    first = draft.first
    return Association(
        asn_type=draft.asn_type,
        asn_rule=draft.rule,
        asn_id=draft.candidate.id,
        program=f"{first.program:0>5s}",
        target=target_name(draft.candidate, first) or "none",
        product_name=draft.product,
        members=MemberList(draft.parts, draft.extra),
    )
