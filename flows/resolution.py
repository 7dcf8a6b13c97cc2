"""What jobs will use: hashes of raw files, references and effective parameters.

All of it is worked out on the workers, in batches, since only they have `jwst`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

from config.recipe import Recipe
from workers.cache_contract import DueFile, PrefetchReport, PrefetchRequest
from workers.contract import (
    METAFILE,
    ErrorInfo,
    FileHash,
    ReferenceFile,
    Resolution,
    Resolved,
    ResolveItem,
    ResolveMember,
    ResolveRequest,
    Stage,
)
from workers.run import hash_files, prefetch_references, resolve_jobs

from .errors import PlanError
from .execution import CallError, Cluster, WorkerLostError
from .factory import Services
from .models import Role
from .planning import PlannedJob, ResolvedSet

__all__ = ["Prefetched", "Resolver", "list_items"]

_Item = TypeVar("_Item")
_Answer = TypeVar("_Answer")

_LIGHT_BYTES = 1 << 30
"""Memory that resolving or hashing may take."""


@dataclass(frozen=True, slots=True)
class Prefetched:
    """What bringing references to the cache came to."""

    context: str
    """The context, by its final name: what jobs are to be pinned to."""
    due: tuple[DueFile, ...]
    """References that a dry run did not fetch."""
    notes: tuple[str, ...]
    """What was repaired, what could not be had, what the context rests on."""


class Resolver:
    """Resolves the jobs of a graph.

    Parameters
    ----------
    recipe
        What sets parameters.
    context
        CRDS context, or None for the operational one.
    """

    def __init__(
        self,
        services: Services,
        cluster: Cluster,
        *,
        recipe: Recipe,
        context: str | None,
    ) -> None:
        self._services = services
        self._cluster = cluster
        self._recipe = recipe
        self._context = context
        self._crds_path = str(services.crds_path)

    def prefetch(
        self, graph: Iterable[PlannedJob], *, dry_run: bool = False
    ) -> Prefetched:
        """Bring the references of jobs to the cache.

        The mappings come first and fix the context by its name: "latest" must be the
        same for all.

        Raises
        ------
        PlanError
            The CRDS server or the cache cannot be used.
        """
        request = PrefetchRequest(
            items=(),
            context=self._context,
            crds_path=self._crds_path,
            server_url=self._services.settings.crds_server_url,
            known=self._known(),
            dry_run=dry_run,
        )
        (head,) = _map(prefetch_references, [request], self._cluster)
        items = list_items(_sound(graph), self._recipe)
        requests = [
            replace(request, items=tuple(part), context=head.context)
            for part in self._deal(items)
        ]
        reports = [head, *_map(prefetch_references, requests, self._cluster)]
        self._remember({f.name: f for r in reports for f in r.files}.values())
        return _join(head.context, reports)

    def resolve(self, graph: Iterable[PlannedJob]) -> ResolvedSet:
        """Hash the files of the archive, and resolve references and parameters.

        Raises
        ------
        PlanError
            The CRDS cache or the context cannot be used, or the workers have different
            ones or different software; what is wrong with a single job is in its
            answer.
        """
        sound = _sound(graph)
        raw = self._hash_files(sound)
        items = list_items(sound, self._recipe)
        resolutions = self._resolve(items)
        _refuse_disagreement(resolutions)
        resolved = [one for part in resolutions for one in part.resolved]
        self._remember(_list_references(resolved))
        return ResolvedSet(
            context=resolutions[0].context if resolutions else "",
            crds_path=self._crds_path,
            versions=resolutions[0].versions if resolutions else {},
            by_key={one.key: one for one in resolved},
            overrides={item.key: item.overrides for item in items},
            raw=raw,
        )

    def tell_other_references(
        self, program: str, resolved: ResolvedSet
    ) -> Iterator[str]:
        """Say which files other jobs of the program have used by the same names.

        CRDS never changes a file under its name. In one cache that is refused; which of
        two caches has the right one cannot be known here.
        """
        files = {f.name: f for f in _list_references(resolved.by_key.values())}
        others = self._services.store.find_other_references(program, files.values())
        for other in others:
            yield (
                f"the CRDS file {other.name} has sha1 {files[other.name].sha1} in "
                f"{self._crds_path}, but jobs of program {program} have used one of "
                f"sha1 {other.sha1} from {other.crds_path}: one of them is not what "
                "CRDS delivered, see `rewebb refs verify` of both"
            )

    def _hash_files(self, sound: Iterable[PlannedJob]) -> dict[str, FileHash]:
        files = {
            file.path: (file.size_bytes, file.mtime_ns)
            for planned in sound
            for file in planned.inputs
            if file.path is not None
        }
        known = self._services.store.known_files(files)
        fresh = {
            path: file
            for path, file in known.items()
            if (file.size_bytes, file.mtime_ns) == files[path]
        }
        new = [path for path in sorted(files) if path not in fresh]
        hashed = [
            file
            for part in _map(hash_files, self._deal(new), self._cluster)
            for file in part
        ]
        good = [file for file in hashed if file.error is None]
        self._services.store.remember_files(good)
        return fresh | {file.path: file for file in hashed}

    def _resolve(self, items: Sequence[ResolveItem]) -> list[Resolution]:
        known = self._known()
        requests = [
            ResolveRequest(tuple(part), self._context, self._crds_path, known)
            for part in self._deal(items)
        ]
        return _map(resolve_jobs, requests, self._cluster)

    def _deal(self, items: Sequence[_Item]) -> list[Sequence[_Item]]:
        """Part items into one contiguous batch a slot."""
        size = -(-len(items) // max(self._cluster.get_slots(), 1)) or 1
        return [items[i : i + size] for i in range(0, len(items), size)]

    def _known(self) -> tuple[ReferenceFile, ...]:
        return self._services.store.list_references(crds_path=self._crds_path)

    def _remember(self, files: Iterable[ReferenceFile]) -> None:
        self._services.store.remember_references(
            files, crds_path=self._crds_path, now=datetime.now(UTC)
        )


def _join(context: str, reports: Sequence[PrefetchReport]) -> Prefetched:
    """Join the reports of batches, which may have files in common."""
    mended = [file for r in reports for file in (*r.repaired, *r.failed)]
    said = [file.message for file in mended] + [
        note for r in reports for note in r.notes
    ]
    due = {file.name: file for report in reports for file in report.due}
    return Prefetched(context, tuple(due.values()), tuple(dict.fromkeys(said)))


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
            stage.value, exposure.exp_type, only_combined=planned.only_combined
        ),
        metafile=next(metafiles, None),
        members=tuple(_list_members(planned, raw)) if stage is Stage.SPEC2 else (),
    )


def _list_members(
    planned: PlannedJob, raw: Mapping[str, str]
) -> Iterator[ResolveMember]:
    """List the members whose own headers may select references."""
    images = 0
    for file in planned.inputs:
        images += file.exptype == Role.TARGET_ACQUISITION
        is_first = images == 1 and file.exptype == Role.TARGET_ACQUISITION
        # spec2 takes the first of several images.
        if is_first or file.exptype in {Role.BACKGROUND, Role.IMPRINT}:
            path = raw.get(file.producer or "")
            if path is not None:
                yield ResolveMember(file.exptype, path)


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


def _list_references(resolved: Iterable[Resolved]) -> Iterable[ReferenceFile]:
    """List every file that was resolved, once."""
    files: dict[str, ReferenceFile] = {}
    for one in resolved:
        found = [use.file for use in one.references]
        found += [use.file for use in one.pars]
        files |= {file.name: file for file in found if file}
        files |= {file.name: file for file in one.mappings}
    return files.values()


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
    return [_refuse_error(answer) for answer in answers]


def _refuse_error(answer: _Answer | ErrorInfo) -> _Answer:
    if isinstance(answer, ErrorInfo):
        raise PlanError(answer.message)
    return answer
