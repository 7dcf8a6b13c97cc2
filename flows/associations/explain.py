"""Why nothing is made of an exposure, why it corrects no other, what it lacks."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from flows.models.associations import Lack, UnusedExposure

from .detectors import sees_ifu, sees_slit
from .modes import SPECTRA, loose_mode, mode_of
from .options import AssociationOptions
from .parts import Draft
from .rows import Candidate, PoolRow

__all__ = ["explain_lacking", "explain_untaken", "explain_unused"]

Why = tuple[Callable[[PoolRow], bool], Callable[[PoolRow], str]]


def _exp_type(row: PoolRow) -> str:
    """Name the kind of exposure."""
    return (row.exp_type or "an exposure without EXP_TYPE").upper()


def _path(row: PoolRow) -> str:
    """Say why there is no spectrum on the detector."""
    grating, filter_name = (row.grating or "?").upper(), (row.filter or "?").upper()
    detector = (row.detector or "?").upper()
    return f"no light of {grating} with {filter_name} falls on {detector}"


def _misses(*columns: str) -> Why:
    """Refuse what misses a value."""

    def missing(row: PoolRow) -> list[str]:
        return [column for column in columns if getattr(row, column) is None]

    return (
        lambda row: bool(missing(row)),
        lambda row: (
            f"no value of {' and '.join(missing(row)).upper()}, which the rules for "
            f"{_exp_type(row)} need"
        ),
    )


_COMMON: Final[tuple[Why, ...]] = (
    (
        lambda row: row.kind == "target_acquisition",
        lambda row: f"ignored: {_exp_type(row)} is a target acquisition",
    ),
    (
        lambda row: row.exp_type not in SPECTRA,
        lambda row: f"ignored: {_exp_type(row)} is not spectroscopic science",
    ),
    (
        lambda row: not row.candidates,
        lambda _row: "in no candidate of the pool",
    ),
    (
        lambda row: all(
            c.type not in {"observation", "background"} for c in row.candidates
        ),
        lambda row: (
            "in no observation of the pool, only in "
            + ", ".join(candidate.id for candidate in row.candidates)
        ),
    ),
    (
        lambda row: row.kind not in {"science", "psf", "background", "imprint"},
        lambda row: f"PNTGTYPE is {row.kind}, not science",
    ),
    (lambda row: not sees_ifu(row), _path),
    _misses("program", "instrume", "detector"),
)
"""What holds for all EXP_TYPEs."""

_NO_ELEMENT: Final[Why] = (
    lambda row: row.filter is None and row.band is None,
    lambda row: f"no value of FILTER or BAND, which {_exp_type(row)} needs",
)

_BY_TYPE: Final[dict[str, tuple[Why, ...]]] = {
    "nrs_brightobj": ((lambda row: not sees_slit(row), _path),),
    "nrs_fixedslit": (
        (lambda row: not sees_slit(row), _path),
        _misses("expspcin", "numdthpt"),
    ),
    "nrs_msaspec": (_misses("msametfl", "expspcin"),),
    "nrs_ifu": (_misses("mostilno"),),
    "mir_mrs": (_misses("mostilno"),),
    "nis_soss": (
        (
            lambda row: row.filter == "f277w",
            lambda _row: "exposures through F277W are not calibrated",
        ),
    ),
    "nrc_tsgrism": (
        (
            lambda row: row.pupil == "clear" or row.detector == "nrcblong",
            lambda _row: "no grism in the light of this detector",
        ),
    ),
    **dict.fromkeys(
        ("mir_wfss", "nis_wfss", "nrc_wfss"),
        (
            _misses("targetid"),
            (lambda _row: True, lambda _row: "no direct image of the same field"),
        ),
    ),
}
"""What holds for some."""


def explain_unused(row: PoolRow, options: AssociationOptions) -> str:
    """Say why no rule takes an exposure, neither as science nor as a leakcal."""
    if row.exp_type in _GRISMS and not options.has_grisms:
        return "grism exposures need combined direct images, which are not made yet"
    own = _BY_TYPE.get(row.exp_type or "", ())
    if row.kind == "imprint":
        own = ((lambda _row: True, _leakcal),)
    for holds, say in (*_COMMON, _NO_ELEMENT, *own):
        if holds(row):
            return say(row)
    return f"no rule takes a {row.kind} exposure of {_exp_type(row)} as it is"


_GRISMS: Final = frozenset({"mir_wfss", "nis_wfss", "nrc_wfss"})


def _leakcal(_row: PoolRow) -> str:
    """Say so of a leakcal."""
    return "no exposure that is processed goes with this leakcal"


def explain_untaken(
    rows: Sequence[PoolRow], taken: Iterable[PoolRow]
) -> Iterator[UnusedExposure]:
    """Say why a background or a leakcal corrects no science exposure.

    Parameters
    ----------
    taken
        Who is a member of any association other than as its science.
    """
    members, ordered = set(taken), sorted(rows, key=lambda row: row.name)
    science = _Science(ordered)
    for row in ordered:
        if row.kind in {"background", "imprint"} and row not in members:
            reason = science.refuse(row)
            yield UnusedExposure(row.name, f"not taken as {row.kind}: {reason}")


class _Science:
    """The science exposures that backgrounds and leakcals might correct."""

    def __init__(self, rows: Sequence[PoolRow]) -> None:
        self._kinds: dict[str | None, PoolRow] = {}
        self._modes: dict[object, PoolRow] = {}
        self._candidates: dict[object, set[Candidate]] = defaultdict(set)
        for row in rows:
            if row.kind in {"science", "psf"}:
                self._kinds.setdefault(row.exp_type, row)
                self._modes.setdefault(mode_of(row), row)
                full_mode = (mode_of(row), loose_mode(row))
                self._candidates[full_mode].update(row.candidates)

    def refuse(self, row: PoolRow) -> str:
        """Say why an exposure corrects none of them."""
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
    """Say in what two modes differ."""
    differences = [
        f"{column.upper()} {getattr(row, column)} and not {getattr(other, column)}"
        for column in _COMPARED
        if getattr(row, column) != getattr(other, column)
    ]
    return ", ".join(differences) or "its mode cannot be told"


_LRS: Final = frozenset({"mir_lrs-fixedslit", "mir_lrs-slitless"})

_NO_ACQUISITION: Final = (
    "no target acquisition (MIR_TACONFIRM) shows where its target is, so targ_centroid "
    "cannot run and the place of the header is taken"
)

_NO_NOD: Final = (
    "no exposure at another position of its nods (ALONG-SLIT-NOD) is there to be its "
    "background, so spec2 subtracts none"
)


def explain_lacking(drafts: Iterable[Draft]) -> Iterator[Lack]:
    """Say which members exposures of the LRS lack that the rules look for.

    Parameters
    ----------
    drafts
        What the rules give, before a recipe chooses.
    """
    members: dict[PoolRow, set[str]] = defaultdict(set)
    for draft in drafts:
        if draft.is_level2 and draft.first.exp_type in _LRS:
            members[draft.first].update(part.exptype for part in draft.parts)
    for row in sorted(members, key=lambda row: row.name):
        is_nod = row.patttype == "along-slit-nod" and row.kind != "background"
        if is_nod and "background" not in members[row]:
            yield Lack((row.name,), _NO_NOD, level=2)
        if "target_acquisition" not in members[row]:
            yield Lack((row.name,), _NO_ACQUISITION, level=None)
