"""What a job will take, from its workload and the models of `config.costs` (pure)."""

from dataclasses import dataclass
from typing import Final

from config.costs import Costs, Terms
from workers.contract import Stage
from workers.memory import MARGIN
from workers.workload import Workload

__all__ = ["COUNTS", "Estimate", "add_terms", "estimate"]

COUNTS: Final = {
    "per_sample": "samples",
    "per_value": "values",
    "per_voxel": "voxels",
    "per_window_value": "window_values",
}
"""What each coefficient is multiplied with: counts of a `Workload`."""


_LOADED_BYTES: Final = 200_000_000
"""What every job takes, however small: its process has the calibration code loaded."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a job is expected to take."""

    peak_bytes: int
    """Largest memory of its processes, without a margin."""
    cpu_s: float
    """Wall time on one core."""
    disk_bytes: int
    """What it leaves in the store."""

    @property
    def grant_bytes(self) -> int:
        """What it is granted: its peak and a margin."""
        return int(MARGIN * self.peak_bytes)


def estimate(
    costs: Costs, stage: Stage, *, exp_type: str, workload: Workload
) -> Estimate:
    """Estimate what a job takes; an EXP_TYPE without a model takes the default."""
    _, model = costs.find(stage, exp_type)
    return Estimate(
        max(_LOADED_BYTES, int(add_terms(model.peak_bytes, workload))),
        add_terms(model.cpu_s, workload),
        int(add_terms(model.disk_bytes, workload)),
    )


def add_terms(terms: Terms, workload: Workload) -> float:
    """Add up the terms of a quantity, in its unit."""
    counted = (getattr(terms, k) * getattr(workload, v) for k, v in COUNTS.items())
    return float(terms.base + sum(counted))
