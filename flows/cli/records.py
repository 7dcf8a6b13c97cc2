"""`rewebb status`, `rewebb runs` and `rewebb show`: what is recorded."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import AsJson, DataDir
from .output import fail, print_json, print_rows, said_in_one_sentence, say

if TYPE_CHECKING:
    from flows.models.exposures import FetchedFile
    from flows.models.jobs import JobRecord, StoredProduct
    from flows.models.runs import Run, RunJob
    from flows.provenance import Database
    from workers.contract import Job

__all__ = ["runs", "show", "status"]


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
    from flows.factory import open_database
    from flows.names import check_program

    with said_in_one_sentence():
        if program is not None:
            check_program(program)
        with open_database(load_settings(data_dir=data_dir)) as database:
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
    from flows.factory import open_database

    with (
        said_in_one_sentence(),
        open_database(load_settings(data_dir=data_dir)) as database,
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
    say(
        f"run {record.id[:8]} of program {record.program}: {record.state}"
        f"{', ' + record.message if record.message else ''}"
    )


def show(
    file: Annotated[str, typer.Argument(help="A product: its path, or just its name.")],
    *,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Explain a product: job, inputs, members, parameters, references, attempts."""
    from config.settings import load_settings
    from flows.factory import open_database

    with (
        said_in_one_sentence(),
        open_database(load_settings(data_dir=data_dir)) as database,
    ):
        product = _find(database, file)
        record = database.jobs.get_job(product.fingerprint)
        origins = database.fetched.find_fetched(
            file.sha256 for file in record.job.inputs
        )
        use = database.runs.find_last_use(product.fingerprint)
    if as_json:
        told = {"product": product, "record": record, "origins": origins}
        last = use and {"run": use[0], "job": use[1]}
        print_json({**told, "last_use": last})
    else:
        _print_record(product, record, origins)
        _print_use(use)


def _join_caveats(database: "Database", jobs: "Sequence[RunJob]") -> list[str]:
    """Join what the plan of a run knew of its jobs with what the jobs found."""
    from flows.models.runs import JobState
    from flows.reports import tell_caveats

    over = {JobState.SUCCEEDED, JobState.REUSED}
    done = [j.fingerprint for j in jobs if j.fingerprint and j.state in over]
    found = database.jobs.find_caveats(done)
    joined = ((j.key, (*j.caveats, *found.get(j.fingerprint or "", ()))) for j in jobs)
    return [line for key, caveats in joined for line in tell_caveats(key, caveats)]


def _find(database: "Database", file: str) -> "StoredProduct":
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
        return found[0]
    found = database.jobs.find_products(name=path.name)
    if not found:
        fail(f"No file {file}, and no recorded product of the name {path.name}.")
    return found[0]


def _print_record(
    product: "StoredProduct",
    record: "JobRecord",
    origins: Mapping[str, "FetchedFile"],
) -> None:
    job = record.job
    say(f"{product.product.name}  ({product.product.size_bytes} bytes)")
    say(f"sha256       {product.product.sha256}")
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
            f"{outcome.finished_at}: {usage.elapsed_s:.1f} s, {usage.cpu_s:.1f} CPU s, "
            f"{usage.peak_bytes / 1e9:.2f} of {usage.granted_bytes / 1e9:.2f} GB"
        )
        say(f"    log {outcome.folder}/job.log")
        steps = ", ".join(f"{s.step} {s.status}" for s in outcome.steps)
        say(f"    steps {steps or '-'}")
        for caveat in outcome.caveats:
            say(f"    caveat {caveat.kind}: {caveat.message}")
        if outcome.error:
            say(f"    error {outcome.error.type}: {outcome.error.message}")
