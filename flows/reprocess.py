"""The Prefect flow `reprocess-program`: one flow run a program, a task a phase.

Prefect schedules, cancels and shows; what a run is and did is in the database.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from contextvars import ContextVar
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal, cast
from uuid import UUID

from prefect import flow, task
from prefect.artifacts import (
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from pydantic import Field

from config.settings import Settings, load_settings
from workers.contract import Stage

from .archive import FetchListener
from .execution import Listener, Progress
from .factory import open_local_cluster, open_services
from .models import JobState, RunState
from .names import OBSERVATION_ID, PROGRAM_ID
from .phases import Preparation, Request
from .reports import RunSummary
from .runs import Recording, execute, hold_lease

__all__ = ["FETCH_LISTENER", "LISTENER", "reprocess_program"]

LISTENER: ContextVar[Listener | None] = ContextVar("LISTENER", default=None)
"""Who else is told of progress: the terminal, when a person started the flow."""

FETCH_LISTENER: ContextVar[FetchListener] = ContextVar(
    "FETCH_LISTENER", default=lambda _: None
)
"""Who is told of the files that come."""

ProgramId = Annotated[str, Field(pattern=f"^{PROGRAM_ID}$")]
"""Id of a program; Prefect refuses others before a flow run starts."""

ObservationId = Annotated[str, Field(pattern=f"^{OBSERVATION_ID}$")]
"""Id of an observation, likewise."""

_ARTIFACT_INTERVAL_S = 5.0

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
    start_at: Literal["detector1", "spec2", "spec3"] = "detector1",
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

    Returns
    -------
    State
        Completed or Failed, with the summary of the run as data.
    """
    settings = load_settings(archive=archive, data_dir=data_dir)
    request = Request(
        program,
        tuple(observations or ()),
        recipe,
        context,
        allow_partial,
        Stage(start_at),
    )
    summary = _reprocess(settings, request)
    data = asdict(summary)
    if summary.state is RunState.SUCCEEDED:
        return Completed(message=_sentence(summary), data=data)
    return Failed(message=_sentence(summary), data=data)


def _reprocess(settings: Settings, request: Request) -> RunSummary:
    with ExitStack() as stack:
        services = stack.enter_context(
            open_services(settings, start_at=request.start_at)
        )
        owner = stack.enter_context(hold_lease(services, request.program))
        preparation = Preparation(services, request)
        run = stack.enter_context(Recording(services, preparation))
        _phase("find", preparation.find)()
        _phase("associate", preparation.associate)()
        _phase("fetch", lambda: preparation.fetch(FETCH_LISTENER.get()))()
        cluster = stack.enter_context(open_local_cluster(settings))
        if services.settings.crds_server_url is not None:
            _phase("prefetch", lambda: preparation.prefetch(cluster))()
        _phase("resolve", lambda: preparation.resolve(cluster))()
        binder = _phase("plan", preparation.make_plan)()
        summary: RunSummary = _phase(
            "execute",
            lambda: execute(
                preparation,
                binder,
                run=run,
                services=services,
                cluster=cluster,
                owner=owner,
                listener=_Announcer(len(preparation.plan.entries)),
            ),
        )()
        _phase("report", lambda: _report(summary))()
        return summary


def _phase(name: str, work: Callable[[], Any]) -> Callable[[], Any]:
    """Make a task of a phase; its work goes through no parameter, so none is kept."""
    phase: Callable[[], Any] = task(
        name=name, cache_policy=NO_CACHE, persist_result=False
    )(work)
    return phase


class _Announcer:
    """Tells the run page of Prefect, now and then, and the terminal each time."""

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._artifact = cast(
            "UUID",
            create_progress_artifact(0.0, key="jobs", description=f"{jobs} jobs"),
        )
        self._told_s = 0.0

    def __call__(self, progress: Progress) -> None:
        listener = LISTENER.get()
        if listener is not None:
            listener(progress)
        over = sum(progress.counts.get(state, 0) for state in _OVER)
        now_s = time.monotonic()
        if now_s - self._told_s > _ARTIFACT_INTERVAL_S or over == self._jobs:
            update_progress_artifact(self._artifact, 100.0 * over / self._jobs)
            self._told_s = now_s


def _report(summary: RunSummary) -> None:
    table = [
        {"job": job.key, "state": str(job.state), "why": job.why}
        for job in summary.jobs
    ]
    create_table_artifact(table=table, key="outcome", description=_sentence(summary))


def _sentence(summary: RunSummary) -> str:
    counts = ", ".join(f"{n} {state}" for state, n in summary.counts.items())
    return f"program {summary.program} in {summary.context}: {counts}"
