"""The Prefect flow `reprocess-program`: one flow run a program, a task a step.

Prefect schedules, cancels and shows; what a run is and did is in the database.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast
from uuid import UUID

from prefect import flow, task
from prefect.artifacts import (
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.context import SyncClientContext
from prefect.settings import (
    PREFECT_API_REQUEST_TIMEOUT,
    PREFECT_CLIENT_MAX_RETRIES,
    temporary_settings,
)
from prefect.states import Cancelled, Completed, Failed
from pydantic import Field
from structlog.contextvars import bound_contextvars

from config.errors import ConfigError
from config.settings import Settings, load_settings
from workers.contract import Stage
from workers.errors import WorkerError

from .archive import FetchListener
from .errors import RewebbError, RunCancelledError
from .execution import Listener, Progress
from .models.runs import JobState, RunState
from .names import OBSERVATION_ID, PROGRAM_ID
from .notifier import Notifier
from .reports import RunSummary
from .run import Planned, Request, Shared, run_program
from .stages import StartName

__all__ = ["CALLER", "Caller", "ObservationId", "ProgramId", "reprocess_program"]


def _ignore(_: object) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Caller:
    """What the command that calls the flow is told, and what its runs share."""

    on_job: Listener = _ignore
    """Told how far the jobs are."""
    on_file: FetchListener = _ignore
    """Told of the files that come."""
    on_cluster: Callable[[str], object] = _ignore
    """Told that the cluster waits for workers, and that they are there."""
    on_step: Callable[[str], object] = _ignore
    """Told of each step before it is taken."""
    on_end: Callable[[RunSummary | Exception], object] = _ignore
    """Given the end of the run, even if Prefect is away."""
    shared: Shared | None = None
    """What the run shares with those of other programs."""


_NOBODY = Caller()

CALLER: ContextVar[Caller] = ContextVar("CALLER", default=_NOBODY)
"""The command that calls the flow, if a command does."""

ProgramId = Annotated[str, Field(pattern=f"^{PROGRAM_ID}$")]
"""Id of a program; Prefect refuses others before a flow run starts."""

ObservationId = Annotated[str, Field(pattern=f"^{OBSERVATION_ID}$")]
"""Id of an observation, likewise."""

_Value = TypeVar("_Value")

_INTERVAL_S = 5.0

_REQUEST_S = 5.0
"""After which the server does not answer; it is asked again later."""

_OVER = frozenset(JobState) - {JobState.DUE, JobState.RUNNING}


@flow(name="reprocess-program", flow_run_name="reprocess-{program}")
def reprocess_program(
    program: ProgramId,
    observations: list[ObservationId] | None = None,
    recipe: str = "official",
    *,
    context: str | None = None,
    archive: str | None = None,
    data_dir: Path | None = None,
    allow_partial: bool = False,
    start_at: StartName = "detector1",
    jobs: list[str] | None = None,
    retries: str | None = None,
    cluster: str | None = None,
) -> State[dict[str, Any]]:
    """Reprocess a program: find, associate, fetch, resolve, plan, execute, report.

    Parameters
    ----------
    program
        Five digits, as a string.
    observations
        Three digits each; none means all.
    recipe
        Name of a packaged recipe, or path of a TOML file.
    context
        CRDS context; by default that of the settings, else the operational one.
    archive, data_dir
        Instead of those of the settings.
    allow_partial
        Go on without members whose jobs failed; a caveat of all that lacks them.
    start_at
        Stage to start at; what earlier ones make is in the archive, a folder.
    jobs
        Keys of the only jobs that are wanted, with what they need; none means all.
    retries
        Id of the run of which these jobs are tried again.
    cluster
        Name of a cluster profile of the settings, instead of that which they name.

    Returns
    -------
    State
        Completed or Failed, with the summary of the run as data; or Cancelled.
    """
    settings = load_settings(archive=archive, data_dir=data_dir, cluster=cluster)
    request = Request(
        program,
        tuple(observations or ()),
        recipe,
        context,
        allow_partial,
        Stage(start_at),
        tuple(jobs or ()),
        retries,
    )
    try:
        summary = _reprocess(settings, request)
    except RunCancelledError as error:
        CALLER.get().on_end(error)
        return Cancelled(message=str(error))
    except (RewebbError, ConfigError, WorkerError) as error:
        CALLER.get().on_end(error)
        raise
    CALLER.get().on_end(summary)
    data = asdict(summary)
    if summary.state is RunState.SUCCEEDED:
        return Completed(message=_sentence(summary), data=data)
    return Failed(message=_sentence(summary), data=data)


def _reprocess(settings: Settings, request: Request) -> RunSummary:
    caller = CALLER.get()
    with bound_contextvars(program=request.program):
        summary = run_program(
            settings,
            request,
            watch=_watch,
            on_file=caller.on_file,
            on_cluster=caller.on_cluster,
            step=_take,
            shared=caller.shared,
        )
    with Notifier(_show_outcome, to="Prefect", interval_s=_INTERVAL_S) as tell:
        tell(summary)
    return summary


def _take(name: str, work: Callable[[], _Value]) -> _Value:
    """Make a task of a step; Prefect is given none of the values, so it keeps none.

    The engine calls no API for a task: its states are events, which a thread sends.
    """
    values: list[_Value] = []
    caller = CALLER.get()

    def take() -> None:
        values.append(caller.shared.take(name, work) if caller.shared else work())

    caller.on_step(name)

    task(name=name, cache_policy=NO_CACHE, persist_result=False)(take)()
    return values[0]


@contextmanager
def _watch(planned: Planned) -> Iterator[Listener]:
    """Show the progress of jobs on the page of the flow run, and to whoever listens."""
    states = Counter(entry.state for entry in planned.plan.entries)
    page = _RunPage(states.total())
    with Notifier(page.show, to="Prefect", interval_s=_INTERVAL_S) as tell_page:
        tell_page(states)  # reused jobs will not change
        yield _tell_both(tell_page, CALLER.get().on_job)


def _tell_both(
    page: Callable[[Mapping[JobState, int]], None], other: Listener
) -> Listener:
    def tell(progress: Progress) -> None:
        page(progress.counts)
        other(progress)

    return tell


class _RunPage:
    """What Prefect shows of a run; its server may be away, see `Notifier`."""

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._artifact: UUID | None = None

    def show(self, counts: Mapping[JobState, int]) -> None:
        over = sum(counts.get(state, 0) for state in _OVER)
        percent = 100.0 * over / self._jobs
        with _asking_briefly():
            if self._artifact is None:
                said = f"{self._jobs} jobs"
                made = create_progress_artifact(percent, key="jobs", description=said)
                self._artifact = cast("UUID", made)
            else:
                update_progress_artifact(self._artifact, percent)


def _show_outcome(summary: RunSummary) -> None:
    table = [
        {"job": job.key, "state": str(job.state), "why": job.why}
        for job in summary.jobs
    ]
    said = _sentence(summary)
    with _asking_briefly():
        create_table_artifact(table=table, key="outcome", description=said)


@contextmanager
def _asking_briefly() -> Iterator[None]:
    """Ask the server once, with a client of this thread: `Notifier` asks again."""
    brief = {PREFECT_API_REQUEST_TIMEOUT: _REQUEST_S, PREFECT_CLIENT_MAX_RETRIES: 0}
    with temporary_settings(brief), SyncClientContext():
        yield


def _sentence(summary: RunSummary) -> str:
    counts = ", ".join(f"{n} {state}" for state, n in summary.counts.items())
    return f"program {summary.program} in {summary.context}: {counts}"
