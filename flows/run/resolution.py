"""What jobs will use: hashes of raw files, references and effective parameters.

All of it is worked out on the workers, in batches, since only they have `jwst`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from socket import gethostname
from typing import TypeVar, cast

from config.recipe import Recipe
from workers.cache_contract import PrefetchReport, PrefetchRequest
from workers.calls import (
    describe_worker,
    hash_files,
    prefetch_references,
    resolve_jobs,
)
from workers.contract import (
    BROUGHT,
    METAFILE,
    TAKERS,
    ErrorInfo,
    FileHash,
    ParsUse,
    ReferenceFile,
    ReferenceUse,
    Resolution,
    Resolved,
    ResolveItem,
    ResolveMember,
    ResolveRequest,
    Stage,
)
from workers.errors import EditError
from workers.installed import Environment

from ..errors import PlanError
from ..execution import CallError, Cluster, WorkerLostError
from ..factory import Services
from ..models.exposures import Role
from ..planning import PlannedJob, ResolvedSet, is_unread
from .graph import Drawn
from .remembered import Memory, Recalled

__all__ = ["ResolvedGraph", "list_items", "prefetch", "resolve"]

_Item = TypeVar("_Item")
_Answer = TypeVar("_Answer")

_LIGHT_BYTES = 1 << 30
"""Memory that resolving or hashing may take."""


@dataclass(frozen=True, slots=True)
class ResolvedGraph:
    """A graph, with all that its jobs will use."""

    drawn: Drawn
    """The graph."""
    resolved: ResolvedSet
    """References, effective parameters, and hashes of the files of the archive."""


def prefetch(
    drawn: Drawn,
    services: Services,
    open_cluster: Callable[[], Cluster],
    *,
    dry_run: bool = False,
) -> Drawn:
    """Bring the references of all jobs to the cache, or list what is missing there.

    The mappings come first and fix the context by its name: "latest" must be the same
    for all. Jobs whose resolution is remembered have theirs; if that is all of them in
    a context that is given by its name, there is nothing to ask a server for.

    Raises
    ------
    PlanError
        The CRDS server or the cache cannot be used; what single files lack is left for
        the jobs that need them.
    """
    wanted = _choose_context(drawn, services)
    sound = _sound(drawn.graph)
    items = list_items(sound, drawn.recipe)
    raw = _hash_files(sound, services, open_cluster)
    memory = _open_memory(services, open_cluster)
    if wanted is not None and wanted.endswith(".pmap"):
        recalled = memory.recall(items, wanted, raw)
        if recalled.context is not None and not recalled.due:
            return replace(drawn, context=recalled.context)
    request = PrefetchRequest(
        items=(),
        context=wanted,
        crds_path=str(services.crds_path),
        server_url=services.settings.crds_server_url,
        known=_list_known(services),
        dry_run=dry_run,
    )
    cluster = open_cluster()
    (head,) = _map(prefetch_references, [request], cluster)
    due = memory.recall(items, head.context, raw).due
    requests = [
        replace(request, items=tuple(part), context=head.context)
        for part in _deal(due, cluster)
    ]
    reports = [head, *_map(prefetch_references, requests, cluster)]
    _remember({f.name: f for r in reports for f in r.files}.values(), services)
    lacking = {file.name: file for report in reports for file in report.due}
    return replace(
        drawn,
        context=head.context,
        due=tuple(lacking.values()),
        notes=(*drawn.notes, *_list_notes(reports)),
    )


def resolve(
    drawn: Drawn, services: Services, open_cluster: Callable[[], Cluster]
) -> ResolvedGraph:
    """Hash the files of the archive; resolve references and parameters of all jobs.

    The cluster is opened only if there is something that is not remembered.

    Raises
    ------
    PlanError
        The CRDS cache or the context cannot be used, or the workers have different
        ones or different software, an edit of the recipe does not fit a file, or no
        step reads a file that it names; what else is wrong with a single job is left
        for its plan.
    """
    sound = _sound(drawn.graph)
    raw = _hash_files(sound, services, open_cluster)
    items = list_items(sound, drawn.recipe)
    memory = _open_memory(services, open_cluster)
    recalled = memory.recall(items, _choose_context(drawn, services), raw)
    context, versions = recalled.context or "", recalled.versions
    by_key = dict(recalled.by_key)
    notes: tuple[str, ...] = ()
    if recalled.due or recalled.context is None:
        cluster = open_cluster()
        notes = cluster.notes
        resolutions = _ask(recalled, drawn, services, cluster)
        memory.remember(items, resolutions, _choose_context(drawn, services), raw)
        by_key |= {one.key: one for part in resolutions for one in part.resolved}
        if resolutions:
            context, versions = resolutions[0].context, resolutions[0].versions
    _refuse_edits(by_key.values())
    _refuse_unread(sound, by_key)
    files = _list_references(by_key.values())
    _remember(files, services)
    resolved = ResolvedSet(
        context=context,
        crds_path=str(services.crds_path),
        versions=versions,
        by_key=by_key,
        overrides={item.key: item.overrides for item in items},
        recipe=drawn.recipe.name,
        raw=raw,
    )
    others = _note_other_references(drawn.program, files, services)
    return ResolvedGraph(
        replace(drawn, notes=(*drawn.notes, *notes, *others)), resolved
    )


def _ask(
    recalled: Recalled, drawn: Drawn, services: Services, cluster: Cluster
) -> list[Resolution]:
    """Ask workers for what is not remembered; they must be those that told the rest."""
    wanted = recalled.context or _choose_context(drawn, services)
    known, crds_path = _list_known(services), str(services.crds_path)
    requests = [
        ResolveRequest(tuple(part), wanted, crds_path, known)
        for part in _deal(recalled.due, cluster)
    ]
    resolutions = _map(resolve_jobs, requests, cluster)
    told = []
    if recalled.by_key and recalled.context is not None:
        told = [Resolution(recalled.context, recalled.versions, (), gethostname())]
    _refuse_disagreement([*told, *resolutions])
    return resolutions


def _open_memory(services: Services, open_cluster: Callable[[], Cluster]) -> Memory:
    def ask() -> tuple[Mapping[str, str], Environment]:
        [answer] = _map(_describe, [None], open_cluster())
        return answer

    return Memory(services, _list_known(services), ask)


def _describe(nothing: object) -> tuple[dict[str, str], Environment] | ErrorInfo:
    return describe_worker(nothing)


def _choose_context(drawn: Drawn, services: Services) -> str | None:
    return drawn.context or services.settings.crds_context


def _list_notes(reports: Iterable[PrefetchReport]) -> Iterable[str]:
    """List what was repaired, what could not be had, what the context rests on."""
    all_of = list(reports)  # batches may have files in common
    mended = [file.message for r in all_of for file in (*r.repaired, *r.failed)]
    return dict.fromkeys([*mended, *(note for r in all_of for note in r.notes)])


def _note_other_references(
    program: str, files: Iterable[ReferenceFile], services: Services
) -> Iterator[str]:
    """Say which files other jobs of the program have used by the same names.

    CRDS never changes a file under its name. In one cache that is refused; which of
    two caches has the right one cannot be known here.
    """
    by_name = {file.name: file for file in files}
    others = services.database.jobs.find_other_references(program, by_name.values())
    for other in others:
        yield (
            f"the CRDS file {other.name} has sha1 {by_name[other.name].sha1} in "
            f"{services.crds_path}, but jobs of program {program} have used one of "
            f"sha1 {other.sha1} from {other.crds_path}: one of them is not what "
            "CRDS delivered, see `rewebb refs verify` of both"
        )


def _hash_files(
    sound: Iterable[PlannedJob],
    services: Services,
    open_cluster: Callable[[], Cluster],
) -> dict[str, FileHash]:
    files = {
        file.path: (file.size_bytes, file.mtime_ns)
        for planned in sound
        for file in planned.inputs
        if file.path is not None
    }
    known = services.database.files.known_files(files)
    fresh = {
        path: file
        for path, file in known.items()
        if (file.size_bytes, file.mtime_ns) == files[path]
    }
    new = [path for path in sorted(files) if path not in fresh]
    if not new:
        return fresh
    cluster = open_cluster()
    parts = _map(hash_files, _deal(new, cluster), cluster)
    hashed = [file for part in parts for file in part]
    services.database.files.remember_files(
        [file for file in hashed if file.error is None]
    )
    return fresh | {file.path: file for file in hashed}


def _deal(items: Sequence[_Item], cluster: Cluster) -> list[Sequence[_Item]]:
    """Part items into one contiguous batch a slot."""
    size = -(-len(items) // cluster.get_slots_to_come()) or 1
    return [items[i : i + size] for i in range(0, len(items), size)]


def _list_known(services: Services) -> tuple[ReferenceFile, ...]:
    return services.database.files.list_references(crds_path=str(services.crds_path))


def _remember(files: Iterable[ReferenceFile], services: Services) -> None:
    services.database.files.remember_references(
        files, crds_path=str(services.crds_path), now=datetime.now(UTC)
    )


def list_items(graph: Iterable[PlannedJob], recipe: Recipe) -> tuple[ResolveItem, ...]:
    """List what is to be resolved of jobs, by exposure."""
    jobs = tuple(graph)
    raw = {planned.key: str(planned.exposure.path) for planned in jobs}
    items = (_make_item(planned, recipe, raw) for planned in jobs)
    return tuple(sorted(items, key=lambda item: item.exposure))


def _make_item(
    planned: PlannedJob, recipe: Recipe, raw: Mapping[str, str]
) -> ResolveItem:
    """Say what is to be resolved of a job.

    Parameters
    ----------
    raw
        Raw files by the key of the job that they are for first.
    """
    metafiles = (file.path for file in planned.inputs if file.exptype == METAFILE)
    stage, exposure = planned.stage, planned.exposure
    return ResolveItem(
        key=planned.key,
        stage=stage,
        exposure=str(exposure.path),
        overrides=recipe.select_parameters(
            stage.value, planned.facts, only_combined=planned.only_combined
        ),
        metafile=next(metafiles, None),
        members=tuple(_list_members(planned, raw)) if stage is Stage.SPEC2 else (),
        edits=planned.edits,
        science=tuple(_list_science(planned, raw)) if stage is Stage.SPEC3 else (),
    )


def _list_science(planned: PlannedJob, raw: Mapping[str, str]) -> Iterator[str]:
    """List the files whose headers say where the science members look."""
    for file in planned.inputs:
        path = raw.get(file.producer) if file.producer else file.path
        if file.exptype == Role.SCIENCE and path is not None:
            yield path


def _list_members(
    planned: PlannedJob, raw: Mapping[str, str]
) -> Iterator[ResolveMember]:
    """List the members whose own headers may select references.

    A run that starts at spec2 reads its members from the archive: nothing makes them.
    """
    by_role = {
        role: [file for file in planned.inputs if file.exptype == role]
        for role in (Role.TARGET_ACQUISITION, Role.BACKGROUND, Role.IMPRINT)
    }
    del by_role[Role.TARGET_ACQUISITION][1:]  # spec2 takes the first of several
    for role, files in by_role.items():
        for file in files:
            path = raw.get(file.producer) if file.producer else file.path
            if path is not None:
                yield ResolveMember(role, path)


def _sound(graph: Iterable[PlannedJob]) -> list[PlannedJob]:
    """Leave out the jobs whose raw file is damaged."""
    return [p for p in graph if p.defect is None and p.exposure.defect is None]


def _refuse_disagreement(resolutions: Sequence[Resolution]) -> None:
    """Refuse batches that were resolved with different software or contexts.

    Raises
    ------
    PlanError
        Names what differs, and where.
    """
    names = sorted({name for one in resolutions for name in one.versions})
    wrong: list[str] = []
    for name in ("context", *names):
        found: dict[str, set[str]] = {}
        for one in resolutions:
            having = {**one.versions, "context": one.context}.get(name, "none")
            found.setdefault(having, set()).add(one.host)
        if len(found) > 1:
            wrong += [f"{name} {v} on {', '.join(sorted(found[v]))}" for v in found]
    if wrong:
        raise PlanError(
            f"The workers have different environments: {'; '.join(wrong)}; give all "
            "of them the same software and CRDS cache."
        )


def _refuse_edits(resolved: Iterable[Resolved]) -> None:
    """Refuse edits that do not fit the files that they are for.

    Raises
    ------
    PlanError
        Names the files, and what would fit.
    """
    errors = (one.error for one in resolved if one.error is not None)
    wrong = {
        # Exposures share a metafile: what follows their names is the same.
        each.message.partition(": ")[2]
        for each in errors
        if each.type == EditError.__name__
    }
    if wrong:
        raise PlanError(f"The recipe cannot be followed: {'; '.join(sorted(wrong))}.")


def _refuse_unread(graph: Iterable[PlannedJob], by_key: Mapping[str, Resolved]) -> None:
    """Refuse files of the recipe that no job reads with its parameters.

    Raises
    ------
    PlanError
        Names them, and the steps that are skipped.
    """
    readers: dict[str, list[bool]] = {}
    steps: dict[str, set[str]] = {}
    for job in graph:
        for file in job.inputs:
            if file.exptype in BROUGHT and (one := by_key.get(job.key)):
                step, _ = TAKERS[file.exptype, job.stage]
                steps.setdefault(file.name, set()).add(f"{step} of {job.stage}")
                unread = is_unread(job.stage, file.exptype, one.parameters)
                readers.setdefault(file.name, []).append(not unread)
    wrong = [
        f"no job reads {name}, since {' and '.join(sorted(steps[name]))} is skipped: "
        "set its `skip = false`, or leave the file out"
        for name, reads in readers.items()
        if not any(reads)
    ]
    if wrong:
        raise PlanError(f"The recipe cannot be followed: {'; '.join(wrong)}.")


def _list_references(resolved: Iterable[Resolved]) -> tuple[ReferenceFile, ...]:
    """List every file that was resolved, once."""
    files: dict[str, ReferenceFile] = {}
    # What is remembered is the same object for all jobs that are alike.
    alike = {(id(r.references), id(r.pars), id(r.mappings)): r for r in resolved}
    for one in alike.values():
        uses: tuple[ReferenceUse | ParsUse, ...] = (*one.references, *one.pars)
        used = [use.file for use in uses if use.file]
        files |= {file.name: file for file in (*used, *one.mappings)}
    return tuple(files.values())


def _map(
    work: Callable[[_Item], _Answer | ErrorInfo],
    batches: Sequence[_Item],
    cluster: Cluster,
) -> list[_Answer]:
    light_bytes = min(_LIGHT_BYTES, cluster.get_largest_bytes())
    try:
        answers = cluster.map(work, batches, memory_bytes=light_bytes)
    except WorkerLostError as error:
        raise PlanError(
            f"A worker was lost while resolving, again and again: {error}; see why "
            "workers die, and run again."
        ) from error
    except CallError as error:
        raise PlanError(f"A worker failed while resolving: {error}") from error
    for answer in answers:
        if isinstance(answer, ErrorInfo):
            raise PlanError(answer.message)
    return cast("list[_Answer]", answers)
