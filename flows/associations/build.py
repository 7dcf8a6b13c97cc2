"""Rows of a pool to associations."""

import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from typing import Final

from flows.models.associations import Association, AssociationSet, UnusedExposure
from flows.models.exposures import Exposure

from .choices import Chooser
from .engine import apply_rules
from .explain import explain_lacking, explain_untaken, explain_unused
from .joining import make_level3
from .options import AssociationOptions
from .parts import Draft, MemberList
from .product_names import target_name
from .rows import Candidate, PoolRow

__all__ = ["associate_rows"]

_USES: Final = frozenset({"science", "imprint"})
"""As what an exposure must be a member somewhere to be used."""

_JOINED: Final = Candidate("a3001", "target")
"""Candidate of what is joined over all observations of a program."""


def associate_rows(
    rows: Sequence[PoolRow],
    options: AssociationOptions,
    *,
    candidates: Sequence[str] | None = None,
    exposures: Mapping[str, Exposure] | None = None,
) -> AssociationSet:
    """Associate the rows of a pool, in whatever order they come.

    Damaged exposures are members like any other: their jobs fail and what needs them
    is blocked.

    Parameters
    ----------
    candidates
        Ids of the candidates to look at (``o001``, ``c1000``); all if None.
    exposures
        The exposures of the rows, by name, where there are headers.

    Raises
    ------
    FileNameError
        A value makes a product name that is none.
    """
    with _without_collection():
        return _associate(rows, options, candidates, exposures or {})


def _associate(
    rows: Sequence[PoolRow],
    options: AssociationOptions,
    candidates: Sequence[str] | None,
    exposures: Mapping[str, Exposure],
) -> AssociationSet:
    """Apply the rules and the choices."""
    drafts = apply_rules(rows, candidates)
    lacking = tuple(explain_lacking(drafts))
    if not options.is_official:
        drafts = _tell_apart(_choose(drafts, rows, options, exposures))
    used, taken = _find_used(drafts)
    images = {member.exposure for draft in drafts for member in draft.extra}
    used |= {row for row in rows if row.name in images}
    return AssociationSet(
        tuple(_finish(draft) for draft in drafts),
        tuple(
            UnusedExposure(row.name, explain_unused(row, options))
            for row in sorted(rows, key=lambda row: row.name)
            if row not in used and not (row in taken and _serves(row))
        ),
        tuple(explain_untaken(rows, taken)),
        lacking,
    )


def _choose(
    drafts: Sequence[Draft],
    rows: Sequence[PoolRow],
    options: AssociationOptions,
    exposures: Mapping[str, Exposure],
) -> list[Draft]:
    """Apply what the recipe asks for."""
    chooser = Chooser(rows, exposures, options)
    level2 = [draft for draft in drafts if draft.is_level2]
    level3: Iterable[Draft] = [draft for draft in drafts if not draft.is_level2]
    if options.level3 == "target":
        level3 = _join_targets(level3, rows)
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


def _join_targets(drafts: Iterable[Draft], rows: Sequence[PoolRow]) -> Iterator[Draft]:
    """Join the spectra of a target over all observations; time series stay apart."""
    yield from make_level3(_JOINED, sorted(rows, key=lambda row: row.name))
    yield from (draft for draft in drafts if draft.asn_type == "tso3")


def _tell_apart(drafts: Iterable[Draft]) -> list[Draft]:
    """Give associations of one product name and type a name of their own.

    The official names of the MSA tell no target, those of the IFU no pattern
    (https://github.com/spacetelescope/jwst/issues/8939); the last would win.
    """
    told: list[Draft] = []
    seen: dict[tuple[str, str], int] = {}
    for draft in drafts:
        key = (draft.asn_type, draft.product)
        seen[key] = count = seen.get(key, 0) + 1
        told.append(
            draft if count == 1 else replace(draft, product=f"{draft.product}-{count}")
        )
    return told


def _find_used(drafts: Iterable[Draft]) -> tuple[set[PoolRow], set[PoolRow]]:
    """Find who is science or leakcal of any, and who is a member of any."""
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


def _serves(row: PoolRow) -> bool:
    """Tell whether an exposure is only there for others: an acquisition."""
    return row.kind == "target_acquisition"


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
