"""Why nothing is made of an exposure, or why it corrects no other."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from ..models.associations import UnusedExposure
from .exposure_types import GRISMS, SPECTRA
from .grouping import loose_mode, mode_of
from .nirspec import name_light, sees_ifu, sees_slit
from .pool import Candidate, PoolRow

__all__ = ["explain_untaken", "explain_unused"]

_NEEDED: Final = {
    "nrs_fixedslit": ("expspcin", "numdthpt"),
    "nrs_msaspec": ("msametfl", "expspcin"),
    "nrs_ifu": ("mostilno",),
    "mir_mrs": ("mostilno",),
    **dict.fromkeys(GRISMS, ("targetid",)),
}
"""Columns without which the rules for an EXP_TYPE cannot be applied."""


def explain_unused(row: PoolRow, *, has_grisms: bool) -> str:
    """Explain why no rule takes an exposure, neither as science nor as a leakcal."""
    if row.exp_type in GRISMS and not has_grisms:
        return "grism exposures need combined direct images, which are not made yet"
    return next(_list_reasons(row))


def _list_reasons(row: PoolRow) -> Iterator[str]:
    """List what stands against an exposure, what weighs most first."""
    exp_type = _exp_type(row)
    if row.kind == "target_acquisition":
        yield f"ignored: {exp_type} is a target acquisition"
    if row.exp_type not in SPECTRA:
        yield f"ignored: {exp_type} is not spectroscopic science"
    if not row.candidates:
        yield "in no candidate of the pool"
    if {"observation", "background"}.isdisjoint(c.type for c in row.candidates):
        names = ", ".join(candidate.id for candidate in row.candidates)
        yield f"in no observation of the pool, only in {names}"
    if row.kind not in {"science", "psf", "background", "imprint"}:
        yield f"PNTGTYPE is {row.kind}, not science"
    if not sees_ifu(row):
        yield _explain_dark(row)
    yield from _list_undefined(row, "program", "instrume", "detector")
    if row.filter is None and row.band is None:
        yield f"no value of FILTER or BAND, which {exp_type} needs"
    if row.kind == "imprint":
        yield "no exposure that is processed goes with this leakcal"
    yield from _list_own_reasons(row)
    yield f"no rule takes a {row.kind} exposure of {exp_type} as it is"


def _list_own_reasons(row: PoolRow) -> Iterator[str]:
    """List what stands against an exposure of one EXP_TYPE."""
    if row.exp_type in {"nrs_brightobj", "nrs_fixedslit"} and not sees_slit(row):
        yield _explain_dark(row)
    yield from _list_undefined(row, *_NEEDED.get(row.exp_type or "", ()))
    if row.exp_type == "nis_soss" and row.filter == "f277w":
        yield "exposures through F277W are not calibrated"
    is_clear = row.pupil == "clear" or row.detector == "nrcblong"
    if row.exp_type == "nrc_tsgrism" and is_clear:
        yield "no grism in the light of this detector"
    if row.exp_type in GRISMS:
        yield "no direct image of the same field"


def _exp_type(row: PoolRow) -> str:
    return (row.exp_type or "an exposure without EXP_TYPE").upper()


def _explain_dark(row: PoolRow) -> str:
    detector = (row.detector or "?").upper()
    return f"no light of {name_light(row)} falls on {detector}"


def _list_undefined(row: PoolRow, *columns: str) -> Iterator[str]:
    missing = [column for column in columns if getattr(row, column) is None]
    if missing:
        names = " and ".join(missing).upper()
        yield f"no value of {names}, which the rules for {_exp_type(row)} need"


def explain_untaken(
    rows: Sequence[PoolRow], taken: Iterable[PoolRow]
) -> Iterator[UnusedExposure]:
    """Explain why a background or a leakcal corrects no science exposure.

    Parameters
    ----------
    taken
        Who is a member of any association other than as its science.
    """
    members, ordered = set(taken), sorted(rows, key=lambda row: row.name)
    science = _Science(ordered)
    for row in ordered:
        if row.kind in {"background", "imprint"} and row not in members:
            reason = science.explain(row)
            yield UnusedExposure(row.name, f"not taken as {row.kind}: {reason}")


class _Science:
    """The science exposures that backgrounds and leakcals might correct."""

    def __init__(self, rows: Sequence[PoolRow]) -> None:
        self._kinds: dict[str | None, PoolRow] = {}
        self._modes: dict[object, PoolRow] = {}
        self._candidates: dict[object, set[Candidate]] = defaultdict(set)
        for row in rows:
            if row.is_science:
                self._kinds.setdefault(row.exp_type, row)
                self._modes.setdefault(mode_of(row), row)
                full_mode = (mode_of(row), loose_mode(row))
                self._candidates[full_mode].update(row.candidates)

    def explain(self, row: PoolRow) -> str:
        """Explain why an exposure corrects none of them."""
        if row.exp_type not in self._kinds:
            return f"no science exposure of {_exp_type(row)}"
        full_mode = (mode_of(row), loose_mode(row))
        if full_mode not in self._candidates:
            near = self._modes.get(mode_of(row), self._kinds[row.exp_type])
            return f"no science exposure of its mode: {_compare(row, near)}"
        if self._candidates[full_mode].isdisjoint(row.candidates):
            return "no candidate links it to science, and the choices do not"
        if row.kind == "imprint":
            return "others are nearer: of the same tile, target or dither"
        return "the rule for this mode or pattern, or a choice, takes none"


_COMPARED: Final = (
    *("program", "instrume", "detector", "filter", "band", "grating", "pupil"),
    *("fxd_slit", "subarray", "channel", "visitype"),
)


def _compare(row: PoolRow, other: PoolRow) -> str:
    """Describe in what two modes differ."""
    differences = [
        f"{column.upper()} {getattr(row, column)} and not {getattr(other, column)}"
        for column in _COMPARED
        if getattr(row, column) != getattr(other, column)
    ]
    return ", ".join(differences) or "its mode cannot be told"
