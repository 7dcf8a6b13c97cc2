"""The plan of a run: which jobs are done, due, or cannot run, and why.

The graph is walked producers first. A job whose inputs are all there gets its
fingerprint now; one that waits for a due job gets it when that job has run, since its
output may be unchanged and then nothing below it is due.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from config.costs import Costs
from config.policy import Policy
from workers.contract import (
    METAFILE,
    Caveat,
    CaveatKind,
    Combined,
    Job,
    Product,
    Stage,
)
from workers.extraction import differs_in_extraction
from workers.memory import learn_bytes

from ..models.jobs import Content, Damage, StoredJob
from ..models.notebook import tell_rows
from ..models.runs import JobState
from .binding import (
    BindingError,
    Made,
    NothingToMakeError,
    ResolvedSet,
    bind_job,
    list_caveats,
)
from .brought import is_unread
from .costs import estimate
from .explain import History, explain_due, explain_reuse, say_done
from .graph import PlannedJob
from .limits import Limits, explain_memory, explain_voxels
from .reasons import Nearest, Reason, find_nearest, list_kept_caveats, say_reasons
from .workload import count_workload

__all__ = ["Binder", "Plan", "PlanEntry", "build_plan"]


@dataclass(frozen=True, slots=True)
class PlanEntry:
    """A job of a plan."""

    planned: PlannedJob
    """The job."""
    state: JobState
    """REUSED, DUE, FAILED (it cannot run, as is known beforehand), BLOCKED or
    NO_DATA."""
    why: str
    """Why."""
    job: Job | None = None
    """With its fingerprint; None while it waits for inputs."""
    done: StoredJob | None = None
    """What is reused."""
    blocked_by: tuple[str, ...] = ()
    """Keys of the producers that failed."""
    estimate_bytes: int = 0
    """Memory that it will be granted, if it is due."""
    expected_s: float = 0.0
    """Wall time that it is expected to take on one core, if it is due."""
    disk_bytes: int = 0
    """What it is expected to leave in the store, if it is due."""
    caveats: tuple[Caveat, ...] = ()
    """What is known before it runs or is reused; what the job found is in `done`."""
    combined: Combined | None = None
    """What is there already of a due job that has only to extract spectra again."""
    kept: tuple[Reason, ...] = ()
    """What has changed since a job was done that is reused as it is recorded; `job` is
    the recorded one then."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The jobs of a run, producers first."""

    entries: tuple[PlanEntry, ...]
    """One a job."""

    def count(self, state: JobState) -> int:
        """Count the jobs in a state."""
        return sum(entry.state is state for entry in self.entries)

    def _repr_html_(self) -> str:
        states = Counter(entry.state for entry in self.entries)
        title = ", ".join(f"{count} {state}" for state, count in states.items())
        names = ("job", "state", "why", "GB", "expected (s)")
        rows = [
            (
                *(entry.planned.key, entry.state, entry.why),
                f"{entry.estimate_bytes / 1e9:.2f}" if entry.estimate_bytes else "-",
                f"{entry.expected_s:.0f}" if entry.expected_s else "-",
            )
            for entry in self.entries
        ]
        return tell_rows(f"plan: {title}", names, rows)


_FindDone = Callable[[str], StoredJob | Damage | None]
"""Finds the success of a fingerprint, or what is wrong with its products."""


class Binder:
    """Decides on one job at a time, from the state of its producers.

    Parameters
    ----------
    data_dir
        The data folder, below which products are.
    costs
        What jobs take.
    limits
        What they may take.
    allow_partial
        Whether to go on without members whose producers failed.
    expect
        Told which fingerprints are looked for next, so that they are looked up at once.
    policy
        Which changes count; all by default.
    """

    def __init__(
        self,
        resolved: ResolvedSet,
        *,
        data_dir: Path,
        find_done: _FindDone,
        history: History,
        costs: Costs,
        limits: Limits,
        allow_partial: bool = False,
        expect: Callable[[Sequence[str]], object] = lambda _: None,
        policy: Policy | None = None,
    ) -> None:
        self._resolved = resolved
        self._data_dir = data_dir
        self._find_done = find_done
        self._history = history
        self._costs = costs
        self._limits = limits
        self._allow_partial = allow_partial
        self._expect = expect
        self._bound: dict[str, Job] = {}
        self._policy = policy or Policy.rerun_all()

    def decide(
        self, planned: PlannedJob, producers: Mapping[str, PlanEntry]
    ) -> PlanEntry:
        """Decide on a job, from the entries of all jobs that it needs, by key."""
        if planned.defect is not None:
            return PlanEntry(planned, JobState.FAILED, planned.defect)
        planned = self._drop_unread(planned)
        failed = tuple(key for key in planned.producers if _has_failed(producers[key]))
        if failed and not self._allow_partial:
            why = f"needs {'; '.join(_name_failed(producers[key]) for key in failed)}"
            return PlanEntry(planned, JobState.BLOCKED, why, blocked_by=failed)
        if error := self._find_error(planned):
            return PlanEntry(planned, JobState.FAILED, error)
        waiting = [key for key in planned.producers if not _is_over(producers[key])]
        made = {key: self._describe_made(producers[key]) for key in planned.producers}
        if waiting:
            whose = f"{waiting[0]}'s" if len(waiting) == 1 else "their"
            names = ", ".join(waiting)
            why = f"waits for {names}; reused if {whose} output is unchanged"
            entry = self._make_due(planned, why, job=None)
        else:
            entry = self._decide_bound(planned, made)
        if entry.state not in {JobState.DUE, JobState.REUSED}:
            return entry
        known = list_caveats(planned, self._resolved, made)
        caveats = tuple(dict.fromkeys((*list_kept_caveats(entry.kept), *known)))
        return replace(entry, caveats=caveats)

    def expect(
        self, jobs: Iterable[PlannedJob], producers: Mapping[str, PlanEntry]
    ) -> None:
        """Prepare to decide on jobs, from the entries of all that they need."""
        self._bound = {}
        for planned in jobs:
            if all(_is_over(producers[key]) for key in planned.producers):
                made = {k: self._describe_made(producers[k]) for k in planned.producers}
                read = self._drop_unread(planned)
                with suppress(BindingError):  # it is said when the job is decided on
                    self._bound[planned.key] = bind_job(read, self._resolved, made)
        self._expect([job.fingerprint for job in self._bound.values()])

    def assume(
        self,
        planned: PlannedJob,
        producers: Mapping[str, PlanEntry],
        recorded: Mapping[str, StoredJob],
    ) -> Job | None:
        """Bind a job that waits as if what it waits for came out as it is recorded.

        What was never made has no content. None if it cannot be bound.

        Parameters
        ----------
        recorded
            What is recorded of producers that are not over, by key.
        """
        made = {}
        for key in planned.producers:
            if _is_over(producers[key]):
                made[key] = self._describe_made(producers[key])
                continue
            names = [file.name for file in planned.inputs if file.producer == key]
            unknown = {name: Product(name, 0, 0, "", "") for name in names}
            known = recorded.get(key)
            done = self._describe_done(known, ()) if known else Made("", {})
            made[key] = replace(done, products={**unknown, **done.products})
        try:
            return bind_job(planned, self._resolved, made)
        except BindingError:
            return None

    def find_nearest(
        self, planned: PlannedJob, job: Job, earlier: Sequence[Job]
    ) -> Nearest | None:
        """Find the recorded job that a run would have the least reason to do again."""
        return find_nearest(planned, job, earlier, self._policy)

    def confirm(self, entry: PlanEntry) -> PlanEntry:
        """Turn a job that an attempt has just done into a success.

        If its products are missing or not intact it has failed.
        """
        assert entry.job is not None
        done = self._find_done(entry.job.fingerprint)
        if not isinstance(done, StoredJob):
            found = done.message if done else "no file is there"
            why = (
                f"it succeeded, but its products are not intact in {self._data_dir} "
                f"(fingerprint {entry.job.fingerprint}) as seen from this host: "
                f"{found}; check that all hosts see the same folder, and run again"
            )
            return replace(entry, state=JobState.FAILED, why=why)
        return replace(entry, state=JobState.SUCCEEDED, done=done)

    def _decide_bound(self, planned: PlannedJob, made: Mapping[str, Made]) -> PlanEntry:
        """Decide on a job whose inputs are all there."""
        try:
            job = self._bound.pop(planned.key, None) or bind_job(
                planned, self._resolved, made
            )
        except NothingToMakeError as error:
            return PlanEntry(planned, JobState.NO_DATA, str(error))
        except BindingError as error:
            return PlanEntry(
                planned, JobState.BLOCKED, str(error), blocked_by=planned.producers
            )
        own = self._resolved.by_key.get(planned.key)
        job = replace(job, workload=count_workload(planned, own))
        done = self._find_done(job.fingerprint)
        if isinstance(done, StoredJob):
            why = explain_reuse(done, job, self._history)
            return PlanEntry(planned, JobState.REUSED, why, job, done)
        earlier = self._history.find_earlier_jobs(job.stage, job.name)
        if done is None and (entry := self._keep(planned, job, earlier)):
            return entry
        why = self._explain(job, done, earlier)
        combined = self._find_combined(job)
        if combined is not None:
            why = f"{why}; only the extraction of spectra is done again"
        return replace(self._make_due(planned, why, job=job), combined=combined)

    def _keep(
        self, planned: PlannedJob, job: Job, earlier: Sequence[Job]
    ) -> PlanEntry | None:
        """Keep a job as it is recorded, if the policy says so of all that changed."""
        nearest = find_nearest(planned, job, earlier, self._policy)
        if nearest is None or not nearest.is_kept:
            return None
        done = self._find_done(nearest.job.fingerprint)
        if not isinstance(done, StoredJob):
            return None
        why = f"{say_done(done)}, kept as recorded: {say_reasons(nearest.reasons)}"
        kept = nearest.reasons
        return PlanEntry(planned, JobState.REUSED, why, nearest.job, done, kept=kept)

    def _make_due(self, planned: PlannedJob, why: str, *, job: Job | None) -> PlanEntry:
        """Make the entry of a job that is due, or say why no node can do it."""
        resolved = self._resolved.by_key.get(planned.key)
        exp_type = planned.exposure.exp_type
        expected = estimate(
            self._costs,
            planned.stage,
            exp_type=exp_type,
            workload=count_workload(planned, resolved),
        )
        usages = self._history.find_usages(planned.stage, planned.name)
        cubes = resolved.cubes if resolved else ()
        excess = explain_voxels(cubes, self._limits, exp_type=exp_type)
        excess = excess or explain_memory(
            expected.peak_bytes, usages, self._limits, is_waiting=job is None
        )
        if excess is not None:
            return PlanEntry(planned, JobState.FAILED, excess)
        return PlanEntry(
            planned,
            JobState.DUE,
            why,
            job,
            estimate_bytes=max(expected.grant_bytes, learn_bytes(usages)),
            expected_s=expected.cpu_s,
            disk_bytes=expected.disk_bytes,
        )

    def _find_combined(self, job: Job) -> Combined | None:
        """Find what an earlier job has made that extracted spectra in another way."""
        if job.stage is not Stage.SPEC3:
            return None
        for earlier in self._history.find_earlier_jobs(job.stage, job.name):
            if differs_in_extraction(job, earlier):
                done = self._find_done(earlier.fingerprint)
                if isinstance(done, StoredJob):
                    return Combined(str(self._data_dir / done.folder), done.products)
        return None

    def _describe_made(self, entry: PlanEntry) -> Made:
        if not _is_over(entry):
            return Made("", {}, caveats=entry.caveats)
        if entry.done is None:
            wrong = entry.state is not JobState.NO_DATA
            return Made("", {}, without=f"{entry.state}: {entry.why}", partial=wrong)
        return self._describe_done(entry.done, entry.caveats)

    def _describe_done(self, done: StoredJob, caveats: tuple[Caveat, ...]) -> Made:
        no_data = [
            caveat.message
            for caveat in done.caveats
            if caveat.kind is CaveatKind.NO_DATA_ON_DETECTOR
        ]
        return Made(
            folder=str(self._data_dir / done.folder),
            products={product.name: product for product in done.products},
            without="; ".join(no_data) or None,
            caveats=caveats,
        )

    def _drop_unread(self, planned: PlannedJob) -> PlannedJob:
        """Drop what no step reads with these parameters: a metafile, brought files."""
        resolved = self._resolved.by_key.get(planned.key)
        if resolved is None:
            return planned
        unread = {
            file.name
            for file in planned.inputs
            if (file.exptype == METAFILE and not resolved.reads_metafile)
            or is_unread(planned.stage, file.exptype, resolved.parameters)
        }
        inputs = tuple(file for file in planned.inputs if file.name not in unread)
        return replace(planned, inputs=inputs)

    def _find_error(self, planned: PlannedJob) -> str | None:
        resolved = self._resolved.by_key.get(planned.key)
        if resolved is not None and resolved.error is not None:
            return resolved.error.message
        metafile = planned.exposure.metafile
        if metafile and metafile.defect and resolved and resolved.reads_metafile:
            return metafile.defect
        for path in filter(None, (file.path for file in planned.inputs)):
            found = self._resolved.raw.get(path)
            if found is not None and found.error is not None:
                return f"{path}: {found.error.message}"
        return next(self._find_unmade(planned), None)

    def _find_unmade(self, planned: PlannedJob) -> Iterator[str]:
        """Find inputs that their producers, with their parameters, do not make."""
        for file in planned.inputs:
            source = self._resolved.by_key.get(file.producer or "")
            _, _, name = (file.producer or "").partition(":")
            ending = Path(file.name).stem.removeprefix(f"{name}_")
            if source and source.endings and ending not in source.endings:
                yield (
                    f"needs {file.name}, and {file.producer} makes only "
                    f"{', '.join(source.endings)} with its parameters; set those that "
                    "decide on it in the recipe (skip of a step, output_type of "
                    "cube_build)"
                )

    def _explain(self, job: Job, damage: Damage | None, earlier: Sequence[Job]) -> str:
        if damage is not None:
            return f"done before, but damaged, so made again: {damage.message}"
        fresh = {
            file.content_sha256: Content(file.pixels_sha256, file.cards)
            for file in map(self._resolved.raw.get, (f.path for f in job.inputs))
            if file is not None and file.pixels_sha256
        }
        return explain_due(job, earlier, self._history, fresh)


def build_plan(
    graph: Sequence[PlannedJob],
    binder: Binder,
    decided: Mapping[str, PlanEntry] = MappingProxyType({}),
) -> Plan:
    """Decide on every job of a graph, producers first.

    Parameters
    ----------
    decided
        What is decided already, by key.
    """
    entries = dict(decided)
    for wave in _list_waves(graph):
        jobs = [planned for planned in wave if planned.key not in decided]
        binder.expect(jobs, entries)
        entries |= {planned.key: binder.decide(planned, entries) for planned in jobs}
    return Plan(tuple(entries[planned.key] for planned in graph))


def _list_waves(graph: Iterable[PlannedJob]) -> Iterable[Sequence[PlannedJob]]:
    """Part a graph into jobs that need none of each other, producers first."""
    depths: dict[str, int] = {}
    waves: dict[int, list[PlannedJob]] = {}
    for planned in graph:
        depth = 1 + max((depths[key] for key in planned.producers), default=0)
        depths[planned.key] = depth
        waves.setdefault(depth, []).append(planned)
    return [waves[depth] for depth in sorted(waves)]


def _has_failed(entry: PlanEntry) -> bool:
    return entry.state in {JobState.FAILED, JobState.BLOCKED}


def _name_failed(entry: PlanEntry) -> str:
    """Name a job that failed, with why; a blocked one has its reason elsewhere."""
    key = entry.planned.key
    return f"{key} ({entry.why})" if entry.state is JobState.FAILED else key


def _is_over(entry: PlanEntry) -> bool:
    return entry.state not in {JobState.DUE, JobState.RUNNING}
