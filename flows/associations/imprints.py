"""Leakcals: which of them go with an exposure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from .parts import Part
from .pool import PoolRow

__all__ = ["ImprintIndex", "prune_imprints", "trace_special"]


def prune_imprints(
    science: Sequence[PoolRow], imprints: Sequence[PoolRow]
) -> tuple[PoolRow, ...]:
    """Keep the leakcals of the same sky, target and dither (``prune_imprints``).

    Those of the same kind of sky (BKGDTARG) are looked at: of the same target if
    there are any, and if there are more of them than science exposures those of the
    same dither points, if there are any. Those of the other kind are kept.
    """
    is_sky = any(row.bkgdtarg == "t" for row in science)
    same_sky = [row for row in imprints if (row.bkgdtarg == "t") is is_sky]
    targets = {row.targetid for row in science}
    near = [row for row in same_sky if row.targetid in targets] or same_sky
    if len(science) < len(near):
        points = {row.dithptin for row in science}
        near = [row for row in near if row.dithptin in points] or near
    pruned = set(same_sky).difference(near)
    return tuple(row for row in imprints if row not in pruned)


class ImprintIndex:
    """Leakcals of a mode, looked up once for all exposures of a dither point."""

    def __init__(self, imprints: Iterable[PoolRow]) -> None:
        self._anywhere: list[PoolRow] = []
        self._by_tile: dict[str, list[PoolRow]] = defaultdict(list)
        self._parts: dict[tuple[PoolRow, ...], Part] = {}
        self._found: dict[tuple[str | None, ...], Part] = {}
        for row in imprints:
            if row.bkgdtarg:
                self._anywhere.append(row)
            elif row.mostilno:
                self._by_tile[row.mostilno].append(row)

    def part_of(self, science: PoolRow) -> Part:
        """Make the leakcal members of a science exposure, once for all who share them.

        They are of its tile; those of the sky are shared by all, and not pruned.
        """
        key = (science.mostilno, science.targetid, science.dithptin)
        if key not in self._found:
            here = self._by_tile.get(science.mostilno or "", [])
            found = prune_imprints([science], here)
            part = Part("imprint", found, "rate", "leakcal of the same mode and tile")
            self._found[key] = self._parts.setdefault(found, part)
        return self._found[key]

    @property
    def of_sky(self) -> tuple[PoolRow, ...]:
        """The leakcals of backgrounds, which go with any tile."""
        return tuple(self._anywhere)


@dataclass(slots=True)
class _Cohort:
    """Exposures that come between the same leakcals, and so have the same."""

    seeds: list[PoolRow] = field(default_factory=list)
    tile: str | None = None
    imprints: list[PoolRow] = field(default_factory=list)
    after_imprint: bool = False

    def offer(self, row: PoolRow) -> bool:
        """Offer a leakcal; only one that does not follow another is taken."""
        taken = (
            not self.after_imprint
            and row.mostilno is not None
            and self.tile in (None, row.mostilno)
        )
        if taken:
            self.tile = row.mostilno
            self.imprints.append(row)
        self.after_imprint = True
        return taken

    def has(self, row: PoolRow) -> bool:
        """Check whether a row is a member already."""
        return row in self.imprints or (self.after_seed and row is self.seeds[0])

    @property
    def after_seed(self) -> bool:
        """Whether it was made for a leakcal."""
        return len(self.seeds) == 1 and self.seeds[0].is_imprt is not None


def trace_special(
    rows: Sequence[PoolRow],
) -> list[tuple[PoolRow, tuple[PoolRow, ...]]]:
    """Find the leakcals that Asn_Lv2SpecSpecial attaches to each background.

    The official rule remembers of what kind the row before was, and takes a leakcal
    only after a row that is not one: of several leakcals in a row it takes the first.
    Rows come by name here, so that the result does not depend on their order.
    """
    cohorts: list[_Cohort] = []
    imprints: list[PoolRow] = []
    was_imprint = True
    for row in rows:
        if row.kind == "imprint":
            imprints.append(row)
            taken = [cohort.offer(row) for cohort in cohorts]
            if not any(taken):
                cohorts.append(_Cohort([row], row.mostilno, after_imprint=True))
            was_imprint = True
        else:
            for cohort in cohorts:
                cohort.after_imprint = False
            if was_imprint:
                cohorts.append(_Cohort())
            cohorts[-1].seeds.append(row)
            was_imprint = False
    _offer_again(cohorts, imprints)
    return [
        (seed, prune_imprints([seed], cohort.imprints))
        for cohort in cohorts
        for seed in cohort.seeds
    ]


def _offer_again(cohorts: Sequence[_Cohort], imprints: Sequence[PoolRow]) -> None:
    """Offer the leakcals again, to what was made after them."""
    for cohort in cohorts:
        for row in imprints:
            if cohort.after_imprint:
                break
            if not cohort.has(row):
                cohort.offer(row)
