"""`rewebb status`, `runs`, `show` and `logs`: what is recorded."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workers.job_layout import LOG_NAME

from .options import AsJson, DataDir
from .output import fail, print_json, print_rows, said_in_one_sentence, say

if TYPE_CHECKING:
    from flows.models.exposures import FetchedFile
    from flows.models.jobs import JobRecord, StoredProduct
    from flows.models.runs import Run, RunJob
    from flows.provenance import Database
    from workers.contract import Job

__all__ = ["logs", "runs", "show", "status"]

_FINGERPRINT = re.compile("[0-9a-f]{8,64}")
"""A fingerprint, or enough of its beginning."""


def runs(
    program: Annotated[
        str | None, typer.Argument(help="Only of this program.", metavar="PROGRAM")
    ] = None,
    *,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List the newest runs."""
    from config.settings import load_settings
    from flows.factory import open_records
    from flows.names import check_program

    with said_in_one_sentence():
        if program is not None:
            check_program(program)
        with open_records(load_settings(data_dir=data_dir)) as database:
            found = database.runs.list_runs(program)
    if as_json:
        print_json(found)
        return
    print_rows(
        ("run", "program", "state", "started (UTC)", "context", "recipe", "message"),
        [
            (
                run.id[:8],
                run.program,
                run.state,
                f"{run.started_at:%Y-%m-%d %H:%M:%S}",
                run.context,
                run.recipe_name,
                run.message or "",
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
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show how far a run is, job by job."""
    from config.settings import load_settings
    from flows.factory import open_records

    with (
        said_in_one_sentence(),
        open_records(load_settings(data_dir=data_dir)) as database,
    ):
        newest = database.runs.list_runs(limit=1)
        if run is None and not newest:
            fail("There is no run yet; start one with `rewebb run PROGRAM`.")
        record = database.runs.get_run(run) if run else newest[0]
        jobs = database.runs.get_run_jobs(record.id)
        caveats = _join_caveats(database, jobs)
    if as_json:
        print_json({"run": record, "jobs": jobs, "caveats": caveats})
        return
    print_rows(("job", "state", "why"), [(job.key, job.state, job.why) for job in jobs])
    if caveats:
        say()
        say("caveats:")
    for line in caveats:
        say(f"  {line}")
    say()
    if any(job.state in {"FAILED", "BLOCKED"} for job in jobs):
        say("why in full: `rewebb logs JOB`")
    say(
        f"run {record.id[:8]} of program {record.program}: {record.state}"
        f"{', ' + record.message if record.message else ''}"
    )


def show(
    target: Annotated[
        str,
        typer.Argument(
            help="A product (its path, or just its name), a job (stage:name), or the "
            "beginning of a fingerprint.",
            metavar="PRODUCT|JOB|FINGERPRINT",
        ),
    ],
    *,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Explain a product or a job: inputs, members, parameters, references, attempts."""
    from config.settings import load_settings
    from flows.factory import open_records

    with (
        said_in_one_sentence(),
        open_records(load_settings(data_dir=data_dir)) as database,
    ):
        fingerprint = _find_job(database, target)
        found = () if fingerprint else _find_products(database, target)
        product = found[0] if found else None
        record = database.jobs.get_job(fingerprint or found[0].fingerprint)
        made = record.job.fingerprint
        origins = database.files.find_fetched(file.sha256 for file in record.job.inputs)
        use = database.runs.find_last_use(made)
    if as_json:
        told = {"product": product, "record": record, "origins": origins}
        last = use and {"run": use[0], "job": use[1]}
        print_json({**told, "last_use": last})
        return
    if product is not None:
        say(f"{product.product.name}  ({product.product.size_bytes} bytes)")
        say(f"sha256       {product.product.sha256}")
    _print_record(record, origins)
    _print_use(use)
    _print_others({one.fingerprint: one for one in found if one.fingerprint != made})


def logs(
    job: Annotated[
        str,
        typer.Argument(
            help="A job (stage:name), or the beginning of its fingerprint.",
            metavar="JOB",
        ),
    ],
    *,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Print the log of the newest attempt at a job, as the pipeline wrote it."""
    from config.settings import load_settings
    from flows.factory import open_records

    with said_in_one_sentence():
        settings = load_settings(data_dir=data_dir)
        with open_records(settings) as database:
            fingerprint = _find_job(database, job)
            if fingerprint is None:
                fail(f"{job} is not a job: give stage:name, as `rewebb status` does.")
            attempts = database.jobs.get_job(fingerprint).attempts
    outcome = attempts[-1].outcome
    path = settings.data_dir / outcome.folder / LOG_NAME
    if not outcome.folder or not path.is_file():
        why = f": {outcome.error.message}" if outcome.error else ""
        fail(f"The newest attempt at {job}, {outcome.status}, left no log{why}")
    lines = path.read_text("utf-8", "backslashreplace").splitlines()
    if as_json:
        print_json({"status": outcome.status, "path": path, "lines": lines})
        return
    for line in lines:
        say(line)


def _join_caveats(database: "Database", jobs: "Sequence[RunJob]") -> list[str]:
    """Join what the plan of a run knew of its jobs with what the jobs found."""
    from flows.models.runs import JobState
    from flows.reports import tell_caveats

    over = {JobState.SUCCEEDED, JobState.REUSED}
    done = [j.fingerprint for j in jobs if j.fingerprint and j.state in over]
    found = database.jobs.find_caveats(done)
    joined = ((j.key, (*j.caveats, *found.get(j.fingerprint or "", ()))) for j in jobs)
    return [line for key, caveats in joined for line in tell_caveats(key, caveats)]


def _find_job(database: "Database", target: str) -> str | None:
    """Find the fingerprint of the job that is named, if it is one."""
    from workers.contract import Stage

    stage, _, name = target.partition(":")
    if name and stage in set(Stage):
        found = database.jobs.find_newest(Stage(stage), name)
        if found is None:
            fail(f"No attempt at {target} is recorded; see `rewebb status`.")
        return found
    if _FINGERPRINT.fullmatch(target) and not Path(target).exists():
        return database.jobs.get_job(target).job.fingerprint
    return None


def _find_products(database: "Database", file: str) -> "Sequence[StoredProduct]":
    """Find a product by its bytes when the file is there, else by its name."""
    from workers.content import file_sha256

    path = Path(file)
    if path.is_file():
        found = database.jobs.find_products(sha256=file_sha256(path))
        if not found:
            fail(
                f"{path} was not made here, or was changed since: no recorded product "
                "has its sha256."
            )
        return found[:1]
    found = database.jobs.find_products(name=path.name)
    if not found:
        fail(f"No file {file}, and no recorded product of the name {path.name}.")
    return found


def _print_others(others: Mapping[str, "StoredProduct"]) -> None:
    """List the other jobs that have made a product of the name, newest first."""
    if others:
        say()
        say("other jobs have made a product of this name; this is the newest:")
        print_rows(
            ("fingerprint", "context", "finished (UTC)", "sha256"),
            [
                (
                    *(one.fingerprint[:16], one.context),
                    f"{one.finished_at:%Y-%m-%d %H:%M:%S}",
                    one.product.sha256,
                )
                for one in others.values()
            ],
        )


def _print_record(record: "JobRecord", origins: Mapping[str, "FetchedFile"]) -> None:
    job = record.job
    say(f"job          {job.stage}:{job.name}")
    say(f"fingerprint  {job.fingerprint}")
    say(f"context      {job.context}  ({job.crds_path})")
    say(f"versions     {', '.join(f'{n} {v}' for n, v in job.versions.items())}")
    if job.association_name:
        say(f"association  {job.association_name}")
    _print_inputs(job)
    _print_origins(origins)
    _print_references(job)
    _print_parameters(job)
    _print_attempts(record)


def _print_use(use: "tuple[Run, RunJob] | None") -> None:
    """Say which run used the product last, and what the plan of that run knew."""
    if use is None:
        say()
        say("used last by no run that is recorded: whether it is PARTIAL or of")
        say("MIXED_PROVENANCE is known to the plan of a run only; see `rewebb plan`")
        return
    run, job = use
    say()
    say(
        f"used last by run {run.id[:8]} of {run.started_at:%Y-%m-%d %H:%M} UTC in "
        f"{run.context}: {job.state} ({job.why})"
    )
    for caveat in job.caveats:
        say(f"    caveat {caveat.kind}: {caveat.message}")


def _print_inputs(job: "Job") -> None:
    say()
    say("inputs:")
    print_rows(
        ("exptype", "file", "sha256", "why"),
        [(f.exptype, f.name, f.sha256, f.reason) for f in job.inputs],
    )


def _print_origins(origins: Mapping[str, "FetchedFile"]) -> None:
    """Say where raw files were fetched."""
    if origins:
        say()
        say("fetched:")
        print_rows(
            ("file", "version", "from", "URI", "when (UTC)", "verified"),
            [
                (
                    *(file.name, file.version, file.source, file.uri),
                    f"{file.fetched_at:%Y-%m-%d %H:%M:%S}",
                    ", ".join(file.checks) or "-",
                )
                for file in origins.values()
            ],
        )


def _print_references(job: "Job") -> None:
    used = [(use.reftype, use.file) for use in job.references if use.file]
    used += [(use.reftype, use.file) for use in job.pars]
    used += [("mapping", file) for file in job.mappings]
    say()
    say("references, parameter references and mappings:")
    print_rows(
        ("type", "file", "sha1"),
        [(kind, file.name, file.sha1) for kind, file in used],
    )
    unneeded = [use.reftype for use in job.references if use.file is None]
    say(f"N/A: {', '.join(unneeded) or 'none'}")


def _print_parameters(job: "Job") -> None:
    from flows.planning import flatten_parameters

    overridden = flatten_parameters(job.overrides)
    say()
    say("effective parameters (* set by the recipe):")
    for name, value in flatten_parameters(job.parameters).items():
        say(f"  {'*' if name in overridden else ' '} {name} = {value!r}")


def _print_attempts(record: "JobRecord") -> None:
    say()
    say("attempts:")
    for attempt in record.attempts:
        outcome = attempt.outcome
        usage = outcome.usage
        say(
            f"  {outcome.attempt} {outcome.status} on {outcome.host} at "
            f"{outcome.finished_at.isoformat()}: {usage.elapsed_s:.1f} s, "
            f"{usage.cpu_s:.1f} CPU s, "
            f"{usage.peak_bytes / 1e9:.2f} of {usage.granted_bytes / 1e9:.2f} GB"
        )
        say(f"    log {outcome.folder}/{LOG_NAME}")
        steps = ", ".join(f"{s.step} {s.status}" for s in outcome.steps)
        say(f"    steps {steps or '-'}")
        for caveat in outcome.caveats:
            say(f"    caveat {caveat.kind}: {caveat.message}")
        if outcome.error:
            say(f"    error {outcome.error.type}: {outcome.error.message}")
