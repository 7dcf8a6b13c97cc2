"""How large a planned job is, from headers, parameters and predicted cubes (pure)."""

from collections.abc import Mapping
from math import prod
from typing import Final

from workers.contract import BROUGHT, METAFILE, PERSISTENCE, Parameters, Resolved, Stage
from workers.workload import Workload

from ..models.exposures import Role
from .graph import PlannedJob

__all__ = ["IFU", "count_workload"]

_BESIDE: Final = {METAFILE, PERSISTENCE, *BROUGHT}
"""Exptypes of inputs that are no exposures."""

IFU: Final = frozenset({"NRS_IFU", "MIR_MRS"})
"""EXP_TYPEs that cubes are made of, and outliers found in with medians in windows."""


def count_workload(planned: PlannedJob, resolved: Resolved | None) -> Workload:
    """Count what decides the costs of a job.

    All members are taken to be like its first science exposure, whose header is read.

    Parameters
    ----------
    resolved
        Its parameters and predicted cubes; None while files are still to be fetched:
        cubes and windows are unknown then.
    """
    header = planned.exposure.header
    members = sum(file.exptype not in _BESIDE for file in planned.inputs)
    return Workload(
        pixels=_read(header, "SUBSIZE1") * _read(header, "SUBSIZE2"),
        groups=_read(header, "NGROUPS"),
        integrations=_count_integrations(header),
        members=members,
        voxels=sum(map(prod, resolved.cubes)) if resolved else 0,
        window=_find_window(planned, resolved.parameters) if resolved else 0,
    )


def _count_integrations(header: Mapping[str, object]) -> int:
    """Count the integrations of an exposure, or of its segment."""
    first, last = _read(header, "INTSTART"), _read(header, "INTEND")
    return last - first + 1 if 0 < first <= last else _read(header, "NINTS")


def _find_window(planned: PlannedJob, parameters: Parameters) -> int:
    """Find the pixels of the window of outlier detection; 0 if there is none.

    A single exposure has nothing to be compared with.
    """
    science = sum(file.exptype == Role.SCIENCE for file in planned.inputs)
    is_of_ifu = planned.exposure.exp_type in IFU
    if planned.stage is not Stage.SPEC3 or not is_of_ifu or science <= 1:
        return 0
    steps = parameters.get("steps")
    step = steps.get("outlier_detection") if isinstance(steps, Mapping) else None
    if not isinstance(step, Mapping) or step.get("skip"):
        return 0
    sides = str(step.get("kernel_size", "")).split()
    return prod(map(int, sides)) if all(side.isdecimal() for side in sides) else 0


def _read(header: Mapping[str, object], keyword: str) -> int:
    """Read a count; 0 if the header has none."""
    value = header.get(keyword)
    return value if isinstance(value, int) and value > 0 else 0
