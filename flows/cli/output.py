"""What the terminal shows: tables, JSON, errors in one sentence, live progress."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text
from typer.exceptions import TyperException

from config.errors import ConfigError
from flows.crashes import is_known, to_bug
from flows.errors import RewebbError
from workers.errors import WorkerError

from .plain import to_plain

if TYPE_CHECKING:
    from flows.archive import FetchListener
    from flows.execution import Listener, Progress
    from flows.reports import RunSummary
    from workers.cache_contract import FileProgress

__all__ = [
    "FAILED",
    "Listeners",
    "Told",
    "fail",
    "print_json",
    "print_rows",
    "print_summary",
    "said_in_one_sentence",
    "say",
    "warn",
    "watched",
]

FAILED = 1
"""Exit code: jobs failed or were blocked; the rest is done."""

REFUSED = 2
"""Exit code: nothing could be done; the message says what to mend."""

_UNBOUNDED = 2000
"""Width of what goes to a file or a pipe: long cells stay on one line."""

_out = Console(
    soft_wrap=True, highlight=False, width=None if sys.stdout.isatty() else _UNBOUNDED
)
_err = Console(stderr=True, soft_wrap=True, highlight=False)

_OF_TYPER = (typer.Exit, typer.Abort, TyperException, BrokenPipeError)
"""Ends of a command that typer itself tells of."""

_COLOURS = {"FAILED": "red", "BLOCKED": "yellow", "SUCCEEDED": "green"}


def say(text: str = "") -> None:
    """Print a line."""
    _out.print(Text(to_plain(text)))


def warn(message: str) -> None:
    """Print what went wrong beside the work, which is done."""
    _err.print(Text.assemble(("warning:", "yellow"), " ", to_plain(message)))


def fail(message: str) -> NoReturn:
    """Print why nothing could be done, and exit."""
    _err.print(Text.assemble(("error:", "red"), " ", to_plain(message)))
    raise typer.Exit(REFUSED)


@contextmanager
def said_in_one_sentence() -> Iterator[None]:
    """Turn errors that a user can mend into a sentence and an exit code."""
    try:
        yield
    except (RewebbError, ConfigError, WorkerError) as error:
        fail(str(error))


class Told(AbstractContextManager[None]):
    """The border of the commands: an error that nobody knows is told in a sentence."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Tell of an error, and say where its traceback is."""
        if isinstance(error, Exception) and not isinstance(error, _OF_TYPER):
            fail(str(error if is_known(error) else to_bug(error)))


def print_json(record: Any) -> None:
    """Print a record, or a list of records, as JSON."""
    from pydantic_core import to_json  # only when it is wanted

    text = to_json(record, indent=1, ensure_ascii=True).decode()
    sys.stdout.write(text.replace("\x7f", "\\u007f") + "\n")


def print_rows(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table; nothing is cut off."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(_styled(str(cell)) for cell in row))
    with _out.capture() as printed:
        _out.print(table)
    for line in printed.get().splitlines():
        sys.stdout.write(line.rstrip() + "\n")


def print_summary(summary: "RunSummary") -> None:
    """Print what a run, or a dry run, came to."""
    print_rows(
        ("job", "state", "why"),
        [(job.key, job.state, job.why) for job in summary.jobs],
    )
    for title, lines in (("caveats", summary.caveats), ("notes", summary.notes)):
        if lines:
            say()
            say(f"{title}:")
        for line in lines:
            say(f"  {line}")
    counts = ", ".join(f"{count} {state}" for state, count in summary.counts.items())
    say()
    say(f"program {summary.program}, {summary.context}, {summary.recipe}: {counts}")


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who is told how far things are."""

    jobs: "Listener | None"
    """Told of every job."""
    files: "FetchListener"
    """Told of the bytes that come."""


@contextmanager
def watched(*, quiet: bool) -> Iterator[Listeners]:
    """Show the progress of a run or a fetch: live bars on a terminal, else lines."""
    if quiet:
        yield Listeners(None, lambda _: None)
        return
    if not _err.is_terminal:
        yield Listeners(_print_line, _print_tenths())
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
        yield Listeners(_make_job_bar(bars), _make_file_bar(bars))


def _make_job_bar(bars: Any) -> "Listener":
    bar = bars.add_task("jobs", total=None, amount="", visible=False)

    def show(progress: "Progress") -> None:
        counts = {str(state): count for state, count in progress.counts.items()}
        running = counts.get("RUNNING", 0)
        total = sum(counts.values())
        done = total - running - counts.get("DUE", 0)
        text = f"{running} running, {counts.get('FAILED', 0)} failed"
        bars.update(
            bar,
            total=total,
            completed=done,
            description=text,
            amount=f"{done}/{total}",
            visible=True,
        )
        if progress.state in {"FAILED", "BLOCKED"}:
            bars.console.print(_styled(f"{progress.state} {progress.key}"))

    return show


def _make_file_bar(bars: Any) -> "FetchListener":
    bar = bars.add_task("files", total=None, amount="", visible=False)

    def show(progress: "FileProgress") -> None:
        rate = bars.tasks[bar].speed or 0.0
        bars.update(
            bar,
            total=progress.total_bytes,
            completed=progress.done_bytes,
            description=f"fetched {progress.done} of {progress.total} files",
            amount=f"{_say_bytes(progress)}, {decimal(int(rate))}/s",
            visible=progress.done < progress.total,
        )

    return show


def _print_tenths() -> "FetchListener":
    """Print a line for every tenth of the bytes, with the rate since the begin."""
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


def _say_bytes(progress: "FileProgress") -> str:
    return f"{decimal(progress.done_bytes)} of {decimal(progress.total_bytes)}"


def _print_line(progress: Any) -> None:
    _err.print(Text(to_plain(f"{progress.state} {progress.key}")))


def _styled(text: str) -> Text:
    colour = _COLOURS.get(text.split(" ", maxsplit=1)[0], "")
    return Text(to_plain(text), style=colour)
