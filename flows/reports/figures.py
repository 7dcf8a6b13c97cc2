"""Where things are in the figures of a report: timeline, memory, associations.

Pure: places are numbers in the units of the figure, and text stays text, for a template
to escape.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from workers.contract import Job, Outcome

__all__ = [
    "MOST_BARS",
    "Bar",
    "Diagram",
    "Link",
    "MemoryBar",
    "Tick",
    "Timeline",
    "draw_association",
    "draw_memory",
    "draw_timeline",
]

_WIDTH: Final = 1000.0
"""Of figures."""

MOST_BARS: Final = 400
"""Attempts that a figure shows; of more the longest."""

_ROW: Final = 26.0
_TEXT: Final = 190.0
_LANE: Final = 220.0
_TICKS: Final = 5
_MEMBERS: Final = 30
"""Members of an association that are drawn."""


@dataclass(frozen=True, slots=True)
class Bar:
    """An attempt in the timeline."""

    x: float
    """Where it begins."""
    y: float
    """Upper edge."""
    width: float
    """How long it took."""
    status: str
    """How it ended."""
    label: str
    """What it was, in a sentence."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A text at a place."""

    x: float
    """Where."""
    y: float
    """Likewise."""
    text: str
    """What is there."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """Attempts over time, those of one slot in one lane."""

    height: float
    """Of the figure."""
    bars: tuple[Bar, ...]
    """The attempts."""
    lanes: tuple[Tick, ...]
    """Names of the slots."""
    ticks: tuple[Tick, ...]
    """Minutes since the first attempt."""
    left_out: int
    """Attempts that are not shown."""


@dataclass(frozen=True, slots=True)
class MemoryBar:
    """What an attempt used of what it had been granted."""

    y: float
    """Upper edge."""
    granted: float
    """Length of what was granted."""
    used: float
    """Length of what was used."""
    name: str
    """Key of the job."""
    label: str
    """Both, as text."""


@dataclass(frozen=True, slots=True)
class Link:
    """A member of an association."""

    y: float
    """Its middle."""
    exptype: str
    """What it is a member as."""
    name: str
    """Name of its file."""
    reason: str
    """Why it is one."""


@dataclass(frozen=True, slots=True)
class Diagram:
    """An association: its members, and what is made of them."""

    key: str
    """Key of its job."""
    product: str
    """Its product."""
    height: float
    """Of the figure."""
    links: tuple[Link, ...]
    """Its members, in the order of the association."""
    left_out: int
    """Members that are not drawn."""


def draw_timeline(tries: Sequence[Outcome]) -> Timeline:
    """Lay attempts out over time: on each node, in the first slot that is free."""
    chosen = sorted(tries, key=_elapsed, reverse=True)[:MOST_BARS]
    if not chosen:
        return Timeline(0, (), (), (), 0)
    start = min(one.started_at for one in chosen)
    end = max(one.finished_at for one in chosen)
    span = max((end - start).total_seconds(), 1.0)
    slots = _assign_slots(chosen)
    rows = {slot: number for number, slot in enumerate(sorted(set(slots)))}
    bars = [
        Bar(
            x=_LANE
            + (_WIDTH - _LANE) * (one.started_at - start).total_seconds() / span,
            y=_ROW * rows[slot],
            width=max((_WIDTH - _LANE) * _elapsed(one) / span, 1.5),
            status=str(one.status),
            label=f"{one.job.stage}:{one.job.name} {one.status}, {_elapsed(one):.1f} s "
            f"from {one.started_at:%H:%M:%S} UTC",
        )
        for one, slot in zip(sorted(chosen, key=_begin), slots, strict=True)
    ]
    lanes = (Tick(0, _ROW * row, f"{node} #{n + 1}") for (node, n), row in rows.items())
    height = _ROW * (len(rows) + 1)
    ticks = (
        Tick(
            _LANE + (_WIDTH - _LANE) * step / _TICKS,
            height - 8,
            f"{span * step / _TICKS / 60:.1f} min",
        )
        for step in range(_TICKS)
    )
    left_out = len(tries) - len(chosen)
    return Timeline(height, tuple(bars), tuple(lanes), tuple(ticks), left_out)


def _assign_slots(tries: Sequence[Outcome]) -> list[tuple[str, int]]:
    """Give each attempt, in the order of their beginnings, a slot of its node."""
    free: dict[str, list[datetime]] = {}
    slots: list[tuple[str, int]] = []
    for one in sorted(tries, key=_begin):
        node = one.node if one.host in one.node else f"{one.host} {one.node}".strip()
        ends = free.setdefault(node, [])
        slot = next((n for n, at in enumerate(ends) if at <= one.started_at), len(ends))
        ends[slot : slot + 1] = [one.finished_at]
        slots.append((node, slot))
    return slots


def _begin(one: Outcome) -> tuple[datetime, str]:
    return one.started_at, one.attempt


def _elapsed(one: Outcome) -> float:
    return max((one.finished_at - one.started_at).total_seconds(), 0.0)


def draw_memory(tries: Sequence[Outcome], *, most: int = 60) -> tuple[MemoryBar, ...]:
    """Lay out what attempts used of their memory, those that used most first."""
    known = [one for one in tries if one.usage.peak_bytes > 0]
    known.sort(key=lambda one: one.usage.peak_bytes, reverse=True)
    largest = max(
        (max(one.usage.granted_bytes, one.usage.peak_bytes) for one in known), default=1
    )
    scale = (_WIDTH - 2 * _LANE - _TEXT) / largest
    return tuple(
        MemoryBar(
            y=_ROW * number,
            granted=scale * one.usage.granted_bytes,
            used=scale * one.usage.peak_bytes,
            name=f"{one.job.stage}:{one.job.name}",
            label=f"{one.usage.peak_bytes / 1e9:.2f} of "
            f"{one.usage.granted_bytes / 1e9:.2f} GB",
        )
        for number, one in enumerate(known[:most])
    )


def draw_association(job: Job) -> Diagram:
    """Lay out the members of a job's association, and what is made of them."""
    shown = job.inputs[:_MEMBERS]
    return Diagram(
        key=f"{job.stage}:{job.name}",
        product=job.name,
        height=_ROW * len(shown) + 8,
        links=tuple(
            Link(_ROW * number + _ROW / 2, one.exptype, one.name, one.reason)
            for number, one in enumerate(shown)
        ),
        left_out=len(job.inputs) - len(shown),
    )
