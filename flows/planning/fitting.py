"""Models of costs, fitted to what attempts took (pure; imports numpy).

A line is fitted to relative residuals, with no coefficient below 0, and raised by a
factor so that the stated quantile of the attempts takes no more. A term whose count
hardly differs between the attempts keeps its coefficient.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from config.costs import QUANTITIES, Costs, Model, Terms
from workers.contract import Stage

from ..models.jobs import TakenCost
from .costs import COUNTS, add_terms

__all__ = ["Residuals", "find_residuals", "fit_costs"]

_SPREAD: Final = 1.2
"""How far apart the largest and the smallest count must be for a coefficient."""

_BETTER: Final = 0.9
"""What a further term must at least make of the sum of squares."""

_EXACT: Final = 1e-6
"""By how much it must make that less: of two exact fits the first counts."""

_TERMS: Final = {
    Stage.DETECTOR1: {"per_sample", "per_value"},
    Stage.SPEC2: {"per_value", "per_voxel"},
    Stage.SPEC3: {"per_value", "per_voxel", "per_window_value"},
    Stage.TSO3: {"per_value"},
}
"""What each stage reads, makes or sorts; others would be fitted by chance."""

_MOST_KEPT: Final = 0.9
"""Fraction of the base that terms may take whose coefficients are kept."""

_AS_LARGE: Final = 1 - 1e-3
"""From which ratio on an estimate is no less than what was taken: coefficients are
written with few digits."""

_Floats = NDArray[np.float64]
_Group = tuple[Stage, str]


@dataclass(frozen=True, slots=True)
class Residuals:
    """How a model compares with what attempts of a stage and an EXP_TYPE took."""

    stage: str
    """Stage of the jobs."""
    exp_type: str
    """Their EXP_TYPE."""
    model: str
    """Name of the model of the stage."""
    quantity: str
    """One of `config.costs.QUANTITIES`."""
    n: int
    """Attempts that were compared."""
    least: float
    """Smallest ratio of what was estimated to what was taken."""
    mean: float
    """Mean ratio."""
    most: float
    """Largest ratio."""
    quantile: float
    """Fraction of the attempts that took no more than was estimated."""
    stated: float
    """Fraction that the model states."""


def fit_costs(costs: Costs, taken: Iterable[TakenCost]) -> Costs:
    """Fit a model for each stage and EXP_TYPE that has attempts; others are kept.

    An EXP_TYPE that had no model of its own begins with the default.
    """
    models = {stage: dict(by_type) for stage, by_type in costs.models.items()}
    for (stage, exp_type), group in _group(taken).items():
        _, known = costs.find(stage, exp_type)
        fitted = {
            quantity: _fit(
                group, quantity, getattr(known, quantity), costs.quantile.of(quantity)
            )
            for quantity in QUANTITIES
        }
        models[stage][exp_type] = Model(attempts=len(group), **fitted)
    return costs.model_copy(update={"models": models})


def find_residuals(costs: Costs, taken: Iterable[TakenCost]) -> tuple[Residuals, ...]:
    """Compare models with what attempts took, by stage and EXP_TYPE."""
    found = []
    for (stage, exp_type), group in _group(taken).items():
        name, model = costs.find(stage, exp_type)
        for quantity in QUANTITIES:
            values = _read(group, quantity)
            terms: Terms = getattr(model, quantity)
            ratios = [
                add_terms(terms, one.workload) / value
                for one, value in zip(group, values, strict=True)
                if value > 0
            ]
            if ratios:
                found.append(
                    Residuals(
                        *(stage, exp_type, name, quantity, len(ratios)),
                        least=min(ratios),
                        mean=float(np.mean(ratios)),
                        most=max(ratios),
                        quantile=float(np.mean(np.array(ratios) > _AS_LARGE)),
                        stated=costs.quantile.of(quantity),
                    )
                )
    return tuple(found)


def _group(taken: Iterable[TakenCost]) -> Mapping[_Group, list[TakenCost]]:
    groups: dict[_Group, list[TakenCost]] = defaultdict(list)
    for one in taken:
        groups[one.stage, one.exp_type].append(one)
    return groups


def _read(group: Iterable[TakenCost], quantity: str) -> _Floats:
    return np.array([getattr(one, quantity) for one in group], float)


def _fit(
    group: Sequence[TakenCost], quantity: str, known: Terms, quantile: float
) -> Terms:
    """Fit the terms of a quantity."""
    group = [one for one in group if getattr(one, quantity) > 0]
    if not group:
        return known
    values = _read(group, quantity)
    counts = {
        name: np.array([getattr(one.workload, count) for one in group], float)
        for name, count in COUNTS.items()
        if name in _TERMS[group[0].stage]
    }
    varying = {name: counts[name] for name in counts if _varies(counts[name])}
    found = _solve(values, varying)
    # What does not vary cannot be told from the base, of which it takes its part.
    kept = {name: getattr(known, name) for name in counts if name not in varying}
    told = sum(kept[name] * float(counts[name].mean()) for name in kept)
    if told:
        part = min(1.0, _MOST_KEPT * found["base"] / told)
        found |= {name: part * kept[name] for name in kept}
        found["base"] -= part * told
    line = Terms(**found)
    ratios = values / np.array([add_terms(line, one.workload) for one in group])
    raised = float(np.quantile(ratios, quantile, method="higher"))
    return Terms(**{name: raised * value for name, value in found.items()})


def _varies(counts: _Floats) -> bool:
    return bool(counts.max() > _SPREAD * counts.min())


def _solve(values: _Floats, counts: Mapping[str, _Floats]) -> dict[str, float]:
    """Find base and coefficients, none below 0, with as few terms as will do.

    There are few terms, so that all choices of them are tried.
    """
    none = dict.fromkeys(counts, 0.0)
    best: dict[str, float] = {}
    least = np.inf
    for size in range(len(counts) + 1):
        for names in combinations(counts, size):
            columns = [np.ones_like(values), *(counts[name] for name in names)]
            scales = np.array([column.max() for column in columns])
            matrix = np.stack(columns, axis=1) / scales / values[:, None]
            solved, *_ = np.linalg.lstsq(matrix, np.ones_like(values), rcond=None)
            squares = float(np.sum((matrix @ solved - 1.0) ** 2))
            if (solved >= 0).all() and squares < _BETTER * least - _EXACT:
                least = squares
                found = (solved / scales).tolist()
                best = none | dict(zip(("base", *names), found, strict=True))
    return best
