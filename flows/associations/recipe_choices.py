"""What a recipe asks for beyond the official rules."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Final

from config.recipe import AssociationChoice, MemberRule

from ..errors import PlanError
from ..models.exposures import Exposure
from .grouping import bucket_by, loose_mode, mode_of
from .headers import name_of_target
from .imprints import prune_imprints
from .nirspec import NOD_REASON
from .parts import Draft, Part
from .pool import PoolRow

__all__ = ["RecipeChooser"]

_MASTER_BACKGROUND: Final = "-masterbg"
"""Ending of the products that keep their background for spec2 to model."""

_IFUS: Final = frozenset({"mir_mrs", "nrs_ifu"})
"""EXP_TYPEs that `badpix_selfcal` is for."""

_CORRECTING: Final = frozenset({"background", "imprint", "selfcal"})
"""Exptypes of members that are compared with the science pixel by pixel."""

_MODE: Final = (
    *("exp_type", "detector", "filter", "band", "grating", "pupil", "fxd_slit"),
    *("subarray", "channel"),
)
"""Columns of a mode that messages name."""

_FOUND: Final = "dedicated background of the same program and mode, nearest in time"
_NAMED: Final = "background named by the recipe, of the same mode"
_SKY_LEAKCAL: Final = "leakcal of the dedicated background, to be subtracted from it"
_SELFCAL: Final = "exposure of the same mode, to find outliers fixed on the detector"


class RecipeChooser:
    """Chooses among exposures of a mode what else goes with a science exposure."""

    def __init__(
        self,
        rows: Sequence[PoolRow],
        exposures: Mapping[str, Exposure],
        choice: AssociationChoice,
        *,
        has_grisms: bool,
    ) -> None:
        self._choice = choice
        self._has_grisms = has_grisms
        self._exposures = exposures
        self._modes = bucket_by(rows, _full_mode)
        self._shared: dict[tuple[str | None, int], tuple[Part, ...]] = {}
        self._skies: dict[int, list[list[PoolRow]]] = {}
        self._rows = rows
        self._met: set[MemberRule] = set()
        self._has_sky_leakcals = (
            choice.imprints
            and choice.background_imprints
            and choice.backgrounds != "none"
        )

    def choose(self, draft: Draft) -> Iterator[Draft]:
        """Apply the choices to an association of level 2b."""
        if draft.rule == "Asn_Lv2SpecImprint":
            # The official rules make it, but there is no spectrum in a leakcal.
            if self._choice.imprints_as_science:
                yield draft
        elif self._has_grisms or not draft.extra:
            for chosen in self._choose_nods(draft):
                yield self._edit(self._complete(chosen))

    def choose_level3(self, draft: Draft) -> Draft:
        """Apply the choices to an association of level 3.

        The MRS gets the spectra of backgrounds that the proposal does not link: its
        background is subtracted in spec3, while spec2 subtracts that of others.
        Acquisitions are left out: spec3 does not read them, and nothing of ours would
        make their products.
        """
        parts = [part for part in draft.parts if part.exptype != "target_acquisition"]
        if self._choice.backgrounds == "none":
            parts = [part for part in parts if not _is_dedicated(part)]
        if draft.rule == "Asn_Lv3MIRMRS":
            parts += self._spectra_of_sky(parts)
        return self._edit(replace(draft, parts=tuple(parts)))

    def list_idle(self) -> tuple[MemberRule, ...]:
        """List what the recipe puts in or leaves out and no association has had."""
        rules = (*self._choice.include, *self._choice.exclude)
        return tuple(rule for rule in rules if rule not in self._met)

    @staticmethod
    def double_name(row: PoolRow) -> str:
        """Name what is made of an exposure with its background left in."""
        return row.name + _MASTER_BACKGROUND

    @staticmethod
    def double(draft: Draft) -> Draft:
        """Make the level-3 association of the exposures with background."""
        return replace(
            draft,
            product=draft.product + _MASTER_BACKGROUND,
            parts=tuple(replace(p, tail=_MASTER_BACKGROUND) for p in draft.parts),
        )

    def _choose_nods(self, draft: Draft) -> Iterator[Draft]:
        """Let nods subtract each other, or not, or both."""
        parts = tuple(part for part in draft.parts if part.reason != NOD_REASON)
        chosen = self._choice.nod_backgrounds
        if len(parts) == len(draft.parts) or chosen == "on":
            yield draft
        elif chosen == "off":
            yield replace(draft, parts=parts)
        else:
            yield draft
            if draft.first.exp_type == "nrs_msaspec":
                product = draft.product + _MASTER_BACKGROUND
                yield replace(draft, parts=parts, product=product)

    def _complete(self, draft: Draft) -> Draft:
        """Add backgrounds, their leakcals, and selfcal members."""
        science = draft.first
        mode = self._modes.get(_full_mode(science) or (), [])
        parts = [part for part in draft.parts if self._is_wanted(part)]
        if draft.rule == "Asn_Lv2SpecSpecial":
            parts = [part for part in parts if part.exptype != "imprint"]
            parts += self._leakcals_of_sky(science, mode)
        elif draft.asn_type == "spec2":
            parts += self._backgrounds(science, mode, parts)
        parts = _take_once(parts)
        if science.exp_type == "nrs_msaspec":
            parts = _keep_one_imprint(parts)
        if self._choice.selfcal and science.exp_type in _IFUS:
            parts += self._selfcal(mode, parts)
        return replace(draft, parts=tuple(parts))

    def _is_wanted(self, part: Part) -> bool:
        """Check whether the recipe wants members that the rules select."""
        if part.exptype == "imprint":
            is_of_sky = all(row.bkgdtarg == "t" for row in part.rows)
            return self._choice.imprints and (self._has_sky_leakcals or not is_of_sky)
        return self._choice.backgrounds != "none" or not _is_dedicated(part)

    def _leakcals_of_sky(self, science: PoolRow, mode: Sequence[PoolRow]) -> list[Part]:
        """Find the leakcals of a background: of its tile, target and dither."""
        if not self._choice.imprints:
            return []
        found = [
            row
            for row in mode
            if row.kind == "imprint"
            and (row.obs_num, row.mostilno) == (science.obs_num, science.mostilno)
            and row.bkgdtarg == science.bkgdtarg
        ]
        kept = prune_imprints([science], found)
        reason = "leakcal of the same observation"
        return [Part("imprint", kept, "rate", reason)] if kept else []

    def _backgrounds(
        self, science: PoolRow, mode: Sequence[PoolRow], parts: Sequence[Part]
    ) -> tuple[Part, ...]:
        """Find backgrounds that the proposal does not link."""
        choice = self._choice
        if choice.backgrounds == "none" or self._is_named(science):
            return ()
        if choice.background_observations or choice.background_targets:
            return self._share(None, mode)
        is_served = any(part.exptype == "background" for part in parts)
        if choice.backgrounds == "linked" or is_served:
            return ()
        nearest = self._nearest(science, mode)
        return () if nearest is None else self._share(nearest, mode)

    def _spectra_of_sky(self, parts: Sequence[Part]) -> list[Part]:
        """Find the backgrounds of all science members, as spectra."""
        found: dict[int, Part] = {}
        science = (part for part in parts if part.exptype == "science")
        for row in (row for part in science for row in part.rows):
            mode = self._modes.get(_full_mode(row) or (), [])
            for part in self._backgrounds(row, mode, parts):
                if part.exptype == "background":
                    found[id(part)] = replace(part, suffix="x1d")
        return list(found.values())

    def _share(
        self, observation: str | None, mode: Sequence[PoolRow]
    ) -> tuple[Part, ...]:
        """Make the members of a mode once, for all who share them.

        They are the backgrounds of an observation, or those that the recipe names.
        """
        key = (observation, id(mode))
        if key not in self._shared:
            if observation is None:
                kinds = {"science", "background"}
                found = [r for r in mode if r.kind in kinds and self._is_named(r)]
            else:
                sky = (row for row in mode if row.kind == "background")
                found = [row for row in sky if row.obs_num == observation]
            linked = {row.obs_num for row in found}
            leakcals = [
                row
                for row in mode
                if row.kind == "imprint"
                and row.obs_num in linked
                and (row.bkgdtarg == "t" or self._is_named(row))
            ]
            reason = _NAMED if observation is None else _FOUND
            parts = [Part("background", tuple(found), "rate", reason)]
            if self._has_sky_leakcals:
                parts.append(Part("imprint", tuple(leakcals), "rate", _SKY_LEAKCAL))
            self._shared[key] = tuple(part for part in parts if part.rows)
        return self._shared[key]

    def _is_named(self, row: PoolRow) -> bool:
        """Check whether the recipe names an exposure as a background."""
        if f"{row.obs_num or '':0>3s}" in self._choice.background_observations:
            return True
        exposure = self._exposures.get(row.name)
        names = [name.upper() for name in self._choice.background_targets]
        return exposure is not None and name_of_target(exposure) in names

    def _nearest(self, science: PoolRow, mode: Sequence[PoolRow]) -> str | None:
        """Find the background observation nearest in time; the first if unknown."""
        if id(mode) not in self._skies:
            sky = [row for row in mode if row.kind == "background"]
            by_observation = bucket_by(sky, lambda row: row.obs_num)
            self._skies[id(mode)] = list(by_observation.values())
        start = self._start(science)
        gaps = [
            (min(_gap(start, self._start(row)) for row in rows), place)
            for place, rows in enumerate(self._skies[id(mode)])
        ]
        return self._skies[id(mode)][min(gaps)[1]][0].obs_num if gaps else None

    def _start(self, row: PoolRow) -> float | None:
        exposure = self._exposures.get(row.name)
        value = exposure.header.get("EXPSTART") if exposure else None
        return float(value) if isinstance(value, int | float) else None

    def _selfcal(self, mode: Sequence[PoolRow], parts: Sequence[Part]) -> list[Part]:
        """Take the other exposures of the mode, which no official rule ever does."""
        kinds = {"science", "psf", "background"}
        if self._choice.selfcal == "all":
            kinds.add("imprint")
        taken = _list_members(parts)
        others = tuple(row for row in mode if row.kind in kinds and row not in taken)
        return [Part("selfcal", others, "rate", _SELFCAL)] if others else []

    def _edit(self, draft: Draft) -> Draft:
        """Put in and leave out what the recipe names."""
        parts = list(draft.parts)
        for rule in self._choice.exclude:
            if fnmatchcase(draft.product, rule.product):
                before = parts
                parts = [p for part in before for p in _leave_out(part, rule)]
                if parts != before:
                    self._met.add(rule)
        for rule in self._choice.include:
            if fnmatchcase(draft.product, rule.product):
                parts += self._put_in(rule, parts, draft.first)
        return replace(draft, parts=tuple(parts))

    def _put_in(
        self, rule: MemberRule, parts: Sequence[Part], science: PoolRow
    ) -> Iterable[Part]:
        """Make the members that a recipe puts in, of the same program.

        Raises
        ------
        PlanError
            One is of another mode: the pipeline would subtract it all the same.
        """
        named = [
            row
            for row in self._rows
            if fnmatchcase(row.name, rule.exposure) and row.program == science.program
        ]
        if named:
            self._met.add(rule)
        taken = _list_members(parts)
        found = tuple(row for row in named if row not in taken)
        modes = {_full_mode(row) for row in parts[0].rows}
        for row in found:
            if rule.exptype in _CORRECTING and _full_mode(row) not in modes:
                raise PlanError(
                    f"The recipe puts {row.name} in as {rule.exptype} of "
                    f"{science.name}, but they differ: {_differ(row, science)}."
                )
        if found:
            suffix = parts[0].suffix
            if suffix == "cal" and rule.exptype == "background":
                suffix = "x1d"
            yield Part(rule.exptype, found, suffix, "put in by the recipe")


def _full_mode(row: PoolRow) -> tuple[object, ...] | None:
    """Determine the mode with all that is loose in the official rules."""
    mode = mode_of(row)
    return None if mode is None else (*mode, *loose_mode(row), row.is_tso)


def _differ(one: PoolRow, other: PoolRow) -> str:
    """Describe in what the modes of two exposures differ."""
    pairs = ((name, getattr(one, name), getattr(other, name)) for name in _MODE)
    return ", ".join(
        f"{name.upper()} {mine} and {its}" for name, mine, its in pairs if mine != its
    )


def _gap(one: float | None, other: float | None) -> float:
    return float("inf") if one is None or other is None else abs(one - other)


def _list_members(parts: Iterable[Part]) -> set[PoolRow]:
    return {row for part in parts for row in part.rows if row not in part.but}


def _is_dedicated(part: Part) -> bool:
    """Check whether members are dedicated backgrounds."""
    return part.exptype == "background" and part.rows[0].kind == "background"


def _take_once(parts: Iterable[Part]) -> list[Part]:
    """Let no exposure be a member twice: who is first stays."""
    kept: list[Part] = []
    by_exptype: dict[str, set[PoolRow]] = defaultdict(set)
    for part in parts:
        others = [rows for rows in by_exptype.values() if rows]
        repeated = {
            row for row in part.rows for rows in others if row in rows
        } - part.but
        left = replace(part, but=part.but | repeated) if repeated else part
        if len(left):
            kept.append(left)
        by_exptype[part.exptype] |= set(part.rows) - left.but
    return kept


def _keep_one_imprint(parts: Iterable[Part]) -> list[Part]:
    """Keep one leakcal: spec2 of jwst 3.0.0 crashes on several of the MSA."""
    kept: list[Part] = []
    has_one = False
    for part in parts:
        if part.exptype != "imprint":
            kept.append(part)
        elif not has_one:
            first = next(row for row in part.rows if row not in part.but)
            kept.append(replace(part, rows=(first,), but=frozenset()))
            has_one = True
    return kept


def _leave_out(part: Part, rule: MemberRule) -> Iterator[Part]:
    """Leave members out; science stays."""
    if part.exptype == "science" or rule.exptype not in {"*", part.exptype}:
        yield part
        return
    left = frozenset(r for r in part.rows if fnmatchcase(r.name, rule.exposure))
    edited = replace(part, but=part.but | left)
    if len(edited):
        yield edited
