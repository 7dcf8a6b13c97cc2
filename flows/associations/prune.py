"""Pruning: which of several associations of one product is kept.

As the official generator does (``jwst/associations/lib/prune.py``, jwst 3.0.0), but
without comparing every association with every other.
"""

from collections.abc import Iterable, Sequence

from .parts import Draft, Part
from .pool import PoolRow

__all__ = ["prune"]


def prune(drafts: Iterable[Draft]) -> list[Draft]:
    """Keep one of those with the same members, and the larger of two of one product.

    Two of one product and one size stay both, as do two that give a member different
    exptypes.
    """
    ordered = sorted(drafts, key=lambda draft: (draft.candidate.id, draft.rule))
    comparison = _Comparison()
    kept = _without_twins(ordered, comparison)
    products: dict[str, list[Draft]] = {}
    for draft in kept:
        products.setdefault(draft.product, []).append(draft)
    pruned: set[Draft] = set()
    for found in products.values():
        if len(found) > 1:
            pruned |= _find_smaller(found, comparison)
    return [draft for draft in kept if draft not in pruned]


def _without_twins(drafts: Sequence[Draft], comparison: "_Comparison") -> list[Draft]:
    """Keep the last of those with the same members."""
    seen: set[object] = set()
    kept = []
    for draft in reversed(drafts):
        signature = comparison.sign(draft)
        if signature not in seen:
            seen.add(signature)
            kept.append(draft)
    return kept[::-1]


def _find_smaller(drafts: Sequence[Draft], comparison: "_Comparison") -> set[Draft]:
    """Find those to prune among the associations of one product."""
    pruned: set[Draft] = set()
    left = list(drafts)
    count = 0
    for draft in drafts:
        if len(left) != count:
            count = len(left)
            if len({len(other) for other in left}) == 1:
                break
        if draft in pruned:
            continue
        largest = draft
        for other in tuple(left):
            if other is largest or not comparison.is_comparable(largest, other):
                continue
            smaller = other
            if len(other) > len(largest):
                largest, smaller = other, largest
            pruned.add(smaller)
        left = [other for other in left if other not in pruned]
    return pruned


class _Comparison:
    """Compares members by the tuple, every pair of tuples once."""

    def __init__(self) -> None:
        self._interned: dict[tuple[PoolRow, ...], tuple[PoolRow, ...]] = {}
        self._ids: dict[int, int] = {}
        self._sets: dict[int, frozenset[PoolRow]] = {}
        self._meet: dict[tuple[int, int], bool] = {}
        self._alive: list[tuple[PoolRow, ...]] = []

    def sign(self, draft: Draft) -> object:
        """Make a key that is the same for the same members."""
        parts = frozenset(
            (part.exptype, part.suffix, self._id(part.rows), part.but)
            for part in draft.parts
        )
        return parts, draft.extra

    def _id(self, rows: tuple[PoolRow, ...]) -> int:
        """Identify a tuple by its content."""
        if id(rows) not in self._ids:
            self._alive.append(rows)
            self._ids[id(rows)] = id(self._interned.setdefault(rows, rows))
        return self._ids[id(rows)]

    def is_comparable(self, one: Draft, other: Draft) -> bool:
        """Check that sizes differ, and no member has another exptype in the other."""
        if len(one) == len(other):
            return False
        return not any(
            self._do_meet(mine, theirs)
            for mine in one.parts
            for theirs in other.parts
            if mine.suffix == theirs.suffix and mine.exptype != theirs.exptype
        )

    def _do_meet(self, mine: Part, theirs: Part) -> bool:
        """Check whether two parts have a row in common."""
        few, many = sorted((mine, theirs), key=lambda part: len(part.rows))
        if len(few.rows) == 1:
            row = few.rows[0]
            return row in self._set(many) and row not in many.but | few.but
        if mine.but or theirs.but:
            return any(
                row in self._set(many) and row not in many.but | few.but
                for row in few.rows
            )
        key = (self._id(few.rows), self._id(many.rows))
        if key not in self._meet:
            self._meet[key] = not self._set(few).isdisjoint(self._set(many))
        return self._meet[key]

    def _set(self, part: Part) -> frozenset[PoolRow]:
        key = self._id(part.rows)
        if key not in self._sets:
            self._sets[key] = frozenset(part.rows)
        return self._sets[key]
