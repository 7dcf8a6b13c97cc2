"""The phases of a run before and after its execution, without Prefect.

find -> associate -> resolve -> plan -> execute -> report. Each phase leaves what the
next needs in the `Reprocessing`; a dry run stops after `plan`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from config.recipe import Recipe, load_recipe
from workers.contract import (
    METAFILE,
    ErrorInfo,
    FileHash,
    Parameters,
    ReferenceFile,
    Resolution,
    Resolved,
    ResolveItem,
    ResolveRequest,
)
from workers.run import hash_files, resolve_jobs

from .associations import build_associations, options_of
from .errors import PlanError, UnknownObservationError
from .execution import Cluster, WorkerLostError
from .factory import Services
from .models import AssociationSet, Inventory
from .planning import Binder, Plan, PlannedJob, ResolvedSet, build_graph, build_plan

__all__ = ["Preparation", "Request"]

_Item = TypeVar("_Item")
_Answer = TypeVar("_Answer")

_LIGHT_BYTES = 1 << 30
"""Memory that resolving or hashing may take."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for."""

    program: str
    """Five digits."""
    observations: tuple[str, ...] = ()
    """Three digits each; none means all."""
    recipe: str = "official"
    """Name or path of the recipe."""
    context: str | None = None
    """CRDS context, or None for that of the settings."""
    allow_partial: bool = False
    """Whether to go on without members whose jobs failed."""


class Preparation:
    """Finds, associates, resolves and plans one program."""

    def __init__(self, services: Services, request: Request) -> None:
        self.request = request
        self.recipe: Recipe = load_recipe(request.recipe)
        self.inventory = Inventory((), ())
        self.associations = AssociationSet((), ())
        self.graph: tuple[PlannedJob, ...] = ()
        self.resolved: ResolvedSet | None = None
        self.plan = Plan(())
        self._services = services

    def find(self) -> None:
        """Find the exposures of the program.

        Raises
        ------
        ArchiveError, UnknownProgramError, UnknownObservationError
            There is nothing to do.
        """
        self.inventory = self._services.archive.find(self.request.program)
        held = {exposure.observation for exposure in self.inventory.exposures}
        held |= {file.observation for file in self.inventory.rejected}
        if missing := sorted(set(self.request.observations) - held):
            raise UnknownObservationError(
                f"unknown observation {', '.join(missing)} of program "
                f"{self.request.program}: the archive holds {', '.join(sorted(held))}"
            )

    def associate(self) -> None:
        """Build associations and the graph of jobs that they need.

        Raises
        ------
        PlanError
            No rule takes any of the exposures.
        """
        # Nothing combines direct images yet, which grism exposures need.
        options = options_of(self.recipe.associations, has_grisms=False)
        self.associations = self._narrow(
            build_associations(self.inventory.exposures, options)
        )
        if not self.associations.associations:
            raise PlanError(self._why_nothing())
        self.graph = build_graph(
            self.inventory.exposures,
            self.associations.associations,
            self.inventory.rejected,
        )

    def resolve(self, cluster: Cluster) -> None:
        """Hash the files of the archive; resolve references and parameters of all jobs.

        Parameters
        ----------
        cluster
            Where that is done.

        Raises
        ------
        PlanError
            The CRDS cache or the context cannot be used; what is wrong with a single
            job is left for its plan.
        """
        sound = [
            planned
            for planned in self.graph
            if planned.defect is None and planned.exposure.defect is None
        ]
        raw = self._hash_files(sound, cluster)
        resolutions = self._resolve(sound, cluster)
        self.resolved = ResolvedSet(
            context=resolutions[0].context if resolutions else "",
            crds_path=str(self._services.crds_path),
            versions=resolutions[0].versions if resolutions else {},
            by_key={r.key: r for part in resolutions for r in part.resolved},
            overrides={planned.key: self._override(planned) for planned in sound},
            raw=raw,
        )
        self._remember_references(self.resolved.by_key.values())

    def make_plan(self) -> Binder:
        """Plan what is due; the binder decides on the rest as the run goes on."""
        assert self.resolved is not None
        store = self._services.store
        binder = Binder(
            self.resolved,
            data_dir=self._services.data_dir,
            find_done=self._services.products.find_done,
            find_previous=lambda stage, name, other: store.find_previous_job(
                stage, name, other_than=other
            ),
            allow_partial=self.request.allow_partial,
        )
        self.plan = build_plan(self.graph, binder)
        return binder

    def _narrow(self, found: AssociationSet) -> AssociationSet:
        """Keep the associations of the observations that are asked for.

        They are built over the whole program: backgrounds may be of another
        observation, and target ids must not depend on what is asked for.
        """
        wanted = self.request.observations
        if not wanted:
            return found
        observed = {e.name: e.observation for e in self.inventory.exposures}
        kept = tuple(
            association
            for association in found.associations
            if observed[association.members[0].exposure] in wanted
        )
        unused = tuple(e for e in found.unused if observed[e.name] in wanted)
        return AssociationSet(kept, unused)

    def _hash_files(
        self, sound: Iterable[PlannedJob], cluster: Cluster
    ) -> dict[str, FileHash]:
        exposures = [planned.exposure for planned in sound]
        files = {str(e.path): (e.size_bytes, e.mtime_ns) for e in exposures}
        files |= {
            str(e.metafile.path): (e.metafile.size_bytes, e.metafile.mtime_ns)
            for e in exposures
            if e.metafile is not None and e.metafile.defect is None
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
            for part in _map(hash_files, _deal(new, cluster), cluster)
            for file in part
        ]
        good = [file for file in hashed if file.error is None]
        self._services.store.remember_files(good)
        return fresh | {file.path: file for file in hashed}

    def _resolve(
        self, sound: Sequence[PlannedJob], cluster: Cluster
    ) -> list[Resolution]:
        context = self.request.context or self._services.settings.crds_context
        crds_path = str(self._services.crds_path)
        known = self._services.store.list_references(crds_path=crds_path)
        items = sorted(
            (self._make_item(planned) for planned in sound), key=lambda i: i.exposure
        )
        requests = [
            ResolveRequest(tuple(part), context, crds_path, known)
            for part in _deal(items, cluster)
        ]
        return _map(resolve_jobs, requests, cluster)

    def _make_item(self, planned: PlannedJob) -> ResolveItem:
        metafiles = [file.path for file in planned.inputs if file.exptype == METAFILE]
        return ResolveItem(
            key=planned.key,
            stage=planned.stage,
            exposure=str(planned.exposure.path),
            overrides=self._override(planned),
            metafile=next(iter(metafiles), None),
        )

    def _override(self, planned: PlannedJob) -> Parameters:
        exp_type = planned.exposure.exp_type
        return self.recipe.select_parameters(planned.stage.value, exp_type)

    def _remember_references(self, resolved: Iterable[Resolved]) -> None:
        files: dict[str, ReferenceFile] = {}
        for one in resolved:
            found = [use.file for use in one.references]
            found += [use.file for use in one.pars]
            files |= {file.name: file for file in found if file}
            files |= {file.name: file for file in one.mappings}
        self._services.store.remember_references(
            files.values(),
            crds_path=str(self._services.crds_path),
            now=datetime.now(UTC),
        )

    def _why_nothing(self) -> str:
        unused = self.associations.unused
        rejected = [
            f"{file.path.name}: {file.reason}" for file in self.inventory.rejected
        ]
        reasons = [f"{exposure.name}: {exposure.reason}" for exposure in unused]
        return (
            f"Program {self.request.program} gives no association: "
            f"{'; '.join([*rejected, *reasons]) or 'it has no exposures'}."
        )


def _deal(items: Sequence[_Item], cluster: Cluster) -> list[Sequence[_Item]]:
    """Part items into one contiguous batch a slot."""
    size = -(-len(items) // max(cluster.get_slots(), 1)) or 1
    return [items[i : i + size] for i in range(0, len(items), size)]


def _map(
    work: Callable[[_Item], _Answer | ErrorInfo],
    batches: Sequence[_Item],
    cluster: Cluster,
) -> list[_Answer]:
    light_bytes = min(_LIGHT_BYTES, cluster.get_largest_bytes())
    try:
        answers = cluster.map(work, batches, memory_bytes=light_bytes)
    except WorkerLostError as error:
        raise PlanError(f"A worker was lost while resolving: {error}") from error
    return [_refuse_error(answer) for answer in answers]


def _refuse_error(answer: _Answer | ErrorInfo) -> _Answer:
    if isinstance(answer, ErrorInfo):
        raise PlanError(answer.message)
    return answer
