"""Graphs, resolutions and what is done, in memory, for tests of plan and execution."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from exposures import associate_headers
from outcomes import NOON, make_reference

from config.costs import Costs, load_costs
from config.policy import Policy
from config.recipe import AssociationChoice
from flows.models.exposures import Exposure, UnusableFile
from flows.models.jobs import Content, Damage, StoredJob
from flows.models.runs import JobState
from flows.planning import (
    Binder,
    Limits,
    Plan,
    PlannedJob,
    ResolvedSet,
    build_graph,
    build_plan,
)
from flows.stages import is_reached, stage_of
from workers.contract import (
    Caveat,
    CaveatKind,
    FileHash,
    Input,
    Job,
    ParsUse,
    Product,
    ReferenceUse,
    Resolved,
    Stage,
    Status,
    Usage,
)

__all__ = [
    "DoneStore",
    "do_all",
    "find_entry",
    "list_jobs",
    "make_binder",
    "make_graph",
    "make_resolved",
]

_SUFFIXES = {
    Stage.DETECTOR1: ("rate", "rateints"),
    Stage.SPEC2: ("cal", "calints", "x1d"),
    Stage.SPEC3: ("s3d", "x1d"),
    Stage.TSO3: ("x1dints",),
}
"""Products of each stage."""


def make_graph(
    exposures: Sequence[Exposure],
    *,
    selfcal: bool = False,
    unusable: Iterable[UnusableFile] = (),
    start_at: Stage = Stage.DETECTOR1,
) -> tuple[PlannedJob, ...]:
    """Make the graph of the associations that the rules give."""
    made = associate_headers(exposures, AssociationChoice(selfcal=selfcal))
    due = [a for a in made.associations if is_reached(stage_of(a), start_at)]
    return build_graph(exposures, due, unusable, start_at=start_at)


def make_resolved(
    graph: Iterable[PlannedJob], *, photom: str = "photom_1.fits"
) -> ResolvedSet:
    """Resolve every job to one photom and one ``pars-*`` file."""
    jobs = list(graph)
    return ResolvedSet(
        context="jwst_0001.pmap",
        crds_path="crds",
        versions={"jwst": "3.0.0"},
        by_key={planned.key: _resolve(planned, photom) for planned in jobs},
        overrides={},
        recipe="official",
        raw={path: _hash(path) for path in sorted(_list_paths(jobs))},
    )


def _list_paths(jobs: Iterable[PlannedJob]) -> set[str]:
    """List the files of the archive that jobs read."""
    paths = {str(planned.exposure.path) for planned in jobs}
    return paths | {file.path for p in jobs for file in p.inputs if file.path}


def _resolve(planned: PlannedJob, photom: str) -> Resolved:
    used = photom if planned.stage is Stage.SPEC2 else "dark_1.fits"
    return Resolved(
        key=planned.key,
        parameters={"steps": {"jump": {"skip": False}}},
        references=(ReferenceUse("photom", make_reference(used)),),
        pars=(ParsUse("pars-jumpstep", make_reference("pars_1.asdf")),),
        mappings=(make_reference("jwst_0001.pmap"),),
        reads_metafile=planned.stage is Stage.SPEC2,
    )


def _hash(path: str) -> FileHash:
    return FileHash(path, 9, 7, f"sha256-{path}", f"content-{path}")


class DoneStore:
    """What is done, in memory; stands for `Store` and `Database`."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.usages: dict[tuple[Stage, str], list[tuple[Status, Usage]]] = {}
        self.contents: dict[str, Content] = {}
        self._by_name: dict[tuple[Stage, str], list[Job]] = defaultdict(list)
        self._stored: dict[str, StoredJob] = {}
        self._damaged: dict[str, Damage] = {}

    def add(self, job: Job, *, content: str = "", no_data: bool = False) -> StoredJob:
        """Note that a job is done; the same content may come from another job."""
        names = (
            () if no_data else (f"{job.name}_{s}.fits" for s in _SUFFIXES[job.stage])
        )
        kind = CaveatKind.NO_DATA_ON_DETECTOR
        caveats = (Caveat(kind, "no light falls on it"),) if no_data else ()
        stored = StoredJob(
            fingerprint=job.fingerprint,
            stage=job.stage,
            name=job.name,
            context=job.context,
            attempt=f"attempt-{len(self.jobs)}",
            folder=f"store/{job.fingerprint}",
            finished_at=NOON + timedelta(minutes=len(self.jobs)),
            usage=Usage(1.0, 1.0, 1, 1),
            products=tuple(_product(n, content or job.fingerprint) for n in names),
            caveats=caveats,
        )
        if job.fingerprint not in self.jobs:
            self._by_name[job.stage, job.name].append(job)
        self.jobs[job.fingerprint] = job
        self._stored[job.fingerprint] = stored
        return stored

    def damage(self, job: Job, message: str) -> None:
        """Damage a product of a job that is done."""
        self._damaged[job.fingerprint] = Damage(message)

    def find_done(self, fingerprint: str) -> StoredJob | Damage | None:
        """Find what is done, or damaged."""
        return self._damaged.get(fingerprint) or self._stored.get(fingerprint)

    def find_usages(self, stage: Stage, name: str) -> list[tuple[Status, Usage]]:
        """Find what attempts at a product took, the newest first."""
        return self.usages.get((stage, name), [])

    def find_job(self, fingerprint: str) -> Job | None:
        """Find a job that is done."""
        return self.jobs.get(fingerprint)

    def find_earlier_jobs(self, stage: Stage, name: str) -> Sequence[Job]:
        """Find the jobs of a name, newest first."""
        return self._by_name[stage, name][::-1]

    def find_contents(self, files: Iterable[Input]) -> Mapping[str, Content]:
        """Find what was said of files."""
        wanted = {file.content_sha256 for file in files}
        return {key: self.contents[key] for key in wanted & self.contents.keys()}


def _product(name: str, content: str) -> Product:
    return Product(name, 1000, 7, f"sha256-{content}-{name}", f"{content}-{name}")


def make_binder(
    resolved: ResolvedSet,
    store: DoneStore,
    *,
    allow_partial: bool = False,
    limits: Limits = Limits(most_voxels=10**8),  # noqa: B008  # frozen
    costs: Costs | None = None,
    expect: Callable[[Sequence[str]], object] = lambda _: None,
    policy: Policy | None = None,
) -> Binder:
    """Make a binder over what is done, with our costs or others."""
    return Binder(
        resolved,
        data_dir=Path("data"),
        find_done=store.find_done,
        history=store,
        costs=costs or load_costs(),
        limits=limits,
        allow_partial=allow_partial,
        expect=expect,
        policy=policy,
    )


def do_all(graph: Sequence[PlannedJob], resolved: ResolvedSet) -> Plan:
    """Do what is due until nothing is; jobs find what others have made."""
    store = DoneStore()
    while True:
        plan = build_plan(graph, make_binder(resolved, store))
        due = [e.job for e in plan.entries if e.state is JobState.DUE and e.job]
        if not due:
            return plan
        for job in due:
            store.add(job)


def list_jobs(plan: Plan) -> dict[str, Job]:
    """Return the jobs of a plan by key."""
    return {e.planned.key: e.job for e in plan.entries if e.job}


def with_raw(resolved: ResolvedSet, changed: FileHash) -> ResolvedSet:
    """Give another hash to a raw file."""
    return replace(resolved, raw={**resolved.raw, changed.path: changed})


def find_entry(plan: Plan, key: str) -> object:
    """Find the entry of a job."""
    [entry] = [entry for entry in plan.entries if entry.planned.key == key]
    return entry
