"""The record of a run in the database, from its lease on to whatever ends it."""

import getpass
import platform
import socket
import uuid
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from types import TracebackType

from config.recipe import Recipe
from workers.contract import Job, Outcome
from workers.installed import describe_environment, keep_environment

from ..crashes import is_known, to_bug
from ..errors import DatabaseError, DataFolderError, RunCancelledError
from ..factory import Services
from ..layout import ERRORS
from ..models.runs import Run, RunJob, RunState
from .lease import HeldLease
from .program import Request

__all__ = ["NOT_RESOLVED", "Recording", "RunRecorder", "make_run"]

NOT_RESOLVED = "not resolved"
"""What stands for the context of a run until that is known."""


def make_run(request: Request, recipe: Recipe) -> Run:
    """Make a run that begins now."""
    listed = {name: [*getattr(request, name)] for name in ("observations", "jobs")}
    return Run(
        id=str(uuid.uuid4()),
        program=request.program,
        recipe_name=recipe.name,
        recipe_sha256=recipe.sha256,
        recipe_text=recipe.text,
        context=NOT_RESOLVED,
        environment=_describe_environment(),
        request={**asdict(request), **listed},
        requested_by=getpass.getuser(),
        started_at=datetime.now(UTC),
        environment_sha256=describe_environment().sha256,
    )


class Recording(AbstractContextManager[Run]):
    """The record of a run from its lease on, with whatever ends it.

    What is not executed yet may be found, fetched, resolved and planned in it; an
    error there is the end of the run, and is in its record. One that nobody
    foresaw leaves as a `BugError` that says where its traceback is kept.

    Parameters
    ----------
    is_stopped
        Tells whether errors come from the end of the command, by Ctrl-C for instance.
    """

    def __init__(
        self,
        services: Services,
        run: Run,
        *,
        is_stopped: Callable[[], bool] | None = None,
    ) -> None:
        self._services = services
        self._run = run
        self._is_stopped = is_stopped or (lambda: False)

    def __enter__(self) -> Run:
        """Record that the run began."""
        keep_environment(self._services.data_dir)
        self._services.store.index_environment(self._run.environment_sha256)
        self._services.database.runs.start_run(self._run)
        return self._run

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Record what ended the run, unless that is recorded already."""
        if error is None:
            return
        if isinstance(error, RunCancelledError):
            self._finish(RunState.CANCELLED, str(error))
        elif not isinstance(error, Exception) or self._is_stopped():
            self._finish(RunState.CANCELLED, "stopped before its end")
        elif is_known(error):
            self._finish(RunState.FAILED, str(error))
        else:
            bug = to_bug(error, self._services.data_dir / ERRORS)
            self._finish(RunState.FAILED, str(bug))
            raise bug from error

    def _finish(self, state: RunState, message: str) -> None:
        database, run_id = self._services.database, self._run.id
        with suppress(
            DatabaseError, DataFolderError
        ):  # the error that ended the run matters more
            if database.runs.get_run(run_id).state is RunState.RUNNING:
                database.runs.finish_run(run_id, state, message, now=datetime.now(UTC))


class RunRecorder:
    """Records what jobs of a run come to, and keeps its lease."""

    def __init__(self, services: Services, run: Run, lease: HeldLease) -> None:
        self._services = services
        self._run = run
        self._lease = lease

    def record_outcome(self, outcome: Outcome) -> None:
        """Record an attempt."""
        self._services.store.record(outcome, run_id=self._run.id)

    def record_jobs(self, jobs: Sequence[RunJob]) -> None:
        """Record what jobs have come to."""
        self._services.database.runs.update_jobs(self._run.id, jobs)

    def make_room(self, job: Job) -> None:
        """Clear the place of a job's products of what is damaged."""
        self._services.store.make_room(job)

    def keep_alive(self) -> None:
        """Renew the lease of the program when it is time, unless it was cancelled."""
        self._lease.check()
        self._lease.renew_if_due()


def _describe_environment() -> dict[str, str]:
    packages = ("rewebb", "prefect", "distributed", "sqlalchemy", "crds")
    versions = {name: metadata.version(name) for name in packages}
    return versions | {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "host": socket.gethostname(),
    }
