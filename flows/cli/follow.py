"""`rewebb status --follow`: a run while it goes on, live."""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from .output import live, print_json_line, say

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ..models.runs import Run, RunJob
    from ..reports import RunProgress

__all__ = ["follow"]

_INTERVAL_S: Final = 1.0
"""Between two looks at the database."""

_SHOWN: Final = 8
"""Jobs under way that are shown."""

if TYPE_CHECKING:
    Look = Callable[[], tuple[Run, tuple[RunJob, ...]]]


def follow(look: "Look", *, as_json: bool) -> None:
    """Show a run until it is over: a table on a terminal, else a line a change.

    Parameters
    ----------
    look
        Reads the run and its jobs anew.
    as_json
        Whether a line of JSON is printed for each change instead.
    """
    if as_json:
        for run, progress in _iterate(look, each_second=False):
            print_json_line({"run": run.id, "state": run.state, **asdict(progress)})
        return
    with live() as show:
        for run, progress in _iterate(look, each_second=show is not None):
            if show is None:
                say(_say_line(run, progress))
            else:
                show(_draw(run, progress))


def _iterate(look: "Look", *, each_second: bool) -> "Iterator[tuple[Run, RunProgress]]":
    """Give what changed, or all each second, until the run is over."""
    from ..reports import find_progress

    told: object = None
    while True:
        run, jobs = look()
        progress = find_progress(jobs, datetime.now(UTC))
        state = run.state, progress.counts
        if each_second or state != told:
            yield run, progress
        if run.finished_at is not None:
            return
        told = state
        time.sleep(_INTERVAL_S)


def _say_line(run: "Run", progress: "RunProgress") -> str:
    """Say how far a run is."""
    said = [f"run {run.id[:8]} of program {run.program}: {run.state}"]
    said.append(f"{progress.done} of {progress.total} jobs are over")
    if progress.running:
        memory = sum(job.expected_bytes for job in progress.running) / 1e9
        said.append(f"{len(progress.running)} under way, {memory:.1f} GB expected")
    if progress.left_s is not None:
        said.append(f"about {_say_time(progress.left_s)} left")
    return ", ".join(said)


def _say_time(time_s: float) -> str:
    if time_s < 90:
        return f"{time_s:.0f} s"
    return f"{time_s / 60:.0f} min" if time_s < 5400 else f"{time_s / 3600:.1f} h"


def _draw(run: "Run", progress: "RunProgress") -> "RenderableType":
    from rich.console import Group
    from rich.table import Table

    from ..models.runs import JobState

    states = [
        state
        for state in JobState
        if any(counts.get(state) for counts in progress.counts.values())
    ]
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("stage", *map(str, states)):
        table.add_column(column)
    for stage, counts in progress.counts.items():
        table.add_row(str(stage), *(str(counts.get(state, 0)) for state in states))
    lines = [
        f"{job.key}  {_say_time(job.elapsed_s)}"
        + (f" of about {_say_time(job.expected_s)}" if job.expected_s else "")
        for job in progress.running[:_SHOWN]
    ]
    if more := len(progress.running) - _SHOWN:
        lines += [f"and {more} more"] * (more > 0)
    return Group(table, *lines, _say_line(run, progress))
