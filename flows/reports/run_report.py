"""What is told of a run, from the database and the store alone."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from config.known_issues import load_known_issues
from workers.contract import Measurement, Outcome, Status
from workers.job_layout import LOG_NAME
from workers.pictures_contract import DrawnProduct

from ..advice import Advice
from ..errors import UnknownRecordError
from ..layout import get_run_folder
from ..models.jobs import JobRecord
from ..models.runs import JobState, Run, RunJob
from ..provenance import Database
from .changes import Changed, find_changes
from .figures import (
    Diagram,
    MemoryBar,
    Timeline,
    draw_association,
    draw_memory,
    draw_timeline,
)
from .known_issues import advise_recorded
from .pictures import ShownProduct, find_pictures, list_shown
from .summary import tell_caveats

__all__ = ["Failure", "Look", "MeasuredValue", "RunReport", "gather_report"]

_EARLIER = 5
"""Earlier values of a measurement that are told."""

_HINTS: Mapping[Status, str] = {
    Status.OUT_OF_MEMORY: "run again on a node with more memory: `rewebb retry {run}`",
    Status.LOST: "the worker went away: `rewebb retry {run}`",
    Status.TIMED_OUT: "it made no progress: look at its log, then `rewebb retry {run}`",
    Status.PREEMPTED: "its allocation was over: `rewebb retry {run}`",
}
_HINT = (
    "the same job would fail again: look at its log, change the recipe, or leave the "
    "exposure out with `--allow-partial`"
)


@dataclass(frozen=True, slots=True)
class Failure:
    """A job that failed."""

    key: str
    """``stage:name``."""
    error: str
    """What its last attempt said."""
    log: Path | None
    """Its log, relative to the data folder."""
    hint: str
    """What to do."""


@dataclass(frozen=True, slots=True)
class MeasuredValue:
    """A number that a product gave, with those of products of its name before."""

    number: Measurement
    """The number."""
    earlier: tuple[float | None, ...]
    """Those before, newest first."""


@dataclass(frozen=True, slots=True)
class Look:
    """A product that is looked at."""

    shown: ShownProduct
    """The product."""
    pictures: DrawnProduct | None
    """Its pictures, if it was drawn."""
    measured: tuple[MeasuredValue, ...]
    """Its numbers, if it was measured."""


@dataclass(frozen=True, slots=True)
class RunReport:
    """All that a report tells."""

    run: Run
    """The run."""
    folder: Path
    """Its folder, relative to the data folder."""
    jobs: tuple[RunJob, ...]
    """Its jobs."""
    counts: Mapping[str, int]
    """Jobs by state."""
    reasons: tuple[tuple[str, str, int], ...]
    """State, why, and how many jobs, the most first."""
    caveats: tuple[str, ...]
    """What a scientist must know, each with its job."""
    failures: tuple[Failure, ...]
    """Jobs that failed."""
    advice: tuple[Advice, ...] | None
    """Known issues as they stand today; None if no header is recorded."""
    diagrams: tuple[Diagram, ...]
    """Associations."""
    timeline: Timeline
    """Attempts over time."""
    memory: tuple[MemoryBar, ...]
    """Memory that they used."""
    logs: Mapping[str, Path]
    """Logs of attempts by what they were, relative to the data folder."""
    jwst: str
    """Versions of jwst that made the products."""
    looks: tuple[Look, ...]
    """Products that are looked at, spectra first."""
    changed: Changed | None
    """How spectra differ from those before; None if there was nothing before."""


def gather_report(database: Database, run: Run, *, data_dir: Path) -> RunReport:
    """Gather what is told of a run; known issues are those that are published today.

    Raises
    ------
    DatabaseError
        The database cannot be used.
    OSError
        What the run says that it changed cannot be read.
    """
    jobs = database.runs.get_run_jobs(run.id)
    records = _load_records(database, jobs)
    tries = [
        attempt.outcome
        for record in records.values()
        for attempt in record.attempts
        if attempt.run_id == run.id
    ]
    made = [*records]
    found = database.jobs.find_caveats(made)
    reasons = Counter((str(job.state), job.why) for job in jobs)
    versions = {record.job.versions.get("jwst", "?") for record in records.values()}
    return RunReport(
        run=run,
        folder=get_run_folder(run),
        jobs=jobs,
        counts=dict(sorted(Counter(str(job.state) for job in jobs).items())),
        reasons=tuple((*why, count) for why, count in reasons.most_common()),
        caveats=tuple(
            line
            for job in jobs
            for line in tell_caveats(
                job.key, (*job.caveats, *found.get(job.fingerprint or "", ()))
            )
        ),
        failures=tuple(
            _explain(job, records.get(job.fingerprint or ""), run)
            for job in jobs
            if job.state is JobState.FAILED
        ),
        advice=advise_recorded(
            load_known_issues(), database, made, context=run.context, run=run
        ),
        diagrams=tuple(
            draw_association(record.job)
            for record in records.values()
            if record.job.association_name
        ),
        timeline=draw_timeline(tries),
        memory=draw_memory(tries),
        logs=_list_logs(tries, data_dir),
        jwst=", ".join(sorted(versions)),
        looks=_look(database, jobs, data_dir),
        changed=find_changes(data_dir, run),
    )


def _load_records(
    database: Database, jobs: Sequence[RunJob]
) -> Mapping[str, JobRecord]:
    """Load what is recorded of jobs; of one that never began nothing is."""
    found: dict[str, JobRecord] = {}
    for key in dict.fromkeys(job.fingerprint for job in jobs if job.fingerprint):
        try:
            found[key] = database.jobs.get_job(key)
        except UnknownRecordError:
            continue
    return found


def _explain(job: RunJob, record: JobRecord | None, run: Run) -> Failure:
    last = record.attempts[-1].outcome if record and record.attempts else None
    error = last.error.message if last and last.error else job.why
    hint = _HINTS.get(last.status, _HINT) if last else _HINT
    log = Path(last.folder, LOG_NAME) if last and last.folder else None
    return Failure(job.key, error, log, hint.format(run=run.id[:8]))


def _list_logs(tries: Sequence[Outcome], data_dir: Path) -> Mapping[str, Path]:
    paths = {
        f"{one.job.stage}:{one.job.name} ({one.status})": Path(one.folder, LOG_NAME)
        for one in tries
        if one.folder
    }
    return {key: path for key, path in paths.items() if (data_dir / path).is_file()}


def _look(
    database: Database, jobs: Sequence[RunJob], data_dir: Path
) -> tuple[Look, ...]:
    shown = list_shown(database, jobs)
    return tuple(
        Look(
            one,
            find_pictures(data_dir, one.done.fingerprint, one.product),
            _find_measured(database, one),
        )
        for one in shown
    )


def _find_measured(database: Database, one: ShownProduct) -> tuple[MeasuredValue, ...]:
    """Find the numbers of a product, and what products of its name gave before."""
    name, own = one.product.name, one.done.fingerprint
    now = database.measurements.find([own]).get((own, name))
    if now is None:
        return ()
    stored = database.jobs.find_products(name=name)
    before = [
        other.fingerprint
        for other in stored
        if other.fingerprint != own and other.finished_at < one.done.finished_at
    ][:_EARLIER]
    measured = database.measurements.find(before)
    kept = [measured[key, name] for key in before if (key, name) in measured]
    return tuple(
        MeasuredValue(
            number,
            tuple(
                other.value
                for product in kept
                for other in product.numbers
                if (other.name, other.part, other.unit)
                == (number.name, number.part, number.unit)
            ),
        )
        for number in now.numbers
    )
