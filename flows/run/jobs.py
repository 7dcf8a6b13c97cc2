"""The jobs of a run: planned, executed and reported."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from rich.filesize import decimal

from config.costs import Costs, load_costs
from config.policy import Policy

from ..advice import Advice
from ..errors import DataFolderError
from ..execution import Cluster, Listener, Orchestrator, to_run_job
from ..factory import Services
from ..layout import get_run_folder
from ..logs import get_logger
from ..models.runs import JobState, Run, RunState
from ..notifier import Notifier
from ..planning import (
    IFU,
    Binder,
    Limits,
    Plan,
    PlanEntry,
    build_plan,
    count_workload,
    estimate,
)
from ..reports import Changed, RunSummary, publish_run_folder, summarize, tell_kept
from .advising import advise_resolved
from .graph import Drawn
from .lease import HeldLease
from .record import NOT_RESOLVED, RunRecorder
from .resolution import ResolvedGraph

__all__ = [
    "Executed",
    "Planned",
    "execute",
    "expect",
    "judge",
    "make_binder",
    "make_plan",
    "plan_unfetched",
    "report",
]


@dataclass(frozen=True, slots=True)
class Planned:
    """What a run is going to do."""

    plan: Plan
    """The jobs, and why they are due."""
    binder: Binder | None
    """Decides on jobs as the run goes on; None while files are still to be fetched."""
    context: str
    """CRDS context."""
    notes: tuple[str, ...]
    """What a scientist must know of the run, and of what it leaves out."""
    advice: tuple[Advice, ...] = ()
    """The known issues that apply to its exposures."""
    download_bytes: int = 0
    """Size of the files that are to be fetched first."""


@dataclass(frozen=True, slots=True)
class Executed:
    """What a run has done."""

    run: Run
    """The run, in its context."""
    plan: Plan
    """The jobs, and what they came to."""
    notes: tuple[str, ...]
    """As planned."""
    advice: tuple[Advice, ...] = ()
    """Likewise."""
    changed: Changed | None = None
    """How what was made differs from what was there before; None if nothing was."""


def make_plan(
    resolved: ResolvedGraph,
    services: Services,
    open_cluster: Callable[[], Cluster] | None = None,
) -> Planned:
    """Plan what is due; see `make_binder`.

    Raises
    ------
    SettingsError
        The costs of the site cannot be read.
    """
    drawn = resolved.drawn
    binder = make_binder(resolved, services, open_cluster)
    plan = build_plan(drawn.graph, binder)
    return Planned(
        plan,
        binder,
        context=resolved.resolved.context,
        notes=(*drawn.notes, *drawn.unused),
        advice=advise_resolved(resolved),
    )


def make_binder(
    resolved: ResolvedGraph,
    services: Services,
    open_cluster: Callable[[], Cluster] | None = None,
) -> Binder:
    """Make what decides on jobs.

    Parameters
    ----------
    open_cluster
        Opens the cluster once a job is due: what needs more memory than its largest
        node has cannot run. None does not ask.

    Raises
    ------
    SettingsError
        The costs of the site cannot be read.
    """
    drawn, settings = resolved.drawn, services.settings
    return Binder(
        resolved.resolved,
        data_dir=services.data_dir,
        find_done=services.store.find_done,
        expect=services.store.expect,
        history=services.database.jobs,
        costs=load_costs(settings.costs_file),
        limits=Limits(
            settings.most_voxels,
            open_cluster and (lambda: open_cluster().get_largest_bytes()),
        ),
        allow_partial=drawn.allow_partial,
        policy=Policy.rerun_all()
        if drawn.force
        else settings.policy.refine(drawn.policy),
    )


def plan_unfetched(drawn: Drawn, costs: Costs) -> Planned:
    """Plan as far as one can while files are not here: every job is due."""
    sizes = [e.size_bytes for e in drawn.remote] + [f.size_bytes for f in drawn.due]
    why = f"{len(sizes)} files, {decimal(sum(sizes))}, are to be fetched first"
    entries = tuple(
        PlanEntry(job, JobState.FAILED, job.defect)
        if job.defect
        else expect(PlanEntry(job, JobState.DUE, why), costs)
        for job in drawn.graph
    )
    notes = (*drawn.notes, *drawn.unused)
    if any(job.exposure.exp_type in IFU for job in drawn.graph):
        notes = (*notes, "costs leave out the cubes of the IFU, until files are here")
    return Planned(Plan(entries), None, NOT_RESOLVED, notes, download_bytes=sum(sizes))


def expect(entry: PlanEntry, costs: Costs) -> PlanEntry:
    """Say what a job is expected to take, as far as headers tell."""
    planned = entry.planned
    expected = estimate(
        costs,
        planned.stage,
        exp_type=planned.exposure.exp_type,
        workload=count_workload(planned, None),
    )
    return replace(
        entry,
        estimate_bytes=expected.grant_bytes,
        expected_s=expected.cpu_s,
        disk_bytes=expected.disk_bytes,
    )


def execute(
    planned: Planned,
    *,
    run: Run,
    services: Services,
    open_cluster: Callable[[], Cluster],
    lease: HeldLease,
    listener: Listener,
) -> Executed:
    """Execute a plan, and record what its jobs come to.

    The cluster is opened if anything is due.

    Raises
    ------
    LeaseHeldError
        Another run of the program has begun.
    PlanError
        The cluster went away; run again to go on.
    DatabaseError
        What was done cannot be recorded.
    """
    assert planned.binder is not None, "files are to be fetched first"
    run = replace(run, context=planned.context)
    lease.renew()
    log = get_logger(run=run.id, program=run.program)
    log.info("run.started", context=run.context, recipe=run.recipe_name)
    services.database.runs.set_context(run.id, run.context)
    services.database.runs.set_jobs(
        run.id, [to_run_job(e) for e in planned.plan.entries]
    )
    if not planned.plan.count(JobState.DUE):
        return Executed(run, planned.plan, planned.notes, planned.advice)
    cluster = open_cluster()
    with Notifier(listener, to="whoever watches the run") as tell:
        plan = Orchestrator(
            planned.plan,
            binder=planned.binder,
            cluster=cluster,
            recorder=RunRecorder(services, run, lease),
            data_dir=services.data_dir,
            max_attempts=services.settings.max_attempts,
            stall_s=60 * services.settings.stall_minutes,
            listener=tell,
            faults=services.settings.faults,
        ).run()
    return Executed(run, plan, planned.notes, planned.advice)


def report(executed: Executed, services: Services) -> RunSummary:
    """Publish the folder of a run, and record its end.

    Raises
    ------
    DataFolderError
        The folder cannot be written.
    DatabaseError
        The end cannot be recorded.
    """
    plan = executed.plan
    state, message = judge(plan)
    run = replace(executed.run, state=state)
    folder = str(get_run_folder(run))
    notes = (*executed.notes, *tell_kept(plan))
    summary = summarize(
        plan, run=run, folder=folder, notes=notes, advice=executed.advice
    )
    try:
        publish_run_folder(
            plan, summary, changed=executed.changed, data_dir=services.data_dir
        )
    except OSError as error:
        raise DataFolderError(
            f"The folder {summary.folder} of the run cannot be written: {error}; the "
            "products are in the store, run again for the folder."
        ) from error
    services.database.runs.set_notes(run.id, notes)
    services.database.runs.finish_run(run.id, state, message, now=datetime.now(UTC))
    log = get_logger(run=run.id, program=run.program)
    log.info("run.finished", state=str(state), message=message)
    return summary


def judge(plan: Plan) -> tuple[RunState, str]:
    """Return the state of a run whose jobs ended so, and a sentence on it."""
    failed = plan.count(JobState.FAILED)
    blocked = plan.count(JobState.BLOCKED)
    if failed or blocked:
        return RunState.FAILED, f"{failed} jobs failed and {blocked} were blocked"
    return RunState.SUCCEEDED, f"{len(plan.entries)} jobs are done"
