"""The order of a run, which stands here alone."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Protocol, TypeVar

from config.clusters import LocalProfile
from config.costs import load_costs
from config.recipe import Recipe, load_recipe
from config.settings import Settings
from workers.contract import CodeSpecs

from ..archive import Archive, FetchListener
from ..execution import Cluster, Listener
from ..factory import (
    Services,
    make_archive,
    open_configured_cluster,
    open_database,
    open_services,
)
from ..models.runs import JobState, Run
from ..planning import sum_costs
from ..reports import RunSummary, summarize, tell_kept
from .advising import Advised, advise_drawn, advise_found, find_making
from .comparing import compare_executed
from .graph import Drawn, draw, fetch
from .jobs import Planned, execute, judge, make_plan, plan_unfetched, report
from .lease import hold_lease
from .measuring import measure_executed
from .picturing import draw_executed, write_report
from .program import Request, associate, find, find_brought
from .record import Recording, make_run
from .resolution import prefetch, resolve
from .shared import Shared
from .specs import ask_specs, check_recipe, find_specs
from .staleness import RecordedProgram, StaleProgram, judge_drawn

__all__ = [
    "Step",
    "advise_only",
    "judge_only",
    "plan_only",
    "prepare",
    "run_program",
]

_Value = TypeVar("_Value")


class Step(Protocol):
    """Takes a step of a run; `flows.reprocess` makes a task of it."""

    def __call__(self, name: str, work: Callable[[], _Value]) -> _Value:
        """Take the step, and give its value."""
        ...


def _take(name: str, work: Callable[[], _Value]) -> _Value:  # noqa: ARG001  # a `Step`
    return work()


def run_program(
    settings: Settings,
    request: Request,
    *,
    watch: Callable[[Run, Planned], AbstractContextManager[Listener]],
    on_file: FetchListener = lambda _: None,
    on_cluster: Callable[[str], object] = lambda _: None,
    step: Step = _take,
    shared: Shared | None = None,
) -> RunSummary:
    """Reprocess a program; all that happens under its lease is in its record.

    Parameters
    ----------
    watch
        Opened with the run when the plan is made; gives the listener of the progress
        of jobs.
    on_cluster
        Told, in one line, that the cluster waits for workers, and that they are there.
    shared
        What it shares with the runs of other programs; None for a cluster of its own.

    Raises
    ------
    RewebbError, ConfigError, WorkerError
        Nothing could be done, or no more.
    """
    with ExitStack() as stack:
        if shared is not None:
            shared.join(stack)
        services = stack.enter_context(
            open_services(settings, start_at=request.start_at)
        )
        lease = stack.enter_context(hold_lease(services, request.program))
        recipe = load_recipe(request.recipe)
        run = make_run(request, recipe)
        is_stopped = shared.is_over if shared else None
        stack.enter_context(Recording(services, run, is_stopped=is_stopped))

        def take(name: str, work: Callable[[], _Value]) -> _Value:
            lease.check()
            return step(name, work)

        @cache
        def open_cluster() -> Cluster:
            opened = (
                shared.open_cluster()
                if shared is not None
                else open_configured_cluster(settings, tell=on_cluster)
            )
            cluster: Cluster = stack.enter_context(opened)
            cluster.heed(lease.check)
            return cluster

        get_specs = _specs_of(services, open_cluster, keep=True)
        drawn = prepare(
            request,
            recipe,
            services.archive,
            data_dir=services.data_dir,
            get_specs=get_specs,
            step=take,
        )
        drawn = take("fetch", partial(fetch, drawn, services.archive, on_file))
        services.database.exposures.remember(drawn.known)
        planned = _plan(drawn, services, open_cluster, step=take)
        work = partial(
            execute,
            planned,
            run=run,
            services=services,
            open_cluster=open_cluster,
            lease=lease,
        )
        with watch(run, planned) as listener:
            executed = take("execute", partial(work, listener=listener))
            if settings.measure:
                measure = partial(measure_executed, executed, services, open_cluster)
                executed = take("measure", measure)
            if settings.compare:
                compare = partial(compare_executed, executed, services, open_cluster)
                executed = take("compare", compare)
            if settings.pictures:
                draw_all = partial(draw_executed, executed, services, open_cluster)
                executed = take("picture", draw_all)
            summary = take("report", partial(report, executed, services))
            if settings.pictures:
                write_report(summary.run, services)
            return summary


def plan_only(
    settings: Settings,
    request: Request,
    *,
    slots: int | None = None,
    step: Step = _take,
    shared: Shared | None = None,
) -> RunSummary:
    """Plan a program and stop there; nothing is recorded, made or changed.

    With a CRDS server the mappings and ``pars-*`` files that the cache lacks are
    fetched: without them there is nothing to tell.

    Parameters
    ----------
    slots
        Jobs at a time that the wall time is for; None for those of the cluster.
    step
        Takes each step.
    shared
        What it shares with the plans of other programs.

    Raises
    ------
    RewebbError, ConfigError
        It cannot be planned.
    """
    with ExitStack() as stack:
        services = stack.enter_context(
            open_services(settings, start_at=request.start_at, read_only=True)
        )
        recipe = load_recipe(request.recipe)
        run = make_run(request, recipe)

        @cache
        def open_cluster() -> Cluster:
            opener = shared or stack.enter_context(Shared(settings, read_only=True))
            return stack.enter_context(opener.open_cluster())

        get_specs = _specs_of(services, open_cluster)
        drawn = prepare(
            request,
            recipe,
            services.archive,
            data_dir=services.data_dir,
            get_specs=get_specs,
            step=step,
        )
        if drawn.remote:
            planned = _plan_unfetched(drawn, services)
        else:
            planned = _plan(drawn, services, open_cluster, step=step, dry_run=True)
            if planned.plan.count(JobState.DUE):
                slots = slots or open_cluster().get_slots_to_come()
        slots = slots or settings.slots or len(os.sched_getaffinity(0))
    state, _ = judge(planned.plan)
    run = replace(run, id="", context=planned.context, state=state)
    return summarize(
        planned.plan,
        run=run,
        folder="",
        notes=(*planned.notes, *tell_kept(planned.plan)),
        advice=planned.advice,
        cost=sum_costs(
            planned.plan, slots=slots, download_bytes=planned.download_bytes
        ),
    )


def judge_only(
    settings: Settings,
    recorded: RecordedProgram,
    *,
    jwst: str | None = None,
    slots: int | None = None,
    step: Step = _take,
    shared: Shared | None = None,
) -> StaleProgram:
    """Judge what is recorded of a program; nothing is recorded, made or changed.

    Neither raw files nor references are fetched: what cannot be compared without them
    says so.

    Parameters
    ----------
    jwst
        Version of jwst to judge for; None for that of the workers. Its parameters and
        references are taken to be those of the workers' version.
    slots
        Jobs at a time that the wall time is for; None for those of the cluster.

    Raises
    ------
    RewebbError, ConfigError
        It cannot be judged.
    """
    request = recorded.request
    with ExitStack() as stack:
        services = stack.enter_context(
            open_services(settings, start_at=request.start_at, read_only=True)
        )

        @cache
        def open_cluster() -> Cluster:
            opener = shared or stack.enter_context(Shared(settings, read_only=True))
            return stack.enter_context(opener.open_cluster())

        drawn = prepare(
            request,
            load_recipe(request.recipe),
            services.archive,
            data_dir=services.data_dir,
            get_specs=_specs_of(services, open_cluster),
            step=step,
        )
        judge = partial(judge_drawn, drawn, services, open_cluster, recorded)
        return step("resolve", partial(judge, jwst=jwst, slots=slots))


def advise_only(settings: Settings, request: Request, *, step: Step = _take) -> Advised:
    """Find the exposures of a program, and the known issues that apply to them.

    Raises
    ------
    RewebbError, ConfigError
        There is nothing to advise on, or the recipe is not for the program.
    """
    recipe = load_recipe(request.recipe)
    archive = make_archive(settings, start_at=request.start_at)
    files = find_brought(recipe, settings.data_dir)
    found = step("find", partial(find, request, recipe, archive))
    # What the recipe asks for and the program does not have is an error here too.
    draw(associate(found), files)
    with open_database(settings, read_only=True) as database:
        return advise_found(found, find_making(settings, request.context, database))


def prepare(
    request: Request,
    recipe: Recipe,
    archive: Archive,
    *,
    data_dir: Path,
    get_specs: Callable[[], CodeSpecs],
    step: Step = _take,
) -> Drawn:
    """Draw the graph of a request; no file is fetched.

    Parameters
    ----------
    data_dir
        The data folder, which holds the files that the recipe names.
    get_specs
        Gives the parameters of the calibration code, if the recipe sets any.

    Raises
    ------
    RewebbError
        There is nothing to do.
    RecipeError
        The recipe is not for the calibration code, or not for the program.
    """
    files = find_brought(recipe, data_dir)
    found = step("find", partial(find, request, recipe, archive))
    if recipe.needs_specs:
        step("check", partial(check_recipe, recipe, get_specs))
    associated = step("associate", partial(associate, found))
    return step("draw", partial(draw, associated, files))


def _specs_of(
    services: Services, open_cluster: Callable[[], Cluster], *, keep: bool = False
) -> Callable[[], CodeSpecs]:
    ask = partial(ask_specs, open_cluster)
    is_foreign = not isinstance(services.settings.find_profile(), LocalProfile)
    return partial(find_specs, services.data_dir, ask, is_foreign=is_foreign, keep=keep)


def _plan(
    drawn: Drawn,
    services: Services,
    open_cluster: Callable[[], Cluster],
    *,
    step: Step = _take,
    dry_run: bool = False,
) -> Planned:
    """Plan when the raw files are here; in a dry run, references may not be."""
    if services.settings.crds_server_url is not None:
        bring = partial(prefetch, drawn, services, open_cluster, dry_run=dry_run)
        drawn = step("prefetch", bring)
    if drawn.due:
        return _plan_unfetched(drawn, services)
    resolved = step("resolve", partial(resolve, drawn, services, open_cluster))
    return step("plan", partial(make_plan, resolved, services, open_cluster))


def _plan_unfetched(drawn: Drawn, services: Services) -> Planned:
    """Plan while files are not here, and advise by what is known without them."""
    making = find_making(services.settings, drawn.context, services.database)
    planned = plan_unfetched(drawn, load_costs(services.settings.costs_file))
    return replace(planned, advice=advise_drawn(drawn, making))
