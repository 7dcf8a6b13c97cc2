"""How level-3 associations are joined by the rules."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from .cliques import bucket_by, gather_cliques
from .level3 import JOINT_RULES, JointRule, elements
from .parts import Draft, Part
from .product_names import join_slits, target_of
from .rows import Candidate, PoolRow

__all__ = ["make_level3"]

_SEVERAL: Final = frozenset({"background", "group", "mosaic"})
"""Types of candidates that must be of several observations."""

_TA: Final = "target_acquisition"


def make_level3(candidate: Candidate, rows: Sequence[PoolRow]) -> Iterator[Draft]:
    """Make the level-3 associations of a candidate.

    Parameters
    ----------
    rows
        Its exposures, by name.
    """
    usable = [row for row in rows if row.is_imprt is None]
    acquisitions = _Acquisitions(row for row in usable if row.kind == _TA)
    by_type = bucket_by(usable, lambda row: row.exp_type)
    for rule in JOINT_RULES:
        if rule.asn_type == "tso3" and candidate.type != "observation":
            continue
        found = [row for kind in rule.exp_types for row in by_type.get(kind, ())]
        accepted = sorted(filter(rule.accepts, found), key=lambda row: row.name)
        yield from _join(rule, candidate, accepted, acquisitions)


def _join(
    rule: JointRule,
    candidate: Candidate,
    rows: Sequence[PoolRow],
    acquisitions: "_Acquisitions",
) -> Iterator[Draft]:
    """Join the exposures of every optical path and target."""
    paths = bucket_by(rows, lambda row: (row.program, row.instrume, *rule.shared(row)))
    for key, found in paths.items():
        if None not in key:
            for clique in gather_cliques(found, rule.loose):
                yield from _join_path(_Path(rule, candidate, clique, acquisitions))


class _Acquisitions:
    """Target acquisitions, by observation."""

    def __init__(self, rows: Iterable[PoolRow]) -> None:
        self._found = bucket_by(rows, _observation)

    def of(self, observations: Iterable["Observation"]) -> tuple[PoolRow, ...]:
        """Give those of some observations."""
        found = (self._found.get(one, ()) for one in sorted(observations))
        return tuple(row for rows in found for row in rows)


Observation = tuple[str, str, str]


def _observation(row: PoolRow) -> Observation | None:
    """Tell program, instrument and observation; None if one is not known."""
    if row.program is None or row.instrume is None or row.obs_num is None:
        return None
    return (row.program, row.instrume, row.obs_num)


@dataclass(slots=True)
class _Path:
    """Exposures of one optical path, and what all its targets share."""

    rule: JointRule
    candidate: Candidate
    rows: Sequence[PoolRow]
    acquisitions: _Acquisitions
    backgrounds: tuple[PoolRow, ...] = ()
    observations: frozenset[Observation] = frozenset()
    slits: frozenset[str | None] = frozenset()
    elements: tuple[str | None, ...] = (None, None)
    shared: tuple[Part, ...] = field(default=())

    def __post_init__(self) -> None:
        """Find the backgrounds, which go with every target."""
        if not self.rule.is_of_background:
            self.backgrounds = tuple(r for r in self.rows if r.kind == "background")
        self.slits = frozenset(row.fxd_slit for row in self.backgrounds)
        self.elements = tuple(
            next((v for row in self.backgrounds if (v := elements(row)[place])), None)
            for place in (0, 1)
        )
        self.observations = _observations(self.backgrounds)
        acquired = self.acquisitions.of(self.observations)
        parts = (
            Part("background", self.backgrounds, "x1d", "background of the same path"),
            Part(_TA, acquired, "cal", "acquisition of a background"),
        )
        self.shared = tuple(part for part in parts if part.rows)

    def name_elements(self, rows: Sequence[PoolRow]) -> list[str | None]:
        """Name filter and grating: loose values, whoever has them defined."""
        if not self.rule.has_aperture:
            return []
        return [
            next((value for row in rows if (value := elements(row)[place])), sky)
            for place, sky in enumerate(self.elements)
        ]

    def kind_of(self, row: PoolRow) -> str:
        """Tell the exptype of a row in this rule."""
        is_science = self.rule.is_of_background and row.kind != _TA
        return "science" if is_science else row.kind


def _observations(rows: Iterable[PoolRow]) -> frozenset[Observation]:
    """Collect the observations of some rows."""
    found = (_observation(row) for row in rows)
    return frozenset(one for one in found if one is not None)


def _join_path(path: _Path) -> Iterator[Draft]:
    """Join the exposures of every target of an optical path."""
    of_target = [r for r in path.rows if path.kind_of(r) != "background"]
    targets = bucket_by(of_target, lambda row: target_of(path.candidate, row))
    for rows in targets.values():
        own = _observations(rows)
        count = max(len(path.observations), len(own))
        if count <= 1:
            count = len(path.observations | own)
        if path.rule.has_nods or path.candidate.type not in _SEVERAL or count > 1:
            yield from _make(path, rows, own - path.observations)


def _make(
    path: _Path, rows: Sequence[PoolRow], observations: Iterable[Observation]
) -> Iterator[Draft]:
    """Make the association of a target, if it has science."""
    kinds = bucket_by(rows, path.kind_of)
    science = tuple(kinds.pop("science", ()))
    if not science:
        return
    rule = path.rule
    parts = [Part("science", science, "cal", f"science of {rule.name}")]
    parts += [
        Part(kind, tuple(found), _suffix(found[0]), kind)
        for kind, found in kinds.items()
    ]
    parts += path.shared
    if rule.has_nods and len(science) > 1:
        parts.append(Part("background", science, "x1d", "spectrum of another nod"))
    if acquired := path.acquisitions.of(observations):
        parts.append(Part(_TA, acquired, "cal", "acquisition of the same observation"))
    name = _name(path, science[0], rows)
    yield Draft(rule.name, rule.asn_type, path.candidate, name, tuple(parts))


def _name(path: _Path, first: PoolRow, rows: Sequence[PoolRow]) -> str:
    """Name the product."""
    rule = path.rule
    if rule.optics:
        optics = [getattr(first, column) for column in rule.optics]
    else:
        optics = path.name_elements(rows)
    tail: list[str] = []
    if rule.has_aperture:
        slits = {row.fxd_slit for row in rows} | path.slits
        tail = [join_slits(slits), first.subarray or ""]
    given = [value for value in optics if value]
    return rule.name_product(path.candidate, first, given, tail)


def _suffix(row: PoolRow) -> str:
    """Tell what stands for an exposure that is not science: lamps are no spectra."""
    return "rate" if row.exp_type in {"nrs_autoflat", "nrs_autowave"} else "cal"
