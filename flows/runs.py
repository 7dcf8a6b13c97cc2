"""A run from its lease to its published folder, recorded as it goes.

Only one run of a program is under way at a time. A run that died leaves its lease, rows
that say RUNNING and rubbish in scratch; the next run of the program clears all three.
"""

import getpass
import os
import platform
import socket
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path
from types import TracebackType

import psutil

from config.settings import Settings
from workers.contract import Job, Outcome
from workers.errors import TreeError
from workers.trees import remove_tree

from .crashes import is_known, to_bug
from .errors import StoreError
from .execution import Cluster, Listener, Orchestrator, to_run_job
from .factory import Services, open_local_cluster, open_services
from .logs import get_logger
from .models import JobState, Run, RunJob, RunState
from .names import check_program
from .phases import Preparation, Request
from .planning import Binder, Plan
from .provenance import ProvenanceStore
from .reports import RunSummary, name_run_folder, publish_run_folder, summarize
from .telling import Telling

__all__ = ["Recording", "execute", "hold_lease", "plan_only"]

_LEASE = timedelta(minutes=3)
"""How long a lease outlives an orchestrator of which nothing more is heard."""

_RENEW_S = 30.0

_FAREWELL_S = 1.0
"""How long a renewal that is under way may take once nobody needs it."""


@contextmanager
def hold_lease(
    services: Services,
    program: str,
    *,
    ttl: timedelta = _LEASE,
    renew_s: float = _RENEW_S,
) -> Iterator[str]:
    """Hold the lease of a program, and clear what a dead run of it has left.

    Parameters
    ----------
    ttl
        How long it outlives an orchestrator of which nothing more is heard.
    renew_s
        How often it is renewed.

    Yields
    ------
    str
        The owner, for renewals.

    Raises
    ------
    IdError
        It is not the id of a program.
    LeaseHeldError
        Another run of the program is under way.
    TreeError
        What a dead run has left is not in a folder of its own.
    """
    check_program(program)
    owner = str(uuid.uuid4())
    store = services.store
    store.acquire_lease(
        program,
        owner=owner,
        host=socket.gethostname(),
        pid=os.getpid(),
        ttl=ttl,
        now=datetime.now(UTC),
        is_alive=_is_alive,
    )
    with (
        _ending(lambda: store.release_lease(program, owner=owner)),
        _ending(lambda: _clear_scratch(services, program, owner)),
    ):
        store.interrupt_dead_runs(program, now=datetime.now(UTC))
        _clear_scratch(services, program, owner)
        with _renewing(store, program, owner, ttl=ttl, renew_s=renew_s):
            yield owner


@contextmanager
def _ending(work: Callable[[], object]) -> Iterator[None]:
    """Do something when the block is left, however that is.

    What goes wrong then is an error, unless it would hide the one that ended the
    block: that is what the user must see.
    """
    try:
        yield
    except BaseException:
        try:
            work()
        except (StoreError, TreeError) as error:
            get_logger().warning("ending.failed", message=str(error))
        raise
    work()


@contextmanager
def _renewing(
    store: ProvenanceStore, program: str, owner: str, *, ttl: timedelta, renew_s: float
) -> Iterator[None]:
    """Renew a lease while the block goes on: to find and to fetch may take hours.

    Whether it was lost is asked for where it matters, before anything is executed.
    """
    over = threading.Event()

    def renew() -> None:
        while not over.wait(renew_s):
            with suppress(StoreError):  # busy, or lost
                store.renew_lease(program, owner=owner, ttl=ttl, now=datetime.now(UTC))

    thread = threading.Thread(target=renew, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(_FAREWELL_S)  # it may be waiting for a database that is away


def _renew(store: ProvenanceStore, program: str, owner: str) -> None:
    store.renew_lease(program, owner=owner, ttl=_LEASE, now=datetime.now(UTC))


def _clear_scratch(services: Services, program: str, owner: str) -> None:
    """Remove what lost workers have left, unless somebody else took the lease."""
    lease = services.store.get_lease(program)
    if lease is not None and lease.owner == owner:
        scratch = services.data_dir / "scratch"
        remove_tree(scratch / program, below=scratch)


class Recording(AbstractContextManager[Run]):
    """The record of a run from its lease on, that tells whatever ends it.

    What is not executed yet may be found, fetched, resolved and planned in it; an
    error there is the end of the run, and is told in its record. One that nobody
    foresaw leaves as a `BugError` that says where its traceback is kept.
    """

    def __init__(self, services: Services, preparation: Preparation) -> None:
        self._services = services
        self._run = _make_run(preparation)

    def __enter__(self) -> Run:
        """Record that the run began."""
        self._services.store.start_run(self._run)
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
        if not isinstance(error, Exception):
            self._finish(RunState.CANCELLED, "stopped before its end")
        elif is_known(error):
            self._finish(RunState.FAILED, str(error))
        else:
            bug = to_bug(error, self._services.data_dir / "errors")
            self._finish(RunState.FAILED, str(bug))
            raise bug from error

    def _finish(self, state: RunState, message: str) -> None:
        store, run_id = self._services.store, self._run.id
        with suppress(StoreError):  # the error that ended the run is told first
            if store.get_run(run_id).state is RunState.RUNNING:
                store.finish_run(run_id, state, message, now=datetime.now(UTC))


def execute(
    preparation: Preparation,
    binder: Binder,
    *,
    run: Run,
    services: Services,
    cluster: Cluster,
    owner: str,
    listener: Listener,
) -> RunSummary:
    """Execute a plan, record it, and publish its folder.

    Parameters
    ----------
    run
        The run, whose record has begun.

    Raises
    ------
    LeaseHeldError
        Another run of the program has begun.
    PlanError
        The cluster went away; run again to go on.
    StoreError
        What was done cannot be recorded.
    """
    run = replace(run, context=_name_context(preparation))
    _renew(services.store, run.program, owner)
    log = get_logger(run=run.id, program=run.program)
    log.info("run.started", context=run.context, recipe=run.recipe_name)
    services.store.set_context(run.id, run.context)
    services.store.set_jobs(run.id, [to_run_job(e) for e in preparation.plan.entries])
    with Telling(listener, to="whoever watches the run") as tell:
        plan = Orchestrator(
            preparation.plan,
            binder=binder,
            cluster=cluster,
            recorder=_RunRecorder(services, run, owner),
            data_dir=services.data_dir,
            max_attempts=services.settings.max_attempts,
            listener=tell,
        ).run()
    state, message = _judge(plan)
    run = replace(run, state=state)
    summary = summarize(
        plan,
        run=run,
        folder=str(name_run_folder(run)),
        notes=_list_notes(preparation),
    )
    _publish(plan, summary, services)
    services.store.finish_run(run.id, state, message, now=datetime.now(UTC))
    log.info("run.finished", state=str(state), message=message)
    return summary


def plan_only(settings: Settings, request: Request) -> RunSummary:
    """Plan a program and stop there; nothing is recorded, made or changed.

    With a CRDS server the mappings and ``pars-*`` files that the cache lacks are
    fetched: without them there is nothing to tell.

    Raises
    ------
    RewebbError, ConfigError
        It cannot be planned.
    """
    with (
        open_services(settings, start_at=request.start_at, to_look=True) as services,
        tempfile.TemporaryDirectory(prefix="rewebb-plan-") as scratch,
    ):
        preparation = Preparation(services, request)
        preparation.find()
        preparation.associate()
        if preparation.list_remote():
            preparation.plan_unfetched()
        else:
            with open_local_cluster(settings, scratch=Path(scratch)) as cluster:
                _plan_fetched(preparation, cluster, services.settings)
    run = replace(_make_run(preparation), id="", state=_judge(preparation.plan)[0])
    notes = _list_notes(preparation)
    return summarize(preparation.plan, run=run, folder="", notes=notes)


def _plan_fetched(
    preparation: Preparation, cluster: Cluster, settings: Settings
) -> None:
    """Plan when the raw files are here, and perhaps the references."""
    if settings.crds_server_url is not None:
        due = preparation.prefetch(cluster, dry_run=True).due
        if due:
            preparation.plan_unfetched(due)
            return
    preparation.resolve(cluster)
    preparation.make_plan()


def _list_notes(preparation: Preparation) -> list[str]:
    """List exposures that are in no association, and refused files, with why."""
    inventory = preparation.inventory
    return [
        *preparation.notes,
        *inventory.unchecked,
        *inventory.refused,
        *inventory.withheld,
        *(file.reason for file in inventory.rejected),
        *map(str, preparation.associations.lacking),
        *(f"{e.name}: {e.reason}" for e in preparation.associations.unused),
    ]


class _RunRecorder:
    """Records what jobs of a run come to, and keeps its lease."""

    def __init__(self, services: Services, run: Run, owner: str) -> None:
        self._services = services
        self._run = run
        self._owner = owner
        self._renewed_s = time.monotonic()

    def record_outcome(self, outcome: Outcome) -> None:
        self._services.products.record(outcome, run_id=self._run.id)

    def record_jobs(self, jobs: Sequence[RunJob]) -> None:
        self._services.store.update_jobs(self._run.id, jobs)

    def make_room(self, job: Job) -> None:
        self._services.products.make_room(job)

    def keep_alive(self) -> None:
        if time.monotonic() - self._renewed_s > _RENEW_S:
            _renew(self._services.store, self._run.program, self._owner)
            self._renewed_s = time.monotonic()


def _make_run(preparation: Preparation) -> Run:
    request, recipe = preparation.request, preparation.recipe
    return Run(
        id=str(uuid.uuid4()),
        program=request.program,
        recipe_name=recipe.name,
        recipe_sha256=recipe.sha256,
        context=_name_context(preparation),
        environment=_describe_environment(),
        request={**asdict(request), "observations": list(request.observations)},
        requested_by=getpass.getuser(),
        started_at=datetime.now(UTC),
    )


def _name_context(preparation: Preparation) -> str:
    resolved = preparation.resolved
    return resolved.context if resolved else "not resolved"


def _describe_environment() -> dict[str, str]:
    packages = ("rewebb", "prefect", "distributed", "sqlalchemy", "crds")
    versions = {name: metadata.version(name) for name in packages}
    return versions | {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "host": socket.gethostname(),
    }


def _judge(plan: Plan) -> tuple[RunState, str]:
    failed = plan.count(JobState.FAILED)
    blocked = plan.count(JobState.BLOCKED)
    if failed or blocked:
        return RunState.FAILED, f"{failed} jobs failed and {blocked} were blocked"
    return RunState.SUCCEEDED, f"{len(plan.entries)} jobs are done"


def _publish(plan: Plan, summary: RunSummary, services: Services) -> None:
    try:
        publish_run_folder(plan, summary, data_dir=services.data_dir)
    except OSError as error:
        raise StoreError(
            f"The folder {summary.folder} of the run cannot be written: {error}; the "
            "products are in the store, run again for the folder."
        ) from error


def _is_alive(host: str, pid: int) -> bool:
    """Tell whether an orchestrator may be alive; of other hosts one cannot know."""
    if host != socket.gethostname():
        return True
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
