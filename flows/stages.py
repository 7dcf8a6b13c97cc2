"""Where a run enters the calibration, and which files it starts from there."""

from typing import Final

from workers.contract import Stage

__all__ = ["STARTS", "find_maker", "is_reached", "list_start_suffixes"]

STARTS: Final = (Stage.DETECTOR1, Stage.SPEC2, Stage.SPEC3)
"""Stages that a run can start at; with spec3, tso3 is meant too."""

_MADE: Final = {
    Stage.DETECTOR1: ("rate", "rateints"),
    Stage.SPEC2: ("cal", "calints", "x1d", "x1dints"),
}
"""Suffixes of what a stage makes of an exposure and another one reads, those of the
science first."""

_RAW: Final = "uncal"


def list_start_suffixes(start_at: Stage) -> tuple[str, ...]:
    """List the suffixes of the files that tell of an exposure, the best first.

    Those of earlier stages are among them: an exposure of which only the raw file is
    there must be missed at spec3, and not forgotten.
    """
    earlier = STARTS[: STARTS.index(start_at)]
    made = [suffix for stage in reversed(earlier) for suffix in _MADE[stage]]
    return (*made, _RAW)


def find_maker(suffix: str) -> Stage:
    """Give the stage that makes the members of a suffix.

    Images and catalogs, which only wide-field slitless spectra need, are taken for
    what spec2 makes.
    """
    return Stage.DETECTOR1 if suffix in _MADE[Stage.DETECTOR1] else Stage.SPEC2


def is_reached(stage: Stage, start_at: Stage) -> bool:
    """Tell whether a run that starts at a stage comes to another one."""
    return stage is Stage.TSO3 or STARTS.index(stage) >= STARTS.index(start_at)
