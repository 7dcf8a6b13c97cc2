"""Makes recorded jobs again in a data folder of their own, and compares the products.

Jobs run as those of a run do: on the cluster, with a grant, in a child, by the same
ladder. What differs is who decides on them: not a plan of today, but their records.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from config.costs import Costs, load_costs
from config.settings import Settings
from workers.calls import compare_products, describe_worker
from workers.content import file_sha256
from workers.contract import ErrorInfo, Input, Job, Outcome, Product
from workers.differences import Difference
from workers.installed import Environment
from workers.job_layout import OUTCOME_NAME
from workers.memory import learn_bytes

from ..errors import DataFolderError, OutcomeError, PlanError
from ..execution import CallError, Cluster, Listener, Orchestrator, WorkerLostError
from ..factory import open_configured_cluster
from ..layout import DASK_SCRATCH
from ..models.exposures import Exposure, Role
from ..models.jobs import StoredJob
from ..models.runs import JobState, RunJob
from ..planning import Plan, PlanEntry, PlannedInput, PlannedJob, estimate
from ..provenance import load_outcome
from .files import FindInput, MissingFileError, check_cached
from .records import RecordedJob
from .verdict import (
    JobVerdict,
    Reproduced,
    join,
    judge_job,
    list_changed_code,
    list_changed_environment,
    list_unproven,
)

__all__ = ["Sources", "make_again"]

_Item = TypeVar("_Item")
_Answer = TypeVar("_Answer")

_LIGHT_BYTES = 1 << 28
"""Memory that it takes to list versions."""

_LEAST_BYTES = 1 << 30
_COPIES = 8
"""How many times the size of its file a product may take in memory, to compare it."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the files are that jobs need."""

    find_input: FindInput
    """Finds inputs that are not made again."""
    find_cache: Callable[[Job], Path]
    """Finds the CRDS cache of a job."""
    find_environment: Callable[[Outcome], Environment | None] = lambda _: None
    """Tells what was installed where a job ran; None if that is not known."""
    find_kept: Callable[[Outcome, Product], Path] | None = None
    """Tells where a product was; None where nothing but its hashes is known."""


def make_again(
    records: Sequence[RecordedJob],
    sources: Sources,
    *,
    settings: Settings,
    place: Path,
    listener: Listener,
    tell: Callable[[str], object],
) -> Reproduced:
    """Make jobs again, and compare what they make with what is recorded.

    Parameters
    ----------
    records
        The jobs, producers first.
    place
        A data folder of its own, absolute; products are left in it.
    listener
        Told of every change of a job.
    tell
        Told, in one line each, what differs in packages and machine before anything is
        made, and that the cluster waits for workers.

    Raises
    ------
    PlanError
        The cluster cannot be used.
    DataFolderError
        The place cannot be written.
    """
    with _open_cluster(settings, place, tell) as cluster:
        ((versions, here),) = _map(cluster, describe_worker, [None], _LIGHT_BYTES)
        environment = _list_changes(records, sources, versions, here)
        for line in environment:
            tell(f"the environment differs: {line}")
        workshop = _Workshop(
            *(records, sources, place),
            versions=versions,
            costs=load_costs(settings.costs_file),
        )
        plan = Orchestrator(
            workshop.plan(),
            binder=workshop,
            cluster=cluster,
            recorder=workshop,
            data_dir=place,
            max_attempts=settings.max_attempts,
            stall_s=60 * settings.stall_minutes,
            listener=listener,
        ).run()
        judged = _Comparison(cluster, sources, place)
        jobs = tuple(
            judged.judge(record, entry, workshop.made.get(record.key))
            for record, entry in zip(records, plan.entries, strict=True)
        )
    return Reproduced(join([job.verdict for job in jobs]), environment, jobs)


@contextmanager
def _open_cluster(
    settings: Settings, place: Path, tell: Callable[[str], object]
) -> Iterator[Cluster]:
    scratch = place / DASK_SCRATCH
    try:
        scratch.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataFolderError(
            f"The folder {place} cannot be written: {error.strerror}; give another one "
            "with --in."
        ) from error
    with open_configured_cluster(settings, scratch=scratch, tell=tell) as cluster:
        yield cluster


def _list_changes(
    records: Sequence[RecordedJob],
    sources: Sources,
    versions: Mapping[str, str],
    here: Environment,
) -> tuple[str, ...]:
    """List what is not as it was, each once."""
    outcomes = [record.outcome for record in records]
    found = [line for one in outcomes for line in list_changed_code(one.job, versions)]
    kept = {outcome.environment_sha256: outcome for outcome in outcomes}
    for then in map(sources.find_environment, kept.values()):
        if then is not None:
            found += list_changed_environment(then, here)
    return tuple(dict.fromkeys(found))


class _Workshop:
    """Decides on jobs by their records, and keeps what attempts leave."""

    def __init__(
        self,
        records: Sequence[RecordedJob],
        sources: Sources,
        place: Path,
        *,
        versions: Mapping[str, str],
        costs: Costs,
    ) -> None:
        self.made: dict[str, Outcome] = {}
        """What jobs made, by key."""
        self._records = {record.key: record for record in records}
        self._keys = {one.outcome.job.fingerprint: one.key for one in records}
        self._sources = sources
        self._place = place
        self._versions = versions
        self._costs = costs

    def plan(self) -> Plan:
        """Plan all jobs."""
        entries: dict[str, PlanEntry] = {}
        for record in self._records.values():
            entries[record.key] = self.decide(_to_planned(record), entries)
        return Plan(tuple(entries.values()))

    def decide(
        self, planned: PlannedJob, producers: Mapping[str, PlanEntry]
    ) -> PlanEntry:
        """Decide on a job: it is due as soon as all that it reads is there."""
        needed = [producers[key] for key in planned.producers]
        failed = [e for e in needed if e.state in {JobState.FAILED, JobState.BLOCKED}]
        if failed:
            keys = tuple(entry.planned.key for entry in failed)
            why = f"it needs {', '.join(keys)}, which could not be made again"
            return PlanEntry(planned, JobState.BLOCKED, why, blocked_by=keys)
        if any(entry.state is not JobState.SUCCEEDED for entry in needed):
            return PlanEntry(planned, JobState.DUE, "waits for what it reads")
        record = self._records[planned.key]
        try:
            job = self._bind(record, producers)
        except MissingFileError as error:
            return PlanEntry(planned, JobState.FAILED, str(error))
        return PlanEntry(
            *(planned, JobState.DUE, "it is made again", job),
            estimate_bytes=self._grant(record.outcome),
            expected_s=record.outcome.usage.cpu_s,
        )

    def confirm(self, entry: PlanEntry) -> PlanEntry:
        """Read what a job has left."""
        assert entry.job is not None
        outcome = self.made[entry.planned.key]
        folder = self._place / outcome.folder
        try:
            outcome = load_outcome(folder / OUTCOME_NAME)
        except OutcomeError as error:
            return replace(entry, state=JobState.FAILED, why=str(error))
        self.made[entry.planned.key] = outcome
        done = StoredJob(
            fingerprint=outcome.job.fingerprint,
            stage=outcome.job.stage,
            name=outcome.job.name,
            context=outcome.job.context,
            attempt=outcome.attempt,
            folder=outcome.folder,
            finished_at=outcome.finished_at,
            usage=outcome.usage,
            products=outcome.products,
            caveats=outcome.caveats,
        )
        return replace(entry, state=JobState.SUCCEEDED, done=done)

    def record_outcome(self, outcome: Outcome) -> None:
        """Keep what an attempt left, until the next of the same job."""
        self.made[self._keys[outcome.job.fingerprint]] = outcome

    def record_jobs(self, jobs: Sequence[RunJob]) -> None:
        """Record nothing: there is no run."""

    def make_room(self, job: Job) -> None:
        """Clear nothing: the place was empty."""

    def keep_alive(self) -> None:
        """Renew nothing: there is no lease."""

    def _bind(self, record: RecordedJob, producers: Mapping[str, PlanEntry]) -> Job:
        job = record.outcome.job
        crds_path = self._sources.find_cache(job)
        check_cached(job, crds_path)
        return replace(
            job,
            inputs=tuple(self._find(file, record, producers) for file in job.inputs),
            crds_path=str(crds_path),
            versions=self._versions,
        )

    def _find(
        self, file: Input, record: RecordedJob, producers: Mapping[str, PlanEntry]
    ) -> Input:
        maker = record.made_by.get(file.sha256)
        if maker is None:
            return replace(file, path=str(self._sources.find_input(file)))
        done = producers[maker].done
        assert done is not None
        for product in done.products:
            if product.name == file.name:
                path = self._place / done.folder / file.name
                return replace(
                    file,
                    path=str(path),
                    sha256=product.sha256,
                    content_sha256=product.content_sha256,
                )
        raise MissingFileError(f"{maker}, made again, has not made {file.name}")

    def _grant(self, outcome: Outcome) -> int:
        """Grant what it took then, and what is expected of it today."""
        job = outcome.job
        expected = estimate(
            self._costs, job.stage, exp_type=job.exp_type, workload=job.workload
        )
        took = learn_bytes([(outcome.status, outcome.usage)])
        return max(took, expected.grant_bytes)


def _to_planned(record: RecordedJob) -> PlannedJob:
    """Make of a record what is ordered and shown of a job while it runs."""
    job = record.outcome.job
    first = job.inputs[0]
    exposure = Exposure(
        *(first.name.rpartition("_")[0], job.program, "", "", Path(first.path), 0, 0),
        exp_type=job.exp_type,
        role=Role.SCIENCE,
        header={},
    )
    inputs = tuple(
        PlannedInput(f.name, f.exptype, f.reason, record.made_by.get(f.sha256))
        for f in job.inputs
    )
    name = record.key.partition(":")[2]
    return PlannedJob(job.stage, name, inputs, exposure)


class _Comparison:
    """Compares what was made with what is recorded, on the cluster."""

    def __init__(self, cluster: Cluster, sources: Sources, place: Path) -> None:
        self._cluster = cluster
        self._sources = sources
        self._place = place

    def judge(
        self, record: RecordedJob, entry: PlanEntry, made: Outcome | None
    ) -> JobVerdict:
        """Judge a job by its products."""
        if entry.state is not JobState.SUCCEEDED:
            made = None
        compared: dict[str, tuple[Difference, ...] | str] = {}
        if made is not None:
            products = {one.name: one for one in record.outcome.products}
            for name in list_unproven(record.outcome, made):
                here = self._place / made.folder / name
                compared[name] = self._compare(record.outcome, products[name], here)
        return judge_job(record.key, record.outcome, entry.why, made, compared)

    def _compare(
        self, outcome: Outcome, product: Product, here: Path
    ) -> tuple[Difference, ...] | str:
        """List what differs in a product, or say why that cannot be told."""
        if self._sources.find_kept is None:
            return "its content has another hash; the product itself is not here"
        there = self._sources.find_kept(outcome, product)
        try:
            if file_sha256(there) != product.sha256:
                return f"{there} was changed since it was made, and is not compared"
        except OSError as error:
            return f"its content has another hash, and {there}: {error.strerror}"
        needed = max(_LEAST_BYTES, _COPIES * product.size_bytes)
        (found,) = _map(
            *(self._cluster, compare_products, [[(here, there)]]),
            min(needed, self._cluster.get_largest_bytes()),
        )
        if isinstance(found, ErrorInfo):
            return f"it cannot be compared: {found.message}"
        return found[0]


def _map(
    cluster: Cluster,
    work: Callable[[_Item], _Answer],
    items: Sequence[_Item],
    memory_bytes: int,
) -> list[_Answer]:
    try:
        return cluster.map(work, items, memory_bytes=memory_bytes)
    except (WorkerLostError, CallError) as error:
        raise PlanError(f"A worker failed: {error}") from error
