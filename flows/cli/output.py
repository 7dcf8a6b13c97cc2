"""What the terminal shows: tables, JSON, errors in one sentence, live progress."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text
from typer.exceptions import TyperException

from ..crashes import is_known, to_bug
from .interrupts import count_lines_with
from .plain import to_plain

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.tree import Tree

    from workers.cache_contract import FileProgress

    from ..archive import FetchListener
    from ..execution import Listener, Progress
    from ..planning import PlanCost
    from ..reports import RunSummary
    from ..run import Step

_Value = TypeVar("_Value")

__all__ = [
    "FAILED",
    "REFUSED",
    "Listeners",
    "Told",
    "announce",
    "announce_steps",
    "can_say",
    "counted",
    "fail",
    "live",
    "print_json",
    "print_json_line",
    "print_lines",
    "print_rows",
    "print_summary",
    "print_tree",
    "say",
    "say_cost",
    "say_counts",
    "say_state",
    "say_title",
    "styled",
    "warn",
    "watched",
]

FAILED = 1
"""Exit code: jobs failed or were blocked; the rest is done."""

REFUSED = 2
"""Exit code: nothing could be done; the message says what to correct."""

_UNBOUNDED = 2000
"""Width of what goes to a file or a pipe: long cells stay on one line."""

_out = Console(
    soft_wrap=True, highlight=False, width=None if sys.stdout.isatty() else _UNBOUNDED
)
_err = Console(stderr=True, soft_wrap=True, highlight=False)

_OF_TYPER = (typer.Exit, typer.Abort, TyperException, BrokenPipeError)
"""Ends of a command that typer itself reports."""

_COLOURS = {
    "FAILED": "red",
    "CANNOT": "red",
    "BLOCKED": "yellow",
    "SUCCEEDED": "green",
}

_DOING = {
    "start": "starting Prefect",
    "search": "searching the archive",
    "find": "finding exposures",
    "check": "checking the recipe",
    "associate": "building associations",
    "draw": "drawing the graph of jobs",
    "fetch": "fetching files",
    "prefetch": "fetching references",
    "resolve": "resolving references and parameters",
    "plan": "planning",
    "execute": "executing jobs",
    "measure": "measuring products",
    "compare": "comparing spectra with those before",
    "picture": "drawing products",
    "report": "writing the folder of the run",
}
"""What is shown of the steps of a run, and of what commands do besides."""


def say(text: str = "") -> None:
    """Print a line."""
    _out.print(Text(to_plain(text)))


def can_say(text: str) -> bool:
    """Tell whether what the terminal is set to can show a text."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def say_title(title: str) -> None:
    """Print a title over what follows, apart from what came before."""
    say()
    say(f"{title}:")


def warn(message: str) -> None:
    """Print a warning; the work itself is done."""
    _err.print(Text.assemble(("warning:", "yellow"), " ", to_plain(message)))


def announce(line: str) -> None:
    """Print a line beside the work, which goes on even if nobody can read it."""
    with suppress(OSError):
        _err.print(Text(to_plain(line)))


def fail(message: str) -> NoReturn:
    """Print why nothing could be done, and exit."""
    _err.print(Text.assemble(("error:", "red"), " ", to_plain(message)))
    raise typer.Exit(REFUSED)


class Told(AbstractContextManager[None]):
    """Wraps a command: an error becomes a sentence, an unexpected one too."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Print an error, and where its traceback is."""
        if isinstance(error, Exception) and not isinstance(error, _OF_TYPER):
            fail(str(error if is_known(error) else to_bug(error)))


def print_json(record: Any) -> None:
    """Print a record, or a list of records, as JSON."""
    from pydantic_core import to_json  # only when it is wanted

    text = to_json(record, indent=1, ensure_ascii=True).decode()
    sys.stdout.write(text.replace("\x7f", "\\u007f") + "\n")


def print_json_line(record: Any) -> None:
    """Print a record as JSON on a line of its own, for who reads while it grows."""
    from pydantic_core import to_json

    sys.stdout.write(f"{to_json(record).decode()}\n")
    sys.stdout.flush()


@contextmanager
def live() -> "Iterator[Callable[[RenderableType], None] | None]":
    """Give what shows something in place of what it showed; None if none watches."""
    if not _out.is_terminal:
        yield None
        return
    from rich.live import Live  # only when it is wanted

    with Live(console=_out, auto_refresh=False) as shown:
        yield lambda what: shown.update(what, refresh=True)


def print_lines(title: str, lines: Iterable[str]) -> None:
    """Print lines below a title, if there are any."""
    for number, line in enumerate(lines):
        if number == 0:
            say_title(title)
        say(f"  {line}")


def print_rows(
    columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str = ""
) -> None:
    """Print a table, below a title if there is one; nothing is cut off."""
    if title:
        say_title(title)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(styled(str(cell)) for cell in row))
    with _out.capture() as printed:
        _out.print(table)
    for line in printed.get().splitlines():
        sys.stdout.write(line.rstrip() + "\n")


def print_tree(tree: "Tree") -> None:
    """Print a tree of styled labels; nothing is cut off."""
    _out.print(tree)


def print_summary(summary: "RunSummary") -> None:
    """Print what a run, or a dry run, came to."""
    print_rows(
        ("job", "state", "why"),
        [
            (job.key, say_state(job.state, is_plan=not summary.run), job.why)
            for job in summary.jobs
        ],
    )
    print_lines("caveats", summary.caveats)
    print_lines("notes", summary.notes)
    if summary.issues:
        from ..advice import name_open

        say()
        say(f"known issues: {name_open(summary.issues)}; see `rewebb advise`")
    if summary.cost:
        say()
        say(f"cost: {say_cost(summary.cost)}")
    of = f"program {summary.program}, {summary.context}, {summary.recipe}"
    say()
    say(f"{of}: {say_counts(summary)}")


def say_cost(cost: "PlanCost") -> str:
    """Say what a plan is expected to take, in one line."""
    slots = f"{cost.slots} slot{'s' * (cost.slots != 1)}"
    return (
        f"{cost.cpu_s / 3600:.2f} CPU-hours, {cost.peak_bytes / 1e9:.1f} GB of memory "
        f"for the largest job, {decimal(cost.disk_bytes)} of disk, "
        f"{decimal(cost.download_bytes)} to fetch, "
        f"{timedelta(seconds=round(cost.wall_s))} on {slots}"
    )


def say_counts(summary: "RunSummary") -> str:
    """Say how many jobs came to each state."""
    is_plan = not summary.run
    counts = summary.counts.items()
    return ", ".join(f"{n} {say_state(state, is_plan=is_plan)}" for state, n in counts)


def say_state(state: str, *, is_plan: bool) -> str:
    """Say the state of a job; in a plan nothing has failed yet."""
    return "CANNOT RUN" if is_plan and state == "FAILED" else state


def _ignore(_: object) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Listeners:
    """Show the progress of the command, or of one of its programs."""

    jobs: "Listener" = _ignore
    """Shows every change of a job."""
    files: "FetchListener" = _ignore
    """Shows the bytes that were fetched."""
    cluster: Callable[[str], object] = _ignore
    """Shows that the cluster waits for workers."""
    steps: Callable[[str], object] = _ignore
    """Shows each step when it begins; "" when all are over."""
    references: "Callable[[FileProgress], None] | None" = None
    """Shows the references that were fetched or read."""


def announce_steps(listeners: Listeners) -> "Step":
    """Make a `Step` that announces each step before it takes it."""

    def take(name: str, work: Callable[[], _Value]) -> _Value:
        listeners.steps(name)
        return work()

    return take


@contextmanager
def watched(*, quiet: bool) -> Iterator[Callable[[str], Listeners]]:
    """Show progress: live bars on a terminal, else lines.

    Yields
    ------
    Callable
        Makes the listeners of a program; of the command itself with "".
    """
    if quiet:
        yield lambda _: Listeners()
        return
    if not _err.is_terminal:
        yield lambda program: Listeners(
            lambda progress: announce(f"{progress.state} {progress.key}"),
            _print_tenths(),
            announce,
            partial(_print_step, program),
            _print_parts(),
        )
        return
    from rich.progress import (  # only when it is wanted
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
    )

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[amount]}"),
        TimeElapsedColumn(),
        console=_err,
        transient=True,
    ) as bars:
        count_lines_with(lambda: sum(bar.visible for bar in bars.tasks))
        yield lambda program: _make_bars(bars, f"{program}: " if program else "")


@contextmanager
def counted(*, quiet: bool) -> Iterator[Callable[[str, int, int], object]]:
    """Show how many of something are done: a live bar on a terminal, else lines.

    Yields
    ------
    Callable
        Told what is done, how many are done, and how many there are.
    """
    if quiet:
        yield lambda *_: None
        return
    if not _err.is_terminal:
        yield _print_counts()
        return
    from rich.progress import (  # only when it is wanted
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
    )

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=_err,
        transient=True,
    ) as bars:
        count_lines_with(lambda: len(bars.tasks))
        bar = bars.add_task("", total=None)
        yield lambda what, done, total: bars.update(
            bar, description=what, completed=done, total=total
        )


def _print_counts() -> Callable[[str, int, int], object]:
    """Print a line for each tenth of what is counted, and at its end."""
    told: dict[str, int] = {}

    def show(what: str, done: int, total: int) -> None:
        tenth = 10 * done // max(total, 1)
        if told.get(what, 0) < tenth:
            told[what] = tenth
            announce(f"{what}: {done} of {total}")

    return show


def _make_bars(bars: Any, label: str) -> Listeners:
    bar = bars.add_task("", total=None, amount="", visible=False)

    def show_step(name: str) -> None:
        doing = f"{label}{_DOING.get(name, name)}"
        bars.update(bar, description=doing, visible=bool(name))

    def show(progress: "Progress") -> None:
        counts = {str(state): count for state, count in progress.counts.items()}
        running = counts.get("RUNNING", 0)
        total = sum(counts.values())
        done = total - running - counts.get("DUE", 0)
        text = f"{label}{running} running, {counts.get('FAILED', 0)} failed"
        bars.update(
            bar,
            total=total,
            completed=done,
            description=text,
            amount=f"{done}/{total}",
            visible=True,
        )
        if progress.state in {"FAILED", "BLOCKED"}:
            bars.console.print(styled(f"{progress.state} {progress.key}"))

    def show_references(progress: "FileProgress") -> None:
        doing = f"{progress.doing}: {progress.done} of {progress.total} files"
        bars.update(
            bar,
            total=progress.total_bytes,
            completed=progress.done_bytes,
            description=doing,
            amount=_say_bytes(progress),
            visible=True,
        )

    def show_cluster(said: str) -> None:
        bars.update(bar, description=f"{label}{said}", visible=True)

    show_files = _make_file_bar(bars, label)
    return Listeners(show, show_files, show_cluster, show_step, show_references)


def _make_file_bar(bars: Any, label: str) -> "FetchListener":
    bar = bars.add_task("files", total=None, amount="", visible=False)

    def show(progress: "FileProgress") -> None:
        rate = bars.tasks[bar].speed or 0.0
        bars.update(
            bar,
            total=progress.total_bytes,
            completed=progress.done_bytes,
            description=f"{label}fetched {progress.done} of {progress.total} files",
            amount=f"{_say_bytes(progress)}, {decimal(int(rate))}/s",
            visible=progress.done < progress.total,
        )

    return show


def _print_tenths() -> "FetchListener":
    """Print a line for every tenth of the bytes, with the rate since the start."""
    told, start_s = 0, time.monotonic()

    def show(progress: "FileProgress") -> None:
        nonlocal told
        tenth = 10 * progress.done_bytes // max(progress.total_bytes, 1)
        if tenth > told:
            told = tenth
            rate = progress.done_bytes / max(time.monotonic() - start_s, 1e-3)
            _err.print(
                f"fetched {progress.done} of {progress.total} files, "
                f"{_say_bytes(progress)}, {decimal(int(rate))}/s",
                markup=False,
            )

    return show


def _print_parts() -> "Callable[[FileProgress], None]":
    """Print a line for each part of what is done with references."""
    told = ""

    def show(progress: "FileProgress") -> None:
        nonlocal told
        if progress.doing != told:
            told = progress.doing
            announce(f"{told}: {progress.total} files, {decimal(progress.total_bytes)}")

    return show


def _say_bytes(progress: "FileProgress") -> str:
    return f"{decimal(progress.done_bytes)} of {decimal(progress.total_bytes)}"


def _print_step(program: str, name: str) -> None:
    if name:
        label = f"{program}: " if program else ""
        announce(f"{label}{_DOING.get(name, name)}")


def styled(text: str) -> Text:
    """Make a line of plain text, in the colour of the state that it begins with."""
    colour = _COLOURS.get(text.split(" ", maxsplit=1)[0], "")
    return Text(to_plain(text), style=colour)
