"""The phases of a run before and after its execution, without Prefect.

find -> associate -> fetch -> prefetch -> resolve -> plan -> execute -> report. Each
phase leaves what the next needs in the `Preparation`; a dry run fetches nothing and
stops after `plan`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rich.filesize import decimal

from config.recipe import Recipe, load_recipe
from workers.cache_contract import DueFile
from workers.contract import Stage

from .archive import FetchListener
from .associations import associate_rows, choose_rows, options_of
from .entry import STARTS, is_run, list_suffixes
from .errors import ArchiveError, PlanError, UnknownObservationError
from .execution import Cluster
from .factory import Services
from .models import AssociationSet, Exposure, Inventory, JobState, RejectedFile
from .names import check_observations, check_program, stem_of
from .planning import (
    Binder,
    Plan,
    PlanEntry,
    PlannedJob,
    ResolvedSet,
    build_graph,
    build_plan,
    chain_exposures,
    narrow_graph,
    stage_of,
)
from .resolution import Prefetched, Resolver

__all__ = ["Preparation", "Request"]


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
    start_at: Stage = Stage.DETECTOR1
    """Stage to start at, one of `STARTS`; what earlier ones make is in the archive."""

    def __post_init__(self) -> None:
        """Refuse ids that are none, before anything is done.

        Raises
        ------
        IdError
            The program is not five digits, or an observation not three.
        """
        check_program(self.program)
        check_observations(self.observations)


class Preparation:
    """Finds, associates, resolves and plans one program."""

    def __init__(self, services: Services, request: Request) -> None:
        self.request = request
        self.recipe: Recipe = load_recipe(request.recipe)
        self.inventory = Inventory((), ())
        self.associations = AssociationSet((), ())
        self._all = self.associations
        self.notes: tuple[str, ...] = ()
        self._unusable: tuple[RejectedFile, ...] = ()
        self._linked: Mapping[str, frozenset[str]] = {}
        self.graph: tuple[PlannedJob, ...] = ()
        self.resolved: ResolvedSet | None = None
        self.plan = Plan(())
        self._services = services
        self._context = request.context or services.settings.crds_context

    def find(self) -> None:
        """Find the exposures of the program.

        Raises
        ------
        ArchiveError, UnknownProgramError, UnknownObservationError
            There is nothing to do.
        """
        self.inventory = self._services.archive.find(self.request.program)
        self._refuse_late_start()
        held = {exposure.observation for exposure in self.inventory.exposures}
        held |= {file.observation for file in self.inventory.rejected}
        if missing := sorted(set(self.request.observations) - held):
            raise UnknownObservationError(
                f"unknown observation {', '.join(missing)} of program "
                f"{self.request.program}: the archive holds {', '.join(sorted(held))}"
                + "".join(f"; {said}" for said in self.inventory.withheld)
            )

    def associate(self) -> None:
        """Build associations.

        Raises
        ------
        PlanError
            No rule takes any of the exposures.
        PoolError
            The pool of the archive is none.
        """
        # Nothing combines direct images yet, which grism exposures need.
        options = options_of(self.recipe.associations, has_grisms=False)
        chosen = choose_rows(self.inventory, options)
        self.notes = (*chosen.notes, *self._list_unused_choices())
        self._linked = chosen.linked
        inventory = self.inventory
        self._unusable = (*inventory.rejected, *inventory.barred, *chosen.missing)
        by_name = {exposure.name: exposure for exposure in self.inventory.exposures}
        found = associate_rows(chosen.rows, options, exposures=by_name)
        start_at = self.request.start_at
        self._all = replace(
            found,
            associations=tuple(
                a for a in found.associations if is_run(stage_of(a), start_at)
            ),
            lacking=(*chosen.lacking, *found.lacking),
        )
        self.draw_graph()
        self.associations = self._narrow(self._all)
        if not self.associations.associations:
            raise PlanError(self._why_nothing())

    def list_remote(self) -> tuple[Exposure, ...]:
        """List the exposures that are needed and whose files are not here."""
        needed = self._list_needed()
        return tuple(
            exposure
            for exposure in self.inventory.exposures
            if exposure.is_remote and exposure.name in needed
        )

    def fetch(self, listener: FetchListener = lambda _: None) -> None:
        """Fetch the exposures that the associations need.

        Raises
        ------
        ArchiveError
            There is no room for them.
        """
        fetched = self._services.archive.fetch(self.list_remote(), listener=listener)
        here = {exposure.name: exposure for exposure in fetched}
        self.inventory = replace(
            self.inventory,
            exposures=tuple(here.get(e.name, e) for e in self.inventory.exposures),
        )

    def draw_graph(self) -> None:
        """Draw the graph of the jobs that are asked for, with all that they need.

        It is drawn of the whole program and narrowed then: backgrounds may be of
        another observation, and a job must not depend on what is asked for.
        """
        graph = build_graph(
            self.inventory.exposures,
            self._all.associations,
            self._unusable,
            self._linked,
            lacking=self._all.lacking,
            asked=self.inventory.rejected,
            start_at=self.request.start_at,
        )
        self.graph = chain_exposures(graph, self.recipe)
        if self.request.observations:
            self.graph = narrow_graph(self.graph, self._list_asked())

    def prefetch(self, cluster: Cluster, *, dry_run: bool = False) -> Prefetched:
        """Bring the references of all jobs to the cache, if there is a CRDS server.

        Parameters
        ----------
        cluster
            Where that is done.
        dry_run
            Whether to list only what is missing.

        Raises
        ------
        PlanError
            The CRDS server or the cache cannot be used; what single files lack is left
            for the jobs that need them.
        """
        self.draw_graph()
        prefetched = self._resolver(cluster).prefetch(self.graph, dry_run=dry_run)
        self.notes += prefetched.notes
        self._context = prefetched.context
        return prefetched

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
        self.draw_graph()
        self.notes += cluster.notes
        resolver = self._resolver(cluster)
        self.resolved = resolver.resolve(self.graph)
        program = self.request.program
        self.notes += (*resolver.tell_other_references(program, self.resolved),)

    def make_plan(self) -> Binder:
        """Plan what is due; the binder decides on the rest as the run goes on."""
        assert self.resolved is not None
        binder = Binder(
            self.resolved,
            data_dir=self._services.data_dir,
            find_done=self._services.products.find_done,
            history=self._services.store,
            allow_partial=self.request.allow_partial,
        )
        self.plan = build_plan(self.graph, binder)
        return binder

    def plan_unfetched(self, due: Sequence[DueFile] = ()) -> None:
        """Plan as far as one can while files are not here: every job is due.

        Parameters
        ----------
        due
            References that are missing.
        """
        self.draw_graph()
        remote = self.list_remote()
        sizes = [e.size_bytes for e in remote] + [file.size_bytes for file in due]
        why = f"{len(sizes)} files, {decimal(sum(sizes))}, are to be fetched first"
        self.plan = Plan(
            tuple(
                PlanEntry(planned, JobState.FAILED, planned.defect)
                if planned.defect
                else PlanEntry(planned, JobState.DUE, why)
                for planned in self.graph
            )
        )

    def _resolver(self, cluster: Cluster) -> Resolver:
        return Resolver(
            self._services, cluster, recipe=self.recipe, context=self._context
        )

    def _list_needed(self) -> set[str]:
        """List the exposures that the run starts from, if it starts with raw ones."""
        first = (job for job in self.graph if job.stage is Stage.DETECTOR1)
        return {job.exposure.name for job in first}

    def _list_asked(self) -> set[str]:
        """List the exposures of the observations that are asked for."""
        wanted = self.request.observations
        asked = {e.name for e in self.inventory.exposures if e.observation in wanted}
        unusable = (f for f in self._unusable if f.observation in wanted)
        return asked | {stem_of(file.path.name) for file in unusable}

    def _refuse_late_start(self) -> None:
        """Refuse to start where nothing was made yet.

        Raises
        ------
        ArchiveError
            There is nothing of what the stage starts from.
        """
        start_at = self.request.start_at
        if start_at is Stage.DETECTOR1:
            return
        before = STARTS[STARTS.index(start_at) - 1]
        own = set(list_suffixes(start_at)) - set(list_suffixes(before))
        if not any(own & set(e.calibrated) for e in self.inventory.exposures):
            raise ArchiveError(
                f"Program {self.request.program} cannot start at {start_at}: the "
                f"archive has no {' or '.join(sorted(own))} file of it."
            )

    def _list_unused_choices(self) -> tuple[str, ...]:
        """List what the recipe sets for stages that the run does not come to."""
        start_at = self.request.start_at
        given = {Stage(one.stage) for one in self.recipe.parameters}
        unused = [stage for stage in STARTS if stage in given]
        return tuple(
            f"what the recipe {self.recipe.name} sets for {stage} is not applied: the "
            f"run starts at {start_at}"
            for stage in unused
            if not is_run(stage, start_at)
        )

    def _narrow(self, found: AssociationSet) -> AssociationSet:
        """Keep the associations of the graph, and what there is to say of them."""
        if not self.request.observations:
            return found
        drawn = [job.association for job in self.graph if job.association]
        names = {(each.asn_type, each.product_name) for each in drawn}
        kept = tuple(
            each
            for each in found.associations
            if (each.asn_type, each.product_name) in names
        )
        asked = self._list_asked()
        unused = tuple(e for e in found.unused if e.name in asked)
        used = asked | {member.exposure for each in kept for member in each.members}
        lacking = tuple(e for e in found.lacking if not used.isdisjoint(e.exposures))
        return AssociationSet(kept, unused, lacking=lacking)

    def _why_nothing(self) -> str:
        unused = self.associations.unused
        rejected = [file.reason for file in self.inventory.rejected]
        rejected += self.inventory.withheld
        reasons = [f"{exposure.name}: {exposure.reason}" for exposure in unused]
        if self.inventory.exposures:
            nothing = f"no rule combines its exposures from {self.request.start_at} on"
        else:
            nothing = "it has no exposures"
        return (
            f"Program {self.request.program} gives no association: "
            f"{'; '.join([*rejected, *reasons]) or nothing}."
        )
