"""`rewebb show`: all that is recorded of a product, a job, an attempt or a run."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workers.job_layout import LOG_NAME

from ..errors import ProductFileError
from .advise import print_advice, to_records
from .options import AsJson, DataDir
from .output import can_say, fail, print_json, print_rows, say, say_title, warn
from .records import find_recorded, open_recorded, say_place

if TYPE_CHECKING:
    from workers.contract import Job

    from ..advice import Advice
    from ..models.exposures import FetchedFile
    from ..models.jobs import Attempt, JobRecord, StoredProduct
    from ..models.measurements import MeasuredProduct
    from ..models.runs import Export, Run, RunJob

__all__ = ["show"]

_MOST_DRAWN = 6
"""Spectra of a product that are drawn."""


def show(
    target: Annotated[
        str,
        typer.Argument(
            help="A product (its path, or just its name), a job (stage:name), or the "
            "beginning of a fingerprint or of the id of an attempt or a run.",
            metavar="PRODUCT|JOB|FINGERPRINT|ATTEMPT|RUN",
        ),
    ],
    *,
    parameters: Annotated[
        bool,
        typer.Option("--parameters", help="Show all parameters, also the defaults."),
    ] = False,
    recipe: Annotated[
        bool,
        typer.Option("--recipe", help="Print the recipe of a run, as it was then."),
    ] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Explain a product, a job, an attempt or a run: all that is recorded of it."""
    from config.known_issues import load_known_issues

    from ..models.runs import Run
    from ..reports import advise_recorded

    with open_recorded(data_dir) as (database, folder):
        issues = load_known_issues()
        found = find_recorded(database, target, folder)
        if recipe:
            if not isinstance(found, Run):
                fail(f"--recipe is of a run, which {target} is not: see `rewebb runs`.")
            _show_recipe(found, as_json=as_json)
            return
        if isinstance(found, Run):
            jobs = database.runs.get_run_jobs(found.id)
            made = [job.fingerprint for job in jobs if job.fingerprint]
            advice = advise_recorded(
                issues, database, made, context=found.context, run=found
            )
            exports = database.runs.list_exports().get(found.id, ())
            _show_run(found, jobs, exports, folder, advice, as_json=as_json)
            return
        record = database.jobs.get_job(found.fingerprint)
        if found.attempt is not None:
            (one,) = (a for a in record.attempts if a.outcome.attempt == found.attempt)
            _show_attempt(one, record.job, folder, as_json=as_json)
            return
        inputs = (file.sha256 for file in record.job.inputs)
        origins = database.files.find_fetched(inputs)
        use = database.runs.find_last_use(found.fingerprint)
        others = [database.jobs.get_job(other).job for other in found.others]
        measured = [
            one
            for one in database.measurements.find([found.fingerprint]).values()
            if found.product is None or one.product == found.product.product.name
        ]
        advice = advise_recorded(
            issues,
            database,
            [found.fingerprint],
            context=record.job.context,
            run=use[0] if use else None,
        )
    from ..provenance import find_removed

    removed_at = find_removed(folder, found.fingerprint)
    if as_json:
        told = {"product": found.product, "record": record, "origins": origins}
        last = use and {"run": use[0], "job": use[1]}
        said = _to_records(advice)
        removed = {"removed_at": removed_at}
        more = {"last_use": last, "others": found.others, "known_issues": said}
        print_json({**told, **more, **removed, "measured": measured})
        return
    if removed_at is not None:
        say(f"removed by `rewebb gc` on {removed_at:%Y-%m-%d %H:%M} UTC; a run that")
        say("needs it makes it again")
    if found.product is not None:
        _print_product(found.product, folder)
        if removed_at is None:
            _print_spectra(found.product, folder)
    _print_record(record, folder, origins, all_parameters=parameters)
    _print_measured(measured)
    _print_use(use)
    _print_known_issues(advice)
    _print_others(others, of="product" if found.product else "job")


def _show_run(
    run: "Run",
    jobs: "Sequence[RunJob]",
    exports: "Sequence[Export]",
    folder: Path,
    advice: "Sequence[Advice] | None",
    *,
    as_json: bool,
) -> None:
    from ..layout import get_run_folder

    if as_json:
        told = {"run": run, "jobs": jobs, "exports": exports}
        print_json({**told, "known_issues": _to_records(advice)})
        return
    counts = Counter(str(job.state) for job in jobs)
    place = folder / get_run_folder(run)
    asked = {name: value for name, value in run.request.items() if value}
    for title, text in (
        ("run", run.id),
        ("program", run.program),
        ("state", f"{run.state}{': ' + run.message if run.message else ''}"),
        ("started", f"{run.started_at:%Y-%m-%d %H:%M:%S} UTC by {run.requested_by}"),
        ("finished", f"{run.finished_at:%Y-%m-%d %H:%M:%S} UTC")
        if run.finished_at
        else ("finished", "-"),
        ("context", run.context),
        ("recipe", f"{run.recipe_name}  (sha256 {run.recipe_sha256})"),
        ("asked for", ", ".join(f"{n} {v}" for n, v in asked.items())),
        ("environment", ", ".join(f"{n} {v}" for n, v in run.environment.items())),
        ("jobs", ", ".join(f"{n} {state}" for state, n in sorted(counts.items()))),
        ("products", place if place.is_dir() else "-"),
    ):
        say(f"{title:12} {text}")
    for export in exports:
        kinds, at = ", ".join(export.kinds), f"{export.exported_at:%Y-%m-%d %H:%M}"
        say(f"exported     {export.target}  ({at} UTC: {kinds})")
    for note in run.notes:
        say(f"note         {note}")
    _print_known_issues(advice)
    say()
    say(f"its jobs: `rewebb status {run.id[:8]}`")


def _show_recipe(run: "Run", *, as_json: bool) -> None:
    """Print the text of a run's recipe, which is a recipe to run again."""
    if not run.recipe_text:
        fail(
            f"The run {run.id} did not keep its recipe {run.recipe_name}: it was made "
            f"by an older version, which kept its sha256 alone: {run.recipe_sha256}."
        )
    if as_json:
        print_json({"name": run.recipe_name, "text": run.recipe_text})
        return
    for line in run.recipe_text.splitlines():
        say(line)


def _to_records(
    advice: "Sequence[Advice] | None",
) -> "list[dict[str, object]] | None":
    return None if advice is None else to_records(advice)


def _print_known_issues(advice: "Sequence[Advice] | None") -> None:
    """Print the known issues of what was made, as they stand today."""
    say()
    if advice is None:
        say("known issues: not known, since no header of its raw files is recorded")
        return
    say("known issues of its exposures, as published today; see `rewebb issues`:")
    print_advice(advice)


def _show_attempt(
    attempt: "Attempt", job: "Job", folder: Path, *, as_json: bool
) -> None:
    if as_json:
        print_json({"attempt": attempt})
        return
    say(f"job          {job.stage}:{job.name}")
    say(f"fingerprint  {job.fingerprint}")
    _print_attempt(attempt, folder)
    error = attempt.outcome.error
    for line in error.traceback.splitlines() if error else ():
        say(f"    {line}")


def _print_product(one: "StoredProduct", folder: Path) -> None:
    say(f"{one.product.name}  ({one.product.size_bytes} bytes)")
    say(f"path         {folder / one.folder / one.product.name}")
    say(f"sha256       {one.product.sha256}")


def _print_spectra(one: "StoredProduct", folder: Path) -> None:
    """Draw the spectra or light curves of a product, a line each, if it holds any."""
    from ..reports.curves import draw_sparkline, read_curves

    path = folder / one.folder / one.product.name
    if not path.is_file() or path.stat().st_size != one.product.size_bytes:
        warn("its file is not in the store as it was made; see `rewebb audit`")
        return
    try:
        curves, total = read_curves(path, limit=_MOST_DRAWN)
    except ProductFileError as error:
        warn(f"its spectra are not drawn: {error}")
        return
    for curve in curves:
        if line := draw_sparkline(curve):
            x, y = curve.x, [value for value in curve.y if value is not None]
            say()
            say(f"{curve.title}:")
            say(f"    {line}" if can_say(line) else "    (no terminal of UTF-8)")
            say(f"    {curve.x_label} {x[0]:.6g} to {x[-1]:.6g}")
            say(f"    {curve.y_label} {min(y):.4g} to {max(y):.4g}")
    if total > len(curves):
        say()
        say(f"and {total - len(curves)} others; see `rewebb web`")


def _print_others(others: "Sequence[Job]", *, of: str) -> None:
    """List the other jobs that the name could stand for, newest first."""
    if not others:
        return
    what = "have made a product of this name" if of == "product" else "have this name"
    title = f"other jobs {what}; this is the newest"
    rows = [(job.fingerprint[:16], job.context) for job in others]
    print_rows(("fingerprint", "context"), rows, title=title)


def _print_record(
    record: "JobRecord",
    folder: Path,
    origins: Mapping[str, "FetchedFile"],
    *,
    all_parameters: bool,
) -> None:
    job = record.job
    say(f"job          {job.stage}:{job.name}")
    say(f"fingerprint  {job.fingerprint}")
    say(f"context      {job.context}  ({job.crds_path})")
    say(f"versions     {', '.join(f'{n} {v}' for n, v in job.versions.items())}")
    if job.association_name:
        say(f"association  {job.association_name}")
    _print_inputs(job)
    _print_edits(job)
    _print_origins(origins)
    _print_references(job)
    _print_parameters(job, all_parameters=all_parameters)
    say_title("attempts")
    for attempt in record.attempts:
        _print_attempt(attempt, folder)


def _print_measured(measured: "Sequence[MeasuredProduct]") -> None:
    """Print the numbers that products gave, if they were measured."""
    if measured:
        print_rows(
            ("product", "measurement", "part", "value", "unit"),
            [
                (
                    *(one.product, one.name, one.part),
                    *("-" if one.value is None else f"{one.value:.5g}", one.unit),
                )
                for product in measured
                for one in product.numbers
            ],
            title="measurements; see `rewebb measure --list`",
        )


def _print_use(use: "tuple[Run, RunJob] | None") -> None:
    """Say which run used the product last, and what the plan of that run knew."""
    if use is None:
        say()
        say("used last by no run that is recorded: only the plan of a run says whether")
        say("it is PARTIAL or of MIXED_PROVENANCE; see `rewebb plan`")
        return
    run, job = use
    say()
    say(
        f"used last by run {run.id[:8]} of {run.started_at:%Y-%m-%d %H:%M} UTC in "
        f"{run.context}: {job.state} ({job.why}), recipe {run.recipe_name}"
    )
    for caveat in job.caveats:
        say(f"    caveat {caveat.kind}: {caveat.message}")


def _print_inputs(job: "Job") -> None:
    print_rows(
        ("exptype", "file", "sha256", "why"),
        [(f.exptype, f.name, f.sha256, f.reason) for f in job.inputs],
        title="inputs",
    )


def _print_edits(job: "Job") -> None:
    """Say what was changed in copies of the inputs."""
    from ..planning import describe_edit

    if job.edits:
        say()
        say("edits, in copies of the inputs:")
        for edit in job.edits:
            say(f"    {describe_edit(edit)}")


def _print_origins(origins: Mapping[str, "FetchedFile"]) -> None:
    """Say where raw files were fetched."""
    if origins:
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
            title="fetched",
        )


def _print_references(job: "Job") -> None:
    used = [(use.reftype, use.file) for use in job.references if use.file]
    used += [(use.reftype, use.file) for use in job.pars]
    used += [("mapping", file) for file in job.mappings]
    print_rows(
        ("type", "file", "sha1"),
        [(kind, file.name, file.sha1) for kind, file in used],
        title="references, parameter references and mappings",
    )
    unneeded = [use.reftype for use in job.references if use.file is None]
    say(f"N/A: {', '.join(unneeded) or 'none'}")


def _print_parameters(job: "Job", *, all_parameters: bool) -> None:
    """Print what a parameter reference or the recipe sets, with which; or all."""
    from workers.parameters import flatten_parameters

    effective = flatten_parameters(job.parameters)
    origins, unknown = _find_origins(job)
    say_title("parameters that are set, and by what")
    for name, value in effective.items():
        if name in origins:
            say(f"    {name} = {value!r}  ({origins[name]})")
    for reftype, why in unknown.items():
        say(f"    what {reftype} sets is not known: {why}")
    defaults = {n: value for n, value in effective.items() if n not in origins}
    if not all_parameters:
        say(f"and {len(defaults)} others; see --parameters")
        return
    say("the others:")
    for name, value in defaults.items():
        say(f"    {name} = {value!r}")


def _find_origins(job: "Job") -> tuple[dict[str, str], dict[str, str]]:
    """Say what sets each parameter that is set, and which files are not known.

    Jobs of older versions did not record it: there the files are read. The recipe wins
    over files of the pipeline, and these over files of steps.
    """
    if job.origins is not None:
        return dict(job.origins), {}
    from workers.parameters import flatten_parameters

    steps: Any = job.parameters.get("steps", {})
    origins: dict[str, str] = {}
    unknown: dict[str, str] = {}
    for use in sorted(job.pars, key=lambda use: use.reftype.endswith("pipeline")):
        kind = use.reftype.removeprefix("pars-")
        aliases = (name for name in steps if f"{name.replace('_', '')}step" == kind)
        alias = "" if kind.endswith("pipeline") else next(aliases, None)
        names = _read_names(Path(job.crds_path), use.file.name, use.file.sha1)
        if names is None or alias is None:
            why = "it is not in the cache" if names is None else "no step is named so"
            unknown[use.file.name] = why
            continue
        origins |= {f"{alias}.{n}".removeprefix("."): use.file.name for n in names}
    return origins | dict.fromkeys(flatten_parameters(job.overrides), "recipe"), unknown


def _read_names(cache: Path, name: str, sha1: str) -> list[str] | None:
    """List the parameters in a file of the cache, if it is there as it was used."""
    import hashlib

    import asdf  # only when it is wanted

    from workers.parameters import flatten_parameters

    for path in (cache / "references" / "jwst").rglob(name):
        if hashlib.sha1(path.read_bytes()).hexdigest() == sha1:  # noqa: S324  # of CRDS
            with asdf.open(path) as file:
                tree = file.tree
                steps = {s["name"]: s["parameters"] for s in tree.get("steps", ())}
                own = tree.get("parameters", {})
                return [*flatten_parameters({**own, "steps": steps})]
    return None


def _print_attempt(attempt: "Attempt", folder: Path) -> None:
    outcome, usage = attempt.outcome, attempt.outcome.usage
    run = f" in run {attempt.run_id[:8]}" if attempt.run_id else ""
    say(
        f"  {outcome.attempt} {outcome.status} on {say_place(outcome)} at "
        f"{outcome.finished_at.isoformat()}: {usage.elapsed_s:.1f} s, "
        f"{usage.cpu_s:.1f} CPU s, "
        f"{usage.peak_bytes / 1e9:.2f} of {usage.granted_bytes / 1e9:.2f} GB{run}"
    )
    say(f"    log {folder / outcome.folder / LOG_NAME if outcome.folder else '-'}")
    steps = ", ".join(f"{s.step} {s.status}" for s in outcome.steps)
    say(f"    steps {steps or '-'}")
    for caveat in outcome.caveats:
        say(f"    caveat {caveat.kind}: {caveat.message}")
    if outcome.error:
        say(f"    error {outcome.error.type}: {outcome.error.message}")
