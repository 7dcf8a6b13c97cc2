"""What is made to go wrong in jobs by tests of what becomes of it.

The setting ``faults`` is a list of these, as JSON in ``REWEBB_FAULTS``. It is refused
outside of a test of pytest, which sets ``PYTEST_CURRENT_TEST`` for itself and the
commands that it starts.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

__all__ = ["Fault", "FaultKind", "find_fault", "refuse_faults"]

_OF_TESTS = "PYTEST_CURRENT_TEST"


class FaultKind(StrEnum):
    """What goes wrong, where the calibration would begin."""

    EXIT = "exit"
    """The process of the job exits without an answer."""
    RAISE = "raise"
    """It raises."""
    EAT_MEMORY = "eat-memory"
    """It takes memory until somebody ends it."""
    HANG = "hang"
    """It waits for ever."""
    KILL_CHILD = "kill-child"
    """It is killed, as the kernel does when there is no memory left."""
    KILL_WORKER = "kill-worker"
    """Its Dask worker is killed."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong."""

    job: str
    """Pattern of the keys of jobs, as of file names: ``detector1:*_nrs1``."""
    kind: FaultKind
    """What."""
    attempt: int = 1
    """In which attempt of a run."""


def find_fault(faults: Sequence[Fault], key: str, attempt: int) -> FaultKind | None:
    """Find what goes wrong in an attempt at a job, if anything does."""
    for fault in faults:
        if fault.attempt == attempt and fnmatchcase(key, fault.job):
            return fault.kind
    return None


def refuse_faults(faults: Sequence[Fault]) -> Sequence[Fault]:
    """Refuse faults outside of tests.

    Raises
    ------
    ValueError
        There are some, and this is no test.
    """
    if faults and _OF_TESTS not in os.environ:
        raise ValueError(f"it is for tests alone, in which {_OF_TESTS} is set")
    return faults
