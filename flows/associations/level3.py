"""Level-3 rules: what each of them selects, and how it joins exposures of a target.

They follow the official rules of the same names (jwst 3.0.0,
``jwst/associations/lib/rules_level3.py``).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from .exposure_types import EXP_TYPES_OF
from .grouping import Loose, bucket_by, gather_cliques, key_of
from .level2 import is_nodded
from .nirspec import sees_ifu, sees_slit
from .parts import Draft, Part
from .pool import Candidate, PoolRow
from .product_names import join_slits, name_product, target_of

__all__ = ["JOINT_RULES", "make_level3"]

_SEVERAL: Final = frozenset({"background", "group", "mosaic"})
"""Types of candidates that must be of several observations."""

_TA: Final = "target_acquisition"
_TA_REASON: Final = "acquisition of the same observation"

_Observation = tuple[str, ...]
"""Program, instrument and observation."""


@dataclass(frozen=True, slots=True)
class _JointRule:
    """What makes an association of all exposures of a target."""

    name: str
    """Name of the official rule."""
    accepts: Callable[[PoolRow], bool]
    """What its members must satisfy besides their EXP_TYPE."""
    shared: tuple[str, ...] = ()
    """Columns that its members share; all of them must be defined."""
    optics: tuple[str, ...] = ()
    """Columns that name the optical elements."""
    has_loose_path: bool = False
    """Whether members share filter, grating or pupil and slit where these are defined,
    and the name has them and the subarray."""
    source: str = "{target}"
    """What stands for the source in the name."""
    slit: str | None = None
    """What stands for the slit in the name, if not its own name."""
    is_of_background: bool = False
    """Whether it takes backgrounds as science."""
    has_nods: bool = False
    """Whether the spectra of nods are backgrounds too, of any number of
    observations."""
    asn_type: str = "spec3"
    """spec3 or tso3."""

    def kind_of(self, row: PoolRow) -> str:
        """Determine the exptype of a row in this rule."""
        is_science = self.is_of_background and row.kind != _TA
        return "science" if is_science else row.kind

    def loose_path_of(self, row: PoolRow) -> Loose:
        """List what they share where it is defined; S200A1 and A2 go with any slit."""
        if not self.has_loose_path:
            return ()
        slit = None if row.fxd_slit in {"s200a1", "s200a2"} else row.fxd_slit
        return (*_elements(row), slit)


def _elements(row: PoolRow) -> tuple[str | None, str | None]:
    return (row.filter, row.pupil or row.grating)


def _is_sky(row: PoolRow) -> bool:
    return not row.is_tso and row.bkgdtarg == "t"


def _is_time_series(row: PoolRow) -> bool:
    """Check that it is a time series that tso3 can join."""
    if not row.is_tso or row.subarray in _STRIPES:
        return False
    match row.exp_type:
        case "nrc_tsgrism":
            is_clear = row.pupil in {"clear", "gdhs0", "gdhs60"}
            return not is_clear and row.detector != "nrcblong"
        case "nis_soss":
            return row.nints != "1" and row.filter not in {None, "f277w"}
        case "nrs_brightobj":
            return sees_slit(row)
    return True


_STRIPES: Final = frozenset(
    [
        *("sub260stripe4_dhs", "sub41stripe1_dhs"),
        *("sub82stripe2_dhs", "sub164stripe4_dhs"),
    ]
)
"""Subarrays that tso3 does not know."""

JOINT_RULES: Final = (
    _JointRule("Asn_Lv3MIRMRS", lambda row: not row.is_tso),
    _JointRule("Asn_Lv3MIRMRSBackground", _is_sky, is_of_background=True),
    _JointRule(
        "Asn_Lv3NRSFSS",
        lambda row: not row.is_tso and sees_slit(row),
        shared=("subarray",),
        has_loose_path=True,
        source="{target}-{{source_id}}",
        slit="{slit_name}",
    ),
    _JointRule(
        "Asn_Lv3NRSIFU",
        lambda row: not row.is_tso and sees_ifu(row),
        shared=("patttype", "grating"),
        optics=("grating",),
    ),
    _JointRule(
        "Asn_Lv3NRSIFUBackground",
        lambda row: _is_sky(row) and sees_ifu(row),
        shared=("grating",),
        optics=("grating",),
        is_of_background=True,
    ),
    _JointRule(
        "Asn_Lv3SlitlessSpectral",
        lambda row: not row.is_tso and row.patttype is None,
        shared=("subarray",),
        has_loose_path=True,
    ),
    _JointRule(
        "Asn_Lv3SpecAux",
        _is_sky,
        shared=("exp_type", "subarray"),
        has_loose_path=True,
        is_of_background=True,
    ),
    _JointRule(
        "Asn_Lv3SpectralSource",
        lambda row: (
            not row.is_tso
            and (row.exp_type != "nrs_msaspec" or row.msametfl is not None)
        ),
        shared=("subarray",),
        has_loose_path=True,
        source="{{source_id}}",
    ),
    _JointRule(
        "Asn_Lv3SpectralTarget",
        lambda row: not row.is_tso and is_nodded(row),
        shared=("subarray", "patttype"),
        has_loose_path=True,
        has_nods=True,
    ),
    _JointRule(
        "Asn_Lv3TSO",
        _is_time_series,
        shared=("exp_type", "subarray"),
        has_loose_path=True,
        asn_type="tso3",
    ),
    _JointRule("Asn_Lv3WFSSMIR", lambda row: row.filter == "p750l", optics=("filter",)),
    _JointRule(
        "Asn_Lv3WFSSNIS",
        lambda row: row.filter in {"gr150r", "gr150c"},
        shared=("filter", "pupil"),
        optics=("filter", "pupil"),
    ),
    _JointRule(
        "Asn_Lv3WFSSNRC",
        lambda row: row.pupil in {"grismr", "grismc"},
        shared=("pupil", "filter"),
        optics=("pupil", "filter"),
    ),
)
"""All of them."""


def make_level3(candidate: Candidate, rows: Sequence[PoolRow]) -> Iterator[Draft]:
    """Make the level-3 associations of a candidate, from its exposures by name."""
    usable = [row for row in rows if row.is_imprt is None]
    acquired = bucket_by((row for row in usable if row.kind == _TA), _observation)
    by_type = bucket_by(usable, lambda row: row.exp_type)
    for rule in JOINT_RULES:
        found = [row for t in EXP_TYPES_OF[rule.name] for row in by_type.get(t, ())]
        if not found or (rule.asn_type == "tso3" and candidate.type != "observation"):
            continue
        accepted = sorted(filter(rule.accepts, found), key=lambda row: row.name)
        path_of = attrgetter("program", "instrume", *rule.shared)
        for path, of_path in bucket_by(accepted, path_of).items():
            if None not in path:
                for clique in gather_cliques(of_path, rule.loose_path_of):
                    yield from _join(rule, candidate, clique, acquired)


def _observation(row: PoolRow) -> _Observation | None:
    """Name program, instrument and observation; None if one is unknown."""
    return key_of(row.program, row.instrume, row.obs_num)


class _Sky:
    """The backgrounds of an optical path, which go with every target."""

    def __init__(self, rule: _JointRule, rows: Sequence[PoolRow]) -> None:
        kind = None if rule.is_of_background else "background"
        self.rows = tuple(row for row in rows if row.kind == kind)
        self.observations = set(bucket_by(self.rows, _observation))
        self.elements = _first_elements(self.rows)
        self.slits = {row.fxd_slit for row in self.rows}


def _join(
    rule: _JointRule,
    candidate: Candidate,
    rows: Sequence[PoolRow],
    acquired: Mapping[_Observation, Sequence[PoolRow]],
) -> Iterator[Draft]:
    """Join the exposures of every target of an optical path, if it has science."""

    def acquire(observations: Iterable[_Observation]) -> tuple[PoolRow, ...]:
        return tuple(r for one in sorted(observations) for r in acquired.get(one, ()))

    sky = _Sky(rule, rows)
    shared = (
        Part("background", sky.rows, "x1d", "background of the same path"),
        Part(_TA, acquire(sky.observations), "cal", "acquisition of a background"),
    )
    of_target = [row for row in rows if rule.kind_of(row) != "background"]
    for found in bucket_by(of_target, lambda r: target_of(candidate, r)).values():
        kinds = bucket_by(found, rule.kind_of)
        science = tuple(kinds.pop("science", ()))
        own = set(bucket_by(found, _observation))
        if not science or not _are_enough(rule, candidate, sky.observations, own):
            continue
        nods = science if rule.has_nods and len(science) > 1 else ()
        parts = (
            Part("science", science, "cal", f"science of {rule.name}"),
            *(Part(k, tuple(rows), _suffix(rows[0]), k) for k, rows in kinds.items()),
            *shared,
            Part("background", nods, "x1d", "spectrum of another nod"),
            Part(_TA, acquire(own - sky.observations), "cal", _TA_REASON),
        )
        name = _name(rule, candidate, science[0], found, sky)
        kept = tuple(part for part in parts if part.rows)
        yield Draft(rule.name, rule.asn_type, candidate, name, kept)


def _are_enough(
    rule: _JointRule,
    candidate: Candidate,
    of_sky: set[_Observation],
    own: set[_Observation],
) -> bool:
    """Check that a candidate of several observations has several."""
    if rule.has_nods or candidate.type not in _SEVERAL:
        return True
    return max(len(of_sky), len(own)) > 1 or len(of_sky | own) > 1


def _name(
    rule: _JointRule,
    candidate: Candidate,
    first: PoolRow,
    rows: Sequence[PoolRow],
    sky: _Sky,
) -> str:
    found = [getattr(first, name) for name in rule.optics]
    apertures: list[str] = []
    if rule.has_loose_path:
        pairs = zip(_first_elements(rows), sky.elements, strict=True)
        found = [own or of_sky for own, of_sky in pairs]
        slits = sky.slits.union(row.fxd_slit for row in rows)
        apertures = [rule.slit or join_slits(slits), first.subarray or ""]
    optics = [value for value in found if value] if found else None
    return name_product(candidate, first, optics, apertures, source=rule.source)


def _first_elements(rows: Sequence[PoolRow]) -> tuple[str | None, ...]:
    """Find filter, and grating or pupil: loose values, whoever has them defined."""
    return tuple(
        next((value for row in rows if (value := _elements(row)[place])), None)
        for place in (0, 1)
    )


def _suffix(row: PoolRow) -> str:
    """Choose what stands for an exposure that is not science: lamps have no spectra."""
    return "rate" if row.exp_type in {"nrs_autoflat", "nrs_autowave"} else "cal"
