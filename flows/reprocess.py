"""The Prefect flow `reprocess-program`: one flow run a program, a task a step.

Prefect schedules, cancels and shows; what a run is and did is in the database.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Failed
from pydantic import BeforeValidator, Field, WithJsonSchema
from structlog.contextvars import bound_contextvars

from config.errors import ConfigError
from config.policy import Policy
from config.recipe import load_recipe
from config.settings import Settings, load_settings
from workers.contract import Stage
from workers.errors import WorkerError

from .archive import FetchListener
from .errors import RewebbError, RunCancelledError
from .execution import Listener, Progress
from .logs import get_logger
from .models.runs import Run
from .names import OBSERVATION_ID, PROGRAM_ID
from .page import RunPage, open_page, prepare_logs, to_state
from .reports import RunSummary
from .run import ASKING, Planned, Request, Shared, run_program
from .stages import StartName
from .turns import take_turn

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


def _to_id(value: object) -> object:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if is_number else value


def _is_id(pattern: str, least: int) -> WithJsonSchema:
    """Describe an id, which is a string, or a number that it can be told from.

    Prefect's command line reads ``program=99002`` as a number. JSON has no zeros in
    front, so a number with fewer digits than an id is refused: it may be any.
    """
    number = {"type": "integer", "minimum": least, "maximum": 10 * least - 1}
    return WithJsonSchema({"anyOf": [{"type": "string", "pattern": pattern}, number]})


ProgramId = Annotated[
    str,
    BeforeValidator(_to_id),
    Field(pattern=f"^{PROGRAM_ID}$"),
    _is_id(f"^{PROGRAM_ID}$", 10_000),
]
"""Id of a program; Prefect refuses others before a flow run starts."""

ObservationId = Annotated[
    str,
    BeforeValidator(_to_id),
    Field(pattern=f"^{OBSERVATION_ID}$"),
    _is_id(f"^{OBSERVATION_ID}$", 100),
]
"""Id of an observation, likewise."""

_Value = TypeVar("_Value")

_REFUSED = (RewebbError, ConfigError, WorkerError)
"""Errors whose message says what to mend: nobody needs their traceback."""


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
    force: bool = False,
    only_stage: StartName | None = None,
    policy: Policy | None = None,
    cluster: str | None = None,
    basis: str | None = None,
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
    force
        Whether every change counts, whatever the policy of the settings.
    only_stage
        The only stage that is wanted, with what it needs; none means all.
    policy
        What of it is set goes before the policy of the settings.
    cluster
        Name of a cluster profile of the settings, instead of that which they name.
    basis
        What a watch saw before it asked for the run; kept in its record.

    Returns
    -------
    State
        Completed, with the summary of the run as data; Failed or Cancelled, with a
        sentence.
    """
    prepare_logs()
    try:
        settings = load_settings(archive=archive, data_dir=data_dir, cluster=cluster)
        settings.find_profile()  # they are refused before anything starts
        load_recipe(recipe)
        request = Request(
            program,
            tuple(observations or ()),
            recipe,
            context,
            allow_partial,
            Stage(start_at),
            tuple(jobs or ()),
            retries,
            basis,
            force=force,
            only_stage=Stage(only_stage) if only_stage else None,
            policy=policy.list_changes() if policy else {},
        )
        summary = _reprocess(settings, request)
    except _REFUSED as error:
        CALLER.get().on_end(error)
        return _to_state(error)
    CALLER.get().on_end(summary)
    return to_state(summary)


def _to_state(error: Exception) -> State[Any]:
    """Turn an error into a state that says it in a sentence, without a traceback."""
    end = Cancelled if isinstance(error, RunCancelledError) else Failed
    return end(message=str(error))


def _reprocess(settings: Settings, request: Request) -> RunSummary:
    caller = CALLER.get()
    with bound_contextvars(program=request.program), open_page(request.program) as page:
        summary = run_program(
            settings,
            request,
            watch=partial(_watch, page),
            on_file=caller.on_file,
            on_cluster=caller.on_cluster,
            step=partial(_take, settings),
            shared=caller.shared,
        )
        page.show_outcome(summary, settings.data_dir.absolute())
    return summary


def _take(settings: Settings, name: str, work: Callable[[], _Value]) -> _Value:
    """Make a task of a step; Prefect is given none of the values, so it keeps none.

    The engine calls no API for a task: its states are events, which a thread sends.
    """
    values: list[_Value] = []
    refused: list[Exception] = []
    caller = CALLER.get()
    ask = partial(_ask_in_turn, settings, work) if name in ASKING else work

    def take() -> State[Any] | None:
        try:
            values.append(caller.shared.take(name, ask) if caller.shared else ask())
        except _REFUSED as error:
            refused.append(error)
            return _to_state(error)
        return None

    caller.on_step(name)
    get_logger().info("step.started", step=name)
    task(name=name, cache_policy=NO_CACHE, persist_result=False)(take)(
        return_state=True
    )
    if refused:
        raise refused[0]
    return values[0]


def _ask_in_turn(settings: Settings, work: Callable[[], _Value]) -> _Value:
    with take_turn(settings):
        return work()


@contextmanager
def _watch(page: RunPage, run: Run, planned: Planned) -> Iterator[Listener]:
    """Show the progress of jobs on the page of the flow run, and to whoever listens."""
    states = Counter(entry.state for entry in planned.plan.entries)
    page.name_run(run.id, states.total())
    page.show_progress(states)  # reused jobs will not change
    on_job = CALLER.get().on_job

    def tell(progress: Progress) -> None:
        page.show_progress(progress.counts)
        on_job(progress)

    yield tell
