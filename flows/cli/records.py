"""`rewebb status`, `runs` and `logs`: what is recorded, and finding it by name."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workers.job_layout import LOG_NAME, STORE

from .options import AsJson, DataDir
from .output import announce, fail, print_json, print_lines, print_rows, say

if TYPE_CHECKING:
    from workers.contract import Outcome

    from ..models.jobs import StoredProduct
    from ..models.runs import Run, RunJob
    from ..provenance import Database

__all__ = [
    "Found",
    "find_recorded",
    "logs",
    "open_recorded",
    "runs",
    "say_place",
    "status",
]


@dataclass(frozen=True, slots=True)
class Found:
    """What a name stands for: a job, one of its products, or one of its attempts."""

    fingerprint: str
    """Of the job."""
    product: "StoredProduct | None" = None
    """The product that was named."""
    attempt: str | None = None
    """Id of the attempt that was named."""
    others: tuple[str, ...] = ()
    """Fingerprints of other jobs that the name could stand for, newest first."""


@contextmanager
def open_recorded(
    data_dir: Path | None, *, writes: bool = False
) -> Iterator[tuple["Database", Path]]:
    """Open what is recorded, to change it or not, and give the data folder too."""
    from config.settings import load_settings

    from ..factory import open_records

    settings = load_settings(data_dir=data_dir)
    with open_records(settings, writes=writes) as database:
        yield database, settings.data_dir


def runs(
    program: Annotated[
        str | None, typer.Argument(help="Only of this program.", metavar="PROGRAM")
    ] = None,
    *,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List the newest runs."""
    from ..names import check_program

    if program is not None:
        check_program(program)
    from dataclasses import asdict

    from ..provenance import Tags

    with open_recorded(data_dir) as (database, folder):
        found = database.runs.list_runs(program)
        tags = {run.id: Tags(folder).find(run.id) for run in found}
    if as_json:
        print_json([{**asdict(run), "tags": tags[run.id]} for run in found])
        return
    columns = ("run", "program", "state", "started (UTC)", "context", "recipe")
    print_rows(
        (*columns, "tags", "message"),
        [
            (
                *(run.id[:8], run.program, run.state),
                f"{run.started_at:%Y-%m-%d %H:%M:%S}",
                *(run.context, run.recipe_name),
                *(", ".join(tags[run.id]), run.message or ""),
            )
            for run in found
        ],
    )


def status(
    run: Annotated[
        str | None,
        typer.Argument(help="Id of a run or its beginning; the newest by default."),
    ] = None,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", help="Show it live until it is over.")
    ] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show how far a run is, job by job, and where the logs are.

    With --follow: jobs by stage and state, those under way, memory, and how long it
    may still take; with --json a line for each change.
    """
    if follow:
        _follow(run, data_dir, as_json=as_json)
        return
    with open_recorded(data_dir) as (database, folder):
        record = _choose_run(database, run)
        jobs = database.runs.get_run_jobs(record.id)
        caveats = _join_caveats(database, jobs)
        paths = _find_logs(database, folder, jobs)
    if as_json:
        told = {"run": record, "jobs": jobs, "caveats": caveats}
        print_json({**told, "logs": paths})
        return
    print_rows(("job", "state", "why"), [(job.key, job.state, job.why) for job in jobs])
    print_lines("caveats", caveats)
    failed = (f"{key}: {path}" for key, path in paths.items())
    print_lines("logs of what failed", failed)
    say()
    if any(job.state == "RUNNING" for job in jobs):
        say(
            f"logs of what runs: {folder}/scratch/{record.program}/*/publish/{LOG_NAME}"
        )
    say(
        f"run {record.id[:8]} of program {record.program}: {record.state}"
        f"{', ' + record.message if record.message else ''}"
    )


def _choose_run(database: "Database", run: str | None) -> "Run":
    """Return the run of an id, or the newest."""
    if run is not None:
        return database.runs.get_run(run)
    newest = database.runs.list_runs(limit=1)
    if not newest:
        fail("There is no run yet; start one with `rewebb run PROGRAM`.")
    return newest[0]


def _follow(run: str | None, data_dir: Path | None, *, as_json: bool) -> None:
    from config.settings import load_settings

    from ..factory import open_served_records
    from .follow import follow

    with open_served_records(load_settings(data_dir=data_dir)) as database:
        chosen = _choose_run(database, run).id

        def look() -> "tuple[Run, tuple[RunJob, ...]]":
            return database.runs.get_run(chosen), database.runs.get_run_jobs(chosen)

        follow(look, as_json=as_json)


def logs(
    job: Annotated[
        str,
        typer.Argument(
            help="A job (stage:name), or the beginning of its fingerprint or of the id "
            "of an attempt.",
            metavar="JOB|ATTEMPT",
        ),
    ],
    *,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Print the log of the newest attempt at a job, as the pipeline wrote it.

    How the attempt ended, and where it was made, goes to standard error.
    """
    with open_recorded(data_dir) as (database, folder):
        found = find_recorded(database, job, folder)
        if not isinstance(found, Found) or found.product is not None:
            fail(f"{job} is not a job: give stage:name, as `rewebb status` does.")
        attempts = database.jobs.get_job(found.fingerprint).attempts
    outcomes = {attempt.outcome.attempt: attempt.outcome for attempt in attempts}
    outcome = outcomes[found.attempt or attempts[-1].outcome.attempt]
    path = _find_log(outcome, folder)
    ended = f"{outcome.status} on {say_place(outcome)}"
    if path is None:
        why = f": {outcome.error.message}" if outcome.error else ""
        logged = [one for one in outcomes if _find_log(outcomes[one], folder)]
        others = f"; logs are of: {', '.join(logged)}" if logged else ""
        fail(f"The attempt {outcome.attempt}, {ended}, left no log{why}{others}")
    lines = path.read_text("utf-8", "backslashreplace").splitlines()
    if as_json:
        place = {"host": outcome.host, "node": outcome.node}
        granted = {"granted_bytes": outcome.usage.granted_bytes}
        ended_as = {"attempt": outcome.attempt, "status": outcome.status}
        print_json({**ended_as, **place, **granted, "path": path, "lines": lines})
        return
    granted_gb = outcome.usage.granted_bytes / 1e9
    announce(f"attempt {outcome.attempt}, {ended}, granted {granted_gb:.2f} GB")
    for line in lines:
        say(line)


def say_place(outcome: "Outcome") -> str:
    """Say where an attempt was made: the machine, and the Dask worker."""
    host = outcome.host or "an unknown host"
    return f"{host} ({outcome.node})" if outcome.node else host


def _find_log(outcome: "Outcome", folder: Path) -> Path | None:
    """Find the log that an attempt has left."""
    path = folder / outcome.folder / LOG_NAME
    return path if outcome.folder and path.is_file() else None


def _find_logs(
    database: "Database", folder: Path, jobs: "Sequence[RunJob]"
) -> Mapping[str, Path]:
    """Find the logs of the newest attempts at jobs that failed, by key."""
    failed = {j.key: j.fingerprint for j in jobs if j.state == "FAILED"}
    found: dict[str, Path] = {}
    for key, fingerprint in failed.items():
        if fingerprint and database.jobs.find_jobs(fingerprint):
            *_, newest = database.jobs.get_job(fingerprint).attempts
            if path := _find_log(newest.outcome, folder):
                found[key] = path
    return found


def _join_caveats(database: "Database", jobs: "Sequence[RunJob]") -> list[str]:
    """Join what the plan of a run knew of its jobs with what the jobs found."""
    from ..models.runs import JobState
    from ..reports import tell_caveats

    over = {JobState.SUCCEEDED, JobState.REUSED}
    done = [j.fingerprint for j in jobs if j.fingerprint and j.state in over]
    found = database.jobs.find_caveats(done)
    joined = ((j.key, (*j.caveats, *found.get(j.fingerprint or "", ()))) for j in jobs)
    return [line for key, caveats in joined for line in tell_caveats(key, caveats)]


def find_recorded(
    database: "Database", target: str, data_dir: Path | None = None
) -> "Found | Run":
    """Find what a name stands for; refuse one that stands for different things.

    What the store of the data folder holds, and nobody has recorded, is named.
    """
    from workers.contract import Stage

    if Path(target).is_file():
        return _find_by_bytes(database, Path(target), data_dir)
    stage, _, name = target.partition(":")
    if name and stage in set(Stage):
        found = database.jobs.find_namesakes(Stage(stage), name)
        if not found:
            fail(f"No attempt at {target} is recorded; see `rewebb status`.")
        return Found(found[0], others=tuple(found[1:]))
    if products := database.jobs.find_products(name=Path(target).name):
        first, *_ = products
        makers = dict.fromkeys(one.fingerprint for one in products)
        return Found(first.fingerprint, first, others=(*makers,)[1:])
    return _find_by_id(database, target, data_dir)


def _find_by_bytes(database: "Database", path: Path, data_dir: Path | None) -> Found:
    """Find the product that a file is, wherever it lies."""
    from workers.content import file_sha256

    found = database.jobs.find_products(sha256=file_sha256(path))
    if not found:
        _refuse_unrecorded(path.name, data_dir)
        fail(
            f"{path} was not made here, or was changed since: no recorded product has "
            "its sha256."
        )
    return Found(found[0].fingerprint, found[0])


def _refuse_unrecorded(name: str, data_dir: Path | None) -> None:
    """Say that a product is in the store, if it is, and not in the database."""
    from glob import escape

    if data_dir is None or not name:
        return
    for path in data_dir.glob(f"{STORE}/*/*/{escape(name)}"):
        fail(
            f"{path} was made, and is not recorded, since the run that made it was "
            "killed before: `rewebb db rebuild` records it, and so does the next run "
            "of its program."
        )


def _find_by_id(
    database: "Database", target: str, data_dir: Path | None
) -> "Found | Run":
    """Find a job, an attempt or a run by the beginning of its id."""
    jobs = database.jobs.find_jobs(target)
    attempts = database.jobs.find_attempts(target)
    runs = database.runs.find_runs(target)
    listed = [
        *(f"job {found} ({key})" for found, key in jobs.items()),
        *(f"attempt {found} of job {job[:12]}" for found, job in attempts.items()),
        *(f"run {run.id} of program {run.program}" for run in runs),
    ]
    if not listed:
        _refuse_unrecorded(Path(target).name, data_dir)
        fail(
            f"No file {target}, and no recorded product, job, attempt or run of this "
            "name; see `rewebb runs` and `rewebb status`."
        )
    if len(listed) > 1 and target not in {*jobs, *attempts}:
        fail(f"{target} is ambiguous, give more of it: {'; '.join(listed)}")
    if runs:
        return runs[0]
    for attempt, fingerprint in attempts.items():
        return Found(fingerprint, attempt=attempt)
    return Found(target if target in jobs else next(iter(jobs)))
