"""The page of a flow run in Prefect: tags, the log, progress, and what it came to.

It is told from a thread of its own, by a `Notifier`: the run goes on while Prefect's
server is away, and tells again when it is back.
"""

import logging
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from prefect.artifacts import (
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import LogCreate
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext, SyncClientContext
from prefect.exceptions import CancelledRun, FailedRun
from prefect.settings import (
    PREFECT_API_REQUEST_TIMEOUT,
    PREFECT_CLIENT_MAX_RETRIES,
    temporary_settings,
)
from prefect.states import Completed, Failed

from .layout import REPORT_NAME
from .logs import LOGGER
from .models.runs import UNFINISHED, JobState, RunState
from .notifier import Notifier
from .reports import RunSummary, tell_caveats

__all__ = ["RunPage", "open_page", "prepare_logs", "say_outcome", "to_state"]

_INTERVAL_S: Final = 5.0

_REQUEST_S: Final = 5.0
"""After which the server does not answer; it is asked again later."""

_LINES: Final = 200
"""Lines of the log that are sent together."""

_MOST_LINES: Final = 10_000
"""Lines that wait for a server that is away; older ones are left out."""


class RunPage:
    """What Prefect is told of a run.

    Parameters
    ----------
    program
        Five digits.
    flow_run
        Id of the flow run.
    tags
        Those that it has.
    """

    def __init__(self, program: str, *, flow_run: UUID, tags: Sequence[str]) -> None:
        self._program = program
        self._flow_run = flow_run
        self._tags = [*dict.fromkeys((*tags, f"program:{program}"))]
        self._tags_told: list[str] = []
        self._lines: deque[LogCreate] = deque(maxlen=_MOST_LINES)
        self._percent: float | None = None
        self._percent_told: float | None = None
        self._progress: UUID | None = None
        self._about = ""
        self._outcome: tuple[RunSummary, Path] | None = None
        self._tell = Notifier(self._send, to="Prefect", interval_s=_INTERVAL_S)

    @property
    def notifier(self) -> "Notifier[None]":
        """Who tells it, from a thread of its own."""
        return self._tell

    def log(self, record: logging.LogRecord) -> None:
        """Add a line to the log of the flow run."""
        line = LogCreate(
            name=record.name,
            level=record.levelno,
            message=record.getMessage().encode(errors="replace").decode(),
            timestamp=datetime.fromtimestamp(record.created, UTC),
            flow_run_id=self._flow_run,
        )
        self._lines.append(line)
        self._tell(None)

    def name_run(self, run: str, jobs: int) -> None:
        """Say which run it is, and of how many jobs."""
        self._tags.append(f"run:{run}")
        self._about = f"run {run}: {jobs} jobs"
        self._tell(None)

    def show_progress(self, counts: Mapping[JobState, int]) -> None:
        """Show how many jobs are over."""
        total = sum(counts.values())
        left = sum(counts.get(state, 0) for state in UNFINISHED)
        self._percent = 100.0 * (total - left) / total if total else 100.0
        self._tell(None)

    def show_outcome(self, summary: RunSummary, data_dir: Path) -> None:
        """Show what the run came to, below its data folder."""
        self._percent, self._outcome = 100.0, (summary, data_dir)
        self._tell(None)

    def _send(self, _: None) -> None:
        """Tell the server what it does not know yet, with a client of this thread."""
        brief = {PREFECT_API_REQUEST_TIMEOUT: _REQUEST_S, PREFECT_CLIENT_MAX_RETRIES: 0}
        with temporary_settings(brief), SyncClientContext() as opened:
            self._send_tags(opened.client)
            self._send_lines(opened.client)
            self._send_progress()
            self._send_outcome()

    def _send_tags(self, client: SyncPrefectClient) -> None:
        tags = [*self._tags]
        if tags != self._tags_told:
            client.update_flow_run(self._flow_run, tags=tags)
            self._tags_told = tags

    def _send_lines(self, client: SyncPrefectClient) -> None:
        while lines := [self._lines[n] for n in range(min(_LINES, len(self._lines)))]:
            client.create_logs(lines)
            for _ in lines:
                self._lines.popleft()

    def _send_progress(self) -> None:
        percent = self._percent
        if percent is None or percent == self._percent_told:
            return
        if self._progress is None:
            key = f"jobs-{self._program}"
            made = create_progress_artifact(percent, key=key, description=self._about)
            assert isinstance(made, UUID)
            self._progress = made
        else:
            update_progress_artifact(self._progress, percent)
        self._percent_told = percent

    def _send_outcome(self) -> None:
        if self._outcome is None:
            return
        summary, data_dir = self._outcome
        create_table_artifact(
            table=[
                {
                    "job": job.key,
                    "state": str(job.state),
                    "why": job.why,
                    "caveats": "; ".join(tell_caveats(job.key, job.caveats)),
                }
                for job in summary.jobs
            ],
            key=f"outcome-{self._program}",
            description=_describe(summary, data_dir),
        )
        self._outcome = None


@contextmanager
def open_page(program: str) -> Iterator[RunPage]:
    """Open the page of the flow run that this is; the log of this thread goes there."""
    context = FlowRunContext.get()
    flow_run = context.flow_run if context else None
    assert flow_run is not None, "this is no flow run"
    page = RunPage(program, flow_run=flow_run.id, tags=flow_run.tags)
    token = _PAGE.set(page)
    try:
        with page.notifier:
            yield page
    finally:
        _PAGE.reset(token)


def say_outcome(summary: RunSummary) -> str:
    """Say what a run came to, in one sentence."""
    counts = ", ".join(f"{n} {state}" for state, n in summary.counts.items())
    return f"program {summary.program} in {summary.context}: {counts}"


def to_state(summary: RunSummary) -> State[dict[str, Any]]:
    """Turn what a run came to into a state; automations go by its name.

    That is ``Caveats`` of a success with caveats, and ``Blocked`` where nothing failed,
    but jobs cannot be done; else that of its type.
    """
    said = say_outcome(summary)
    if summary.state is RunState.SUCCEEDED:
        name = "Caveats" if summary.caveats else None
        return Completed(name=name, message=said, data=asdict(summary))
    name = None if summary.counts.get(JobState.FAILED) else "Blocked"
    return Failed(name=name, message=said)  # data would have to be an exception


def _describe(summary: RunSummary, data_dir: Path) -> str:
    """Describe a run as Markdown."""
    where = f"products in `{data_dir / summary.folder}`"
    run = f"Run `{summary.run}`, recipe `{summary.recipe}`, {where}."
    parts = [f"{say_outcome(summary)}.", run]
    report = data_dir / summary.folder / REPORT_NAME
    how = f"`{report}`" if report.is_file() else f"`rewebb report {summary.run[:8]}`"
    parts.append(f"Report, in pictures: {how}.")
    for title, lines in (("Caveats", summary.caveats), ("Notes", summary.notes)):
        if lines:
            parts.append("\n".join((f"{title}:", "", *(f"- {one}" for one in lines))))
    return "\n\n".join(parts)


_PAGE: ContextVar[RunPage | None] = ContextVar("_PAGE", default=None)
"""The page of the run of this thread."""


class _Passing(logging.Handler):
    """Passes lines on to the page of a run, and what is loud enough to the terminal.

    The terminal is asked as if our logger had no level of its own.
    """

    def emit(self, record: logging.LogRecord) -> None:
        page, root = _PAGE.get(), logging.getLogger()
        if page is not None:
            page.log(record)
        if root.isEnabledFor(record.levelno):
            root.handle(record)


class _Sentence(logging.Filter):
    """Takes tracebacks out of what Prefect logs of an end that is a sentence.

    Prefect raises the states `Failed` and `Cancelled` that a flow returns, and logs
    that as unforeseen.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Leave out what was logged as the end of the flow run before."""
        kind = record.exc_info[0] if record.exc_info else None
        if kind is None:
            record.exc_info = None
            return True
        return not issubclass(kind, FailedRun | CancelledRun)


_OF_PREFECT: Final = ("prefect.flow_runs", "prefect.task_runs", "prefect.engine")
"""Loggers of Prefect that tell of ends."""


def prepare_logs() -> None:
    """Let our lines go to the pages of runs, and ends be told in sentences.

    It is called by each flow, and does something once in the life of a process.
    """
    logger = logging.getLogger(LOGGER)
    if any(isinstance(handler, _Passing) for handler in logger.handlers):
        return
    logger.addHandler(_Passing())
    logger.setLevel(logging.INFO)
    logger.propagate = False
    for name in _OF_PREFECT:
        logging.getLogger(name).addFilter(_Sentence())
