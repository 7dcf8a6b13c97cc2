"""The stages of the calibration: what each runs on, reads and makes, in order."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

from workers.contract import Stage

from .models.associations import Association

__all__ = [
    "RAW_SUFFIX",
    "STAGES",
    "STARTS",
    "StageRow",
    "StartName",
    "find_maker",
    "get_stage_before",
    "is_reached",
    "list_start_suffixes",
    "stage_of",
]

RAW_SUFFIX: Final = "uncal"
"""Suffix of raw files."""

_RATES: Final = ("rate", "rateints")
_CALIBRATED: Final = ("cal", "calints", "x1d", "x1dints")


@dataclass(frozen=True, slots=True)
class StageRow:
    """What is known of a stage."""

    level: int
    """Level of its products, 2 or 3."""
    asn_types: tuple[str, ...]
    """Types of the associations that it runs on; none if it runs on an exposure."""
    reads: tuple[str, ...]
    """Suffixes of what it reads of an exposure, those of the science first."""
    makes: tuple[str, ...] = ()
    """Suffixes of what it makes of an exposure and a later stage reads."""


STAGES: Final[Mapping[Stage, StageRow]] = {
    Stage.DETECTOR1: StageRow(2, (), (RAW_SUFFIX,), _RATES),
    Stage.SPEC2: StageRow(2, ("spec2", "tso-spec2"), _RATES, _CALIBRATED),
    Stage.SPEC3: StageRow(3, ("spec3",), _CALIBRATED),
    Stage.TSO3: StageRow(3, ("tso3",), _CALIBRATED),
}
"""The stages in their order; SPEC3 and TSO3 are alternatives."""

StartName = Literal["detector1", "spec2", "spec3"]
"""Name of a stage that a run can start at, or be kept to; spec3 means tso3, too."""

STARTS: Final = tuple(map(Stage, get_args(StartName)))
"""Those stages."""


def stage_of(association: Association) -> Stage:
    """Return the stage that makes the product of an association."""
    types = ((stage, row.asn_types) for stage, row in STAGES.items())
    return next(stage for stage, known in types if association.asn_type in known)


def list_start_suffixes(start_at: Stage) -> tuple[str, ...]:
    """List the suffixes of the files that show an exposure to a run, the best first.

    Those of earlier stages are among them: an exposure of which only the raw file is
    there must be missed at spec3, and not forgotten.
    """
    stages = STARTS[: STARTS.index(start_at) + 1]
    return tuple(suffix for stage in reversed(stages) for suffix in STAGES[stage].reads)


def find_maker(suffix: str) -> Stage:
    """Return the stage that makes the members of a suffix.

    Images and catalogs, which only wide-field slitless spectra need, are taken for
    what spec2 makes.
    """
    return Stage.DETECTOR1 if suffix in _RATES else Stage.SPEC2


def get_stage_before(start_at: Stage) -> Stage:
    """Return the stage that makes what a run reads that starts after detector1."""
    return STARTS[STARTS.index(start_at) - 1]


def is_reached(stage: Stage, start_at: Stage) -> bool:
    """Return whether a run that starts at a stage comes to another one."""
    return stage is Stage.TSO3 or STARTS.index(stage) >= STARTS.index(start_at)
