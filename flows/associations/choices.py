"""What a recipe asks for beyond the official rules."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Final

from flows.errors import PlanError
from flows.models.exposures import Exposure

from .cliques import bucket_by
from .imprints import prune_imprints
from .modes import loose_mode, mode_of
from .nods import NOD_REASON
from .options import AssociationOptions, MemberChoice
from .part_edits import is_dedicated, keep_one_imprint, leave_out, take_once
from .parts import Draft, Part
from .repair import name_of_target
from .rows import PoolRow

__all__ = ["Chooser"]

_MASTER_BACKGROUND: Final = "-masterbg"
"""What the products are called that keep their background for spec2 to model."""

_IFUS: Final = frozenset({"mir_mrs", "nrs_ifu"})
"""EXP_TYPEs that `badpix_selfcal` is for."""

_CORRECTING: Final = frozenset({"background", "imprint", "selfcal"})
"""Exptypes of members that are compared with the science pixel by pixel."""

_MODE: Final = (
    *("exp_type", "detector", "filter", "band", "grating", "pupil", "fxd_slit"),
    *("subarray", "channel"),
)
"""What makes a mode, in words."""

_FOUND: Final = "dedicated background of the same program and mode, nearest in time"
_NAMED: Final = "background named by the recipe, of the same mode"
_SKY_LEAKCAL: Final = "leakcal of the dedicated background, to be subtracted from it"
_SELFCAL: Final = "exposure of the same mode, to find outliers fixed on the detector"


class Chooser:
    """Chooses among exposures of a mode what else goes with a science exposure.

    Parameters
    ----------
    rows
        All exposures.
    exposures
        The same, by name, as far as their headers are known.
    options
        What the recipe asks for.
    """

    def __init__(
        self,
        rows: Sequence[PoolRow],
        exposures: Mapping[str, Exposure],
        options: AssociationOptions,
    ) -> None:
        self._options = options
        self._exposures = exposures
        self._modes = bucket_by(rows, _full_mode)
        self._shared: dict[object, tuple[Part, ...]] = {}
        self._rows = rows

    def choose(self, draft: Draft) -> Iterator[Draft]:
        """Apply the choices to an association of level 2b."""
        if draft.rule == "Asn_Lv2SpecImprint":
            if self._options.imprints_as_science:
                yield draft
            return
        if not self._options.has_grisms and draft.extra:
            return
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
        if self._options.backgrounds == "none":
            parts = [part for part in parts if not is_dedicated(part)]
        if draft.rule == "Asn_Lv3MIRMRS":
            parts += self._spectra_of_sky(parts)
        return self._edit(replace(draft, parts=tuple(parts)))

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
        if len(parts) == len(draft.parts) or self._options.nod_backgrounds == "on":
            yield draft
            return
        is_msa = draft.first.exp_type == "nrs_msaspec"
        if self._options.nod_backgrounds == "both":
            yield draft
            if is_msa:
                product = draft.product + _MASTER_BACKGROUND
                yield replace(draft, parts=parts, product=product)
            return
        yield replace(draft, parts=parts)

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
        parts = take_once(parts)
        if science.exp_type == "nrs_msaspec":
            parts = keep_one_imprint(parts)
        if self._options.selfcal and science.exp_type in _IFUS:
            parts += self._selfcal(science, mode, parts)
        return replace(draft, parts=tuple(parts))

    def _is_wanted(self, part: Part) -> bool:
        """Tell whether members are wanted that the rules give."""
        if part.exptype == "imprint":
            is_of_sky = all(row.bkgdtarg == "t" for row in part.rows)
            without = not self._has_sky_leakcals
            return self._options.imprints and not (is_of_sky and without)
        return self._options.backgrounds != "none" or not is_dedicated(part)

    @property
    def _has_sky_leakcals(self) -> bool:
        """Whether leakcals of backgrounds are wanted."""
        options = self._options
        wanted = options.imprints and options.background_imprints
        return wanted and options.backgrounds != "none"

    def _leakcals_of_sky(self, science: PoolRow, mode: Sequence[PoolRow]) -> list[Part]:
        """Give a background its own leakcals: of its tile, target and dither."""
        found = [
            row
            for row in mode
            if row.kind == "imprint"
            and (row.obs_num, row.mostilno) == (science.obs_num, science.mostilno)
            and row.bkgdtarg == science.bkgdtarg
        ]
        kept = prune_imprints([science], found)
        if not kept or not self._options.imprints:
            return []
        return [Part("imprint", kept, "rate", "leakcal of the same observation")]

    def _backgrounds(
        self, science: PoolRow, mode: Sequence[PoolRow], parts: Sequence[Part]
    ) -> tuple[Part, ...]:
        """Find backgrounds that the proposal does not link."""
        named = self._is_named(science)
        if named or self._options.backgrounds == "none":
            return ()
        if self._options.background_observations or self._options.background_targets:
            return self._share("named", mode, self._find_named, _NAMED)
        is_served = any(part.exptype == "background" for part in parts)
        if self._options.backgrounds == "linked" or is_served:
            return ()
        nearest = self._nearest(science, mode)
        if nearest is None:
            return ()
        return self._share(
            nearest,
            mode,
            lambda rows: [
                r for r in rows if r.kind == "background" and r.obs_num == nearest
            ],
            _FOUND,
        )

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
        self,
        key: str,
        mode: Sequence[PoolRow],
        find: Callable[[Sequence[PoolRow]], list[PoolRow]],
        reason: str,
    ) -> tuple[Part, ...]:
        """Make the members of a mode once, for all who share them."""
        full_key = (key, id(mode))
        if full_key not in self._shared:
            found = find(mode)
            linked = {row.obs_num for row in found}
            leakcals = [
                row
                for row in mode
                if row.kind == "imprint"
                and row.obs_num in linked
                and (row.bkgdtarg == "t" or self._is_named(row))
            ]
            parts = [Part("background", tuple(found), "rate", reason)]
            if self._has_sky_leakcals:
                parts.append(Part("imprint", tuple(leakcals), "rate", _SKY_LEAKCAL))
            self._shared[full_key] = tuple(part for part in parts if part.rows)
        return self._shared[full_key]

    def _find_named(self, rows: Sequence[PoolRow]) -> list[PoolRow]:
        """Find the backgrounds that the recipe names."""
        return [
            row
            for row in rows
            if self._is_named(row) and row.kind in {"science", "background"}
        ]

    def _is_named(self, row: PoolRow) -> bool:
        """Tell whether the recipe names an exposure as a background."""
        observation = f"{row.obs_num or '':0>3s}"
        if observation in self._options.background_observations:
            return True
        exposure = self._exposures.get(row.name)
        names = [name.upper() for name in self._options.background_targets]
        return exposure is not None and name_of_target(exposure) in names

    def _nearest(self, science: PoolRow, mode: Sequence[PoolRow]) -> str | None:
        """Tell the background observation nearest in time; the first if unknown."""
        key = ("observations", id(mode))
        if key not in self._shared:
            sky = [row for row in mode if row.kind == "background"]
            by_obs = bucket_by(sky, lambda row: row.obs_num)
            self._shared[key] = tuple(
                Part("background", tuple(found), "", "") for found in by_obs.values()
            )
        start = self._start(science)
        gaps = [
            (min(_gap(start, self._start(row)) for row in part.rows), place)
            for place, part in enumerate(self._shared[key])
        ]
        return self._shared[key][min(gaps)[1]].rows[0].obs_num if gaps else None

    def _start(self, row: PoolRow) -> float | None:
        """Tell when an exposure began."""
        exposure = self._exposures.get(row.name)
        value = exposure.header.get("EXPSTART") if exposure else None
        return float(value) if isinstance(value, int | float) else None

    def _selfcal(
        self, science: PoolRow, mode: Sequence[PoolRow], parts: Sequence[Part]
    ) -> list[Part]:
        """Take the other exposures of the mode."""
        kinds = {"science", "psf", "background"}
        if self._options.selfcal == "all":
            kinds.add("imprint")
        taken = {row for part in parts for row in part.rows if row not in part.but}
        taken.add(science)
        found = (row for row in mode if row.kind in kinds and row not in taken)
        others = tuple(found)
        return [Part("selfcal", others, "rate", _SELFCAL)] if others else []

    def _edit(self, draft: Draft) -> Draft:
        """Put in and leave out what the recipe names."""
        parts = list(draft.parts)
        for choice in self._options.exclude:
            if fnmatchcase(draft.product, choice.product):
                parts = [p for part in parts for p in leave_out(part, choice)]
        for choice in self._options.include:
            if fnmatchcase(draft.product, choice.product):
                parts += self._put_in(choice, parts, draft.first)
        return replace(draft, parts=tuple(parts))

    def _put_in(
        self, choice: MemberChoice, parts: Sequence[Part], science: PoolRow
    ) -> Iterable[Part]:
        """Make the members that a recipe puts in, of the same program.

        Raises
        ------
        PlanError
            One is of another mode: the pipeline would subtract it all the same.
        """
        taken = {row for part in parts for row in part.rows if row not in part.but}
        found = tuple(
            row
            for row in self._rows
            if fnmatchcase(row.name, choice.exposure)
            and row not in taken
            and row.program == science.program
        )
        modes = {_full_mode(row) for row in parts[0].rows}
        for row in found:
            if choice.exptype in _CORRECTING and _full_mode(row) not in modes:
                raise PlanError(
                    f"The recipe puts {row.name} in as {choice.exptype} of "
                    f"{science.name}, but they differ: {_differ(row, science)}."
                )
        if found:
            suffix = parts[0].suffix
            if suffix == "cal" and choice.exptype == "background":
                suffix = "x1d"
            yield Part(choice.exptype, found, suffix, "put in by the recipe")


def _full_mode(row: PoolRow) -> tuple[object, ...] | None:
    """Tell the mode with all that is loose in the official rules."""
    mode = mode_of(row)
    return None if mode is None else (*mode, *loose_mode(row), row.is_tso)


def _differ(one: PoolRow, other: PoolRow) -> str:
    """Say in what the modes of two exposures differ."""
    pairs = ((name, getattr(one, name), getattr(other, name)) for name in _MODE)
    return ", ".join(
        f"{name.upper()} {mine} and {its}" for name, mine, its in pairs if mine != its
    )


def _gap(one: float | None, other: float | None) -> float:
    """Measure the days between the starts of two exposures."""
    return float("inf") if one is None or other is None else abs(one - other)
