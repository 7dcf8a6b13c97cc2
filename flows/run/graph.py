"""The graph of the jobs that are asked for, and the files that it starts from."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from config.errors import RecipeError
from config.recipe import Recipe
from workers.cache_contract import DueFile
from workers.contract import Stage

from ..archive import Archive, FetchListener
from ..errors import PlanError
from ..models.associations import AssociationSet
from ..models.brought import PutFile
from ..models.exposures import Exposure
from ..names import stem_of
from ..planning import (
    PlannedJob,
    build_graph,
    chain_exposures,
    find_unmatched_sets,
    find_unmet_choices,
    keep_jobs,
    keep_stage,
    narrow_graph,
    place_exposures,
    plan_edits,
    plan_files,
    refuse_divided,
)
from .program import Associated

__all__ = ["Drawn", "draw", "fetch"]


@dataclass(frozen=True, slots=True)
class Drawn:
    """The graph of the jobs that are asked for, and all that a run still needs."""

    program: str
    """Five digits."""
    recipe: Recipe
    """What sets parameters."""
    context: str | None
    """CRDS context, or None for that of the settings; `prefetch` pins it."""
    allow_partial: bool
    """Whether to go on without members whose jobs failed."""
    graph: tuple[PlannedJob, ...]
    """The jobs, producers first."""
    remote: tuple[Exposure, ...]
    """Exposures that the run starts from and whose files are not here."""
    notes: tuple[str, ...]
    """What a scientist must know of the run so far."""
    unused: tuple[str, ...]
    """Files and exposures that the run makes less of, or nothing, with why."""
    exposures: tuple[Exposure, ...] = ()
    """The exposures that its jobs are of, members included, by name."""
    known: tuple[Exposure, ...] = ()
    """The exposures of the program, with their raw files; none of a later start."""
    due: tuple[DueFile, ...] = ()
    """References that are not in the cache and that a dry run did not fetch."""
    force: bool = False
    """Whether every change counts, whatever the policy of the site."""
    policy: Mapping[str, str] = field(default_factory=dict)
    """What goes before it."""


def draw(associated: Associated, files: Sequence[PutFile] = ()) -> Drawn:
    """Draw the graph of the jobs that are asked for, with all that they need.

    It is drawn of the whole program and narrowed then: backgrounds may be of another
    observation, and a job must not depend on what is asked for.

    Parameters
    ----------
    files
        The files that the recipe names, in its order.

    Raises
    ------
    PlanError
        No rule takes any of the exposures, or an edit or a file of the recipe is for
        none.
    RecipeError
        The recipe asks for what the program does not have.
    """
    _refuse_mismatches(associated)
    found, made = associated.found, associated.associations
    request, inventory = found.request, found.inventory
    chained = chain_exposures(
        build_graph(
            inventory.exposures,
            made.associations,
            associated.unusable,
            associated.linked,
            lacking=made.lacking,
            asked=inventory.unusable,
            start_at=request.start_at,
        ),
        found.recipe,
    )
    graph = refuse_divided(chained, found.recipe)
    graph = plan_edits(graph, inventory.exposures, found.recipe.edits)
    graph = plan_files(graph, [*zip(found.recipe.files, files, strict=True)])
    if request.observations:
        asked = _list_asked(associated)
        graph = narrow_graph(graph, asked)
        made = _narrow(made, graph, asked)
    if request.jobs:
        graph = keep_jobs(graph, request.jobs)
    if request.only_stage is not None:
        graph = keep_stage(graph, request.only_stage)
    if not made.associations:
        raise PlanError(_explain_nothing(associated, made))
    raw = {job.exposure.name for job in graph if job.stage is Stage.DETECTOR1}
    return Drawn(
        program=request.program,
        recipe=found.recipe,
        context=request.context,
        allow_partial=request.allow_partial,
        force=request.force,
        policy=request.policy,
        graph=graph,
        remote=tuple(e for e in inventory.exposures if e.is_remote and e.name in raw),
        exposures=_list_exposures(inventory.exposures, graph),
        known=inventory.exposures if request.start_at is Stage.DETECTOR1 else (),
        notes=associated.notes,
        unused=(
            *inventory.unchecked,
            *inventory.refused,
            *inventory.withheld,
            *(file.reason for file in inventory.unusable),
            *map(str, made.lacking),
            *(f"{e.name}: {e.reason}" for e in made.unused),
        ),
    )


def fetch(
    drawn: Drawn, archive: Archive, listener: FetchListener = lambda _: None
) -> Drawn:
    """Fetch the exposures that the graph starts from.

    Raises
    ------
    ArchiveError
        There is no room for them.
    """
    fetched = archive.fetch(drawn.remote, listener=listener)
    graph = refuse_divided(place_exposures(drawn.graph, fetched), drawn.recipe)
    here = {exposure.name: exposure for exposure in fetched}
    known = tuple(here.get(exposure.name, exposure) for exposure in drawn.known)
    return replace(drawn, graph=graph, remote=(), known=known)


def _refuse_mismatches(associated: Associated) -> None:
    """Refuse a recipe that is not for the program, whatever part of it is asked for."""
    found = associated.found
    recipe, inventory, made = found.recipe, found.inventory, associated.whole
    exposures, unusable = inventory.exposures, associated.unusable
    if not made.associations:
        return  # it is said why, whatever the recipe
    held = {exposure.observation for exposure in exposures}
    held |= {file.observation for file in unusable}
    sets = find_unmatched_sets(recipe, exposures, made)
    choices = find_unmet_choices(recipe.associations, exposures, made, held)
    problems = [*sets, *choices]
    if not problems:
        return
    if unusable:
        names = ", ".join(file.path.name for file in unusable)
        problems.append(f"files of the program that cannot be used: {names}")
    hint = " A set for exposures that a program need not have is `optional = true`."
    raise RecipeError(
        f"The recipe {recipe.name} cannot be used for program {found.request.program}: "
        f"{'; '.join(problems)}.{hint if sets else ''}"
    )


def _list_asked(associated: Associated) -> set[str]:
    """List the exposures of the observations that are asked for."""
    found = associated.found
    wanted = found.request.observations
    asked = {e.name for e in found.inventory.exposures if e.observation in wanted}
    unusable = (f for f in associated.unusable if f.observation in wanted)
    return asked | {stem_of(file.path.name) for file in unusable}


def _list_exposures(
    exposures: Iterable[Exposure], graph: Iterable[PlannedJob]
) -> tuple[Exposure, ...]:
    """List the exposures that jobs are of, or have as members."""
    jobs = tuple(graph)
    names = {job.exposure.name for job in jobs}
    names |= {
        m.exposure for job in jobs if job.association for m in job.association.members
    }
    return tuple(one for one in exposures if one.name in names)


def _narrow(
    made: AssociationSet, graph: Iterable[PlannedJob], asked: Collection[str]
) -> AssociationSet:
    """Keep the associations of the graph, and what there is to say of them."""
    drawn = [job.association for job in graph if job.association]
    names = {(each.asn_type, each.product_name) for each in drawn}
    kept = tuple(
        each
        for each in made.associations
        if (each.asn_type, each.product_name) in names
    )
    unused = tuple(e for e in made.unused if e.name in asked)
    used = {member.exposure for each in kept for member in each.members}.union(asked)
    lacking = tuple(e for e in made.lacking if not used.isdisjoint(e.exposures))
    return AssociationSet(kept, unused, lacking=lacking)


def _explain_nothing(associated: Associated, made: AssociationSet) -> str:
    request, inventory = associated.found.request, associated.found.inventory
    reasons = [file.reason for file in inventory.unusable]
    reasons += inventory.withheld
    reasons += [f"{exposure.name}: {exposure.reason}" for exposure in made.unused]
    if inventory.exposures:
        nothing = f"no rule combines its exposures from {request.start_at} on"
    else:
        nothing = "it has no exposures"
    return (
        f"Program {request.program} gives no association: "
        f"{'; '.join(reasons) or nothing}."
    )
