"""Sample programs through Rewebb without Prefect, and their plain counterpart."""

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from plain_script import PipelineCall

from config.recipe import Recipe, load_recipe
from config.settings import Settings, load_settings
from flows.associations import document_name, to_json_text
from flows.execution import Cluster, Listener, Progress
from flows.factory import Services, open_services
from flows.models.associations import Association
from flows.models.exposures import Exposure
from flows.models.runs import Run
from flows.planning import PlannedJob
from flows.reports import RunSummary, summarize
from flows.run import (
    Planned,
    Request,
    Shared,
    ask_specs,
    make_plan,
    make_run,
    prepare,
    resolve,
    run_program,
)
from workers.contract import Stage
from workers.sample import Mode, SampleSet

__all__ = [
    "make_request",
    "make_settings",
    "plan",
    "plan_with",
    "process",
    "sharing",
    "write_calls",
]

_EMPTY = {Mode.NIRSPEC_MOS_PRISM.program: "_nrs2"}
"""What exposures end with of which the plain script is told that they see nothing."""

_PIPELINES = {
    Stage.DETECTOR1: "Detector1Pipeline",
    Stage.SPEC2: "Spec2Pipeline",
    Stage.SPEC3: "Spec3Pipeline",
    Stage.TSO3: "Tso3Pipeline",
}


def make_settings(
    sample: SampleSet,
    data_dir: Path,
    *,
    context: str | None = None,
    mast_url: str | None = None,
    measure: bool = False,
) -> Settings:
    """Make settings for a sample, with two slots; from a folder, or a MAST."""
    return load_settings(
        archive="mast" if mast_url else sample.archive,
        mast_url=mast_url,
        data_dir=data_dir,
        crds_path=sample.crds,
        crds_context=context or sample.contexts[0],
        slots=2,
        measure=measure,
    )


def make_request(mode: Mode) -> Request:
    """Ask for a sample program with its recipe."""
    return Request(mode.program, recipe=mode.recipe)


def _ignore(_: object) -> None:
    pass


_shared: list[Shared] = []
"""What runs share meanwhile."""


@contextmanager
def sharing(shared: Shared) -> Iterator[None]:
    """Let runs share a cluster: to start one for each costs more than short jobs."""
    _shared.append(shared)
    try:
        yield
    finally:
        _shared.remove(shared)


def process(
    settings: Settings,
    request: Request,
    *,
    on_planned: Callable[[Planned], object] = _ignore,
    listener: Callable[[Progress], None] = _ignore,
    is_alone: bool = False,
) -> RunSummary:
    """Reprocess a program as the flow does, without Prefect.

    Parameters
    ----------
    on_planned
        Called between plan and execution.
    is_alone
        Whether it has a cluster of its own, with what it inherits by then.
    """
    shared = None if is_alone or not _shared else _shared[-1]

    @contextmanager
    def watch(_: Run, planned: Planned) -> Iterator[Listener]:
        on_planned(planned)
        yield listener

    return run_program(settings, request, watch=watch, shared=shared)


def plan(settings: Settings, request: Request, cluster: Cluster) -> RunSummary:
    """Plan a program as `plan_only` does, in a cluster that many plans share."""
    with open_services(settings, start_at=request.start_at, read_only=True) as services:
        planned = plan_with(services, request, cluster)
    run = make_run(request, load_recipe(request.recipe))
    run = replace(run, id="", context=planned.context)
    return summarize(
        planned.plan, run=run, folder="", notes=planned.notes, advice=planned.advice
    )


def plan_with(services: Services, request: Request, cluster: Cluster) -> Planned:
    """Plan a program with services that are open."""
    drawn = prepare(
        request,
        load_recipe(request.recipe),
        services.archive,
        data_dir=services.data_dir,
        get_specs=partial(ask_specs, lambda: cluster),
    )
    return make_plan(resolve(drawn, services, lambda: cluster), services)


def write_calls(planned: Planned, recipe: str, folder: Path) -> list[PipelineCall]:
    """Write the associations of a program, and list the calls that process it."""
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [entry.planned for entry in planned.plan.entries]
    return list(_iterate_calls(jobs, load_recipe(recipe), folder))


def _iterate_calls(
    jobs: Iterable[PlannedJob], recipe: Recipe, folder: Path
) -> Iterator[PipelineCall]:
    for planned in jobs:
        parameters = recipe.select_parameters(
            planned.stage.value, planned.facts, only_combined=planned.only_combined
        )
        source = _write_input(planned, folder)
        if planned.stage is not Stage.SPEC2 or not _is_empty(planned.exposure):
            yield PipelineCall(_PIPELINES[planned.stage], source, parameters)


def _write_input(planned: PlannedJob, folder: Path) -> str:
    if planned.association is None:
        return str(planned.exposure.path)
    if planned.exposure.metafile is not None:
        shutil.copy(planned.exposure.metafile.path, folder)
    association = planned.association
    if planned.stage is Stage.SPEC3:
        association = _without_empty(association, planned.exposure)
    name = document_name(association)
    (folder / name).write_text(to_json_text(association))
    return name


def _is_empty(exposure: Exposure) -> bool:
    return exposure.name.endswith(_EMPTY.get(exposure.program, "nothing"))


def _without_empty(association: Association, exposure: Exposure) -> Association:
    ending = _EMPTY.get(exposure.program, "nothing")
    seen = [m for m in association.members if not m.exposure.endswith(ending)]
    return replace(association, members=seen)
