"""Which jobs stand for all that are out of date (pure)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import chain, zip_longest
from typing import Final

from workers.contract import Stage

from ..models.runs import JobState
from .plan import PlanEntry
from .stale import JudgedJob, Staleness

__all__ = ["Kind", "SampledJob", "choose_sample", "find_sample_cost_s"]

_OPTICS: Final = ("GRATING", "FILTER", "BAND", "CHANNEL")
"""Keywords that, with EXP_TYPE, say what is calibrated alike."""

_NOT_THERE: Final = frozenset(["", "N/A", "NONE", "NULL"])

_STAGES: Final = (Stage.SPEC2, Stage.TSO3, Stage.SPEC3, Stage.DETECTOR1)
"""What a kind is judged by, if jobs of the stage are due: first what one exposure
takes."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What is calibrated alike."""

    exp_type: str
    """EXP_TYPE."""
    optics: tuple[str, ...]
    """Optical elements, as headers name them."""

    def __str__(self) -> str:
        return " ".join((self.exp_type, *self.optics))


@dataclass(frozen=True, slots=True)
class SampledJob:
    """A job that is due, and stands for others of its kind."""

    program: str
    """Five digits."""
    key: str
    """``stage:name``."""
    kind: Kind
    """Of which kind it is."""
    fingerprint: str
    """The recorded job, which it is compared with."""
    why: str
    """Why it is due."""
    of: int
    """How many jobs of its kind and stage are due."""


def choose_sample(
    judged: Mapping[str, tuple[Sequence[JudgedJob], Sequence[PlanEntry]]], count: int
) -> tuple[SampledJob, ...]:
    """Choose jobs that are stale, of all kinds in turn, at most so many.

    Of each kind the jobs are of one stage, spec2 if any of it are due. Which ones looks
    random and is always the same: a larger sample holds a smaller one.

    Parameters
    ----------
    judged
        Jobs with the entries of their plan, by program.
    """
    found: dict[Kind, dict[Stage, list[SampledJob]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for program, (jobs, entries) in judged.items():
        planned = {entry.planned.key: entry.planned for entry in entries}
        for job in jobs:
            if job.staleness is not Staleness.STALE or not job.is_due:
                continue
            if job.fingerprint is None or job.key not in planned:
                continue
            kind = _find_kind(planned[job.key].exposure.header)
            sampled = SampledJob(program, job.key, kind, job.fingerprint, job.why, 0)
            found[kind][planned[job.key].stage].append(sampled)
    strata = [_order(found[kind]) for kind in sorted(found, key=str)]
    in_turn = chain.from_iterable(zip_longest(*strata))
    return tuple(job for job in in_turn if job is not None)[:count]


def find_sample_cost_s(entries: Iterable[PlanEntry], keys: Iterable[str]) -> float:
    """Add up what jobs, with all that is due before them, are expected to take.

    Parameters
    ----------
    entries
        Of the plan of their program.
    """
    due = {e.planned.key: e for e in entries if e.state is JobState.DUE}
    left, needed = [key for key in keys if key in due], set[str]()
    while left:
        key = left.pop()
        if key in due and key not in needed:
            needed.add(key)
            left += due[key].planned.producers
    return sum(due[key].expected_s for key in needed)


def _find_kind(header: Mapping[str, object]) -> Kind:
    elements = [str(header.get(name, "")).strip().upper() for name in _OPTICS]
    optics = tuple(one for one in elements if one not in _NOT_THERE)
    return Kind(str(header.get("EXP_TYPE", "")), optics)


def _order(by_stage: Mapping[Stage, Sequence[SampledJob]]) -> list[SampledJob]:
    """Order the jobs of a kind as if by chance, those of the stage that counts."""
    stage = next(stage for stage in _STAGES if by_stage.get(stage))
    jobs = sorted(by_stage[stage], key=lambda job: sha256(job.key.encode()).digest())
    return [replace(job, of=len(jobs)) for job in jobs]
