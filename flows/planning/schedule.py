"""What a plan will cost: time, memory, disk and downloads (pure)."""

import heapq
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..models.runs import JobState
from .plan import Plan

__all__ = ["PlanCost", "find_makespan", "sum_costs"]


@dataclass(frozen=True, slots=True)
class PlanCost:
    """What the jobs of a plan that are due are expected to take, together."""

    jobs: int
    """How many are due; those that may be reused when their inputs come are counted."""
    cpu_s: float
    """CPU time of all."""
    peak_bytes: int
    """Memory of the largest."""
    disk_bytes: int
    """What they leave in the store."""
    download_bytes: int
    """Raw files and references that are to be fetched, as far as sizes are known."""
    slots: int
    """Jobs at a time."""
    wall_s: float
    """Wall time on so many slots, each a core, if memory suffices for all of them."""


def sum_costs(plan: Plan, *, slots: int, download_bytes: int) -> PlanCost:
    """Add up what a plan costs."""
    due = {e.planned.key: e for e in plan.entries if e.state is JobState.DUE}
    durations = {key: entry.expected_s for key, entry in due.items()}
    needs = {key: entry.planned.producers for key, entry in due.items()}
    return PlanCost(
        jobs=len(due),
        cpu_s=sum(durations.values()),
        peak_bytes=max((entry.estimate_bytes for entry in due.values()), default=0),
        disk_bytes=sum(entry.disk_bytes for entry in due.values()),
        download_bytes=download_bytes,
        slots=slots,
        wall_s=find_makespan(durations, needs, slots=slots),
    )


def find_makespan(
    durations_s: Mapping[str, float],
    needs: Mapping[str, Sequence[str]],
    *,
    slots: int,
) -> float:
    """Find when the last job ends if each slot takes a job as soon as one is ready.

    Of those that are ready the one goes first that the longest chain waits for.

    Parameters
    ----------
    durations_s
        By job, producers first.
    needs
        What each job waits for; what is not among them is there already.
    """
    dependants: dict[str, list[str]] = defaultdict(list)
    missing = {}
    for key in durations_s:
        own = [need for need in needs[key] if need in durations_s]
        missing[key] = len(own)
        for need in own:
            dependants[need].append(key)
    chain_s: dict[str, float] = {}
    for key in reversed([*durations_s]):
        below_s = max((chain_s[each] for each in dependants[key]), default=0.0)
        chain_s[key] = durations_s[key] + below_s
    ready = [(-chain_s[key], key) for key, count in missing.items() if not count]
    heapq.heapify(ready)
    running: list[tuple[float, str]] = []
    now_s = 0.0
    while ready or running:
        while ready and len(running) < slots:
            _, key = heapq.heappop(ready)
            heapq.heappush(running, (now_s + durations_s[key], key))
        now_s, ended = heapq.heappop(running)
        for key in dependants[ended]:
            missing[key] -= 1
            if not missing[key]:
                heapq.heappush(ready, (-chain_s[key], key))
    return now_s
