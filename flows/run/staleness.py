"""What is recorded of programs, and which of it is out of date."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from config.costs import load_costs
from config.policy import Action
from workers.contract import ReferenceFile, Stage

from ..execution import Cluster
from ..factory import Services
from ..models.runs import JobState, Run, RunJob, RunState
from ..planning import (
    Cause,
    DifferenceKind,
    JudgedJob,
    Plan,
    PlanCost,
    PlanEntry,
    PlannedJob,
    Reason,
    build_plan,
    judge_plan,
    sum_costs,
)
from ..provenance import Database
from .graph import Drawn
from .jobs import expect, make_binder
from .program import Request
from .record import NOT_RESOLVED
from .resolution import ResolvedGraph, prefetch, resolve
from .rules import Context, CrdsFolder, is_rules

__all__ = [
    "RecordedProgram",
    "StaleProgram",
    "find_recorded",
    "has_same_rules",
    "judge_drawn",
]

_DONE = frozenset({JobState.SUCCEEDED, JobState.REUSED})

_MISSING = "ReferenceMissingError"
"""Type of the error of a job whose reference is not in the cache."""


@dataclass(frozen=True, slots=True)
class RecordedProgram:
    """What runs of a program with one recipe have come to."""

    request: Request
    """What a run would ask for that is like the last one."""
    run: str
    """Id of the last run that knew its context."""
    done: Mapping[str, str]
    """Fingerprints of the successes, by key; of several the last."""


@dataclass(frozen=True, slots=True)
class StaleProgram:
    """What of a program is out of date."""

    program: str
    """Five digits."""
    recipe: str
    """Name of the recipe."""
    run: str
    """Id of the last run with it."""
    context: str
    """CRDS context that it was judged in."""
    jobs: tuple[JudgedJob, ...]
    """Its jobs, producers first, then those that nothing asks for."""
    notes: tuple[str, ...]
    """What one must know of this."""
    cost: PlanCost
    """What the jobs that are due are expected to take."""
    plan: Plan = field(repr=False)
    """The jobs that a run would have."""


def find_recorded(
    database: Database, program: str, *, recipe: str | None = None
) -> RecordedProgram | None:
    """Find what is recorded of a program; None if it never came to any job.

    Parameters
    ----------
    recipe
        Name of the recipe; None for that of the last run.
    """
    runs = [
        run
        for run in database.runs.list_runs(program, limit=None)
        if run.context != NOT_RESOLVED and recipe in {None, run.recipe_name}
    ]
    runs = [run for run in runs if run.recipe_name == runs[0].recipe_name]
    if not runs:
        return None
    jobs = (database.runs.get_run_jobs(run.id) for run in reversed(runs))
    done = {job.key: job.fingerprint for each in jobs for job in each if _is_done(job)}
    kept = {key: fingerprint for key, fingerprint in done.items() if fingerprint}
    return RecordedProgram(_make_request(runs), runs[0].id, kept)


def _is_done(job: RunJob) -> bool:
    return job.state in _DONE and job.fingerprint is not None


def _make_request(runs: Sequence[Run]) -> Request:
    """Ask for all that runs have asked for, otherwise as the newest did."""
    requests: list[Mapping[str, Any]] = [run.request for run in runs]
    asked = [tuple(each.get("observations") or ()) for each in requests]
    newest = requests[0]
    return Request(
        runs[0].program,
        () if () in asked else tuple(sorted({each for one in asked for each in one})),
        newest.get("recipe", runs[0].recipe_name),
        allow_partial=bool(newest.get("allow_partial")),
        start_at=Stage(newest.get("start_at", Stage.DETECTOR1)),
        policy=newest.get("policy") or {},
    )


def has_same_rules(
    recorded: RecordedProgram, context: str, *, database: Database, folder: CrdsFolder
) -> bool:
    """Tell from mappings alone that a context selects by the rules that were used.

    So it selects the same for every job that is recorded. False also where that cannot
    be told: a mapping is not in the cache, jobs failed, or were made by older rules.

    Parameters
    ----------
    folder
        The CRDS cache.
    """
    after = folder.read_context(context)
    run = database.runs.get_run(recorded.run)
    if after is None or run.state is not RunState.SUCCEEDED:
        return False
    sets = database.jobs.find_mappings(recorded.done.values())
    return bool(sets) and all(_selects_alike(one, after, folder) for one in sets)


def _selects_alike(
    mappings: Sequence[ReferenceFile], after: Context, folder: CrdsFolder
) -> bool:
    """Return whether a job goes through the same rules in a context.

    Parameters
    ----------
    mappings
        Those that it went through: a context, that of an instrument, and rules.
    """
    if len(mappings) < 2:  # it is not known which
        return False
    pmap, imap, *rmaps = mappings
    before = folder.read_context(pmap.name)
    instrument = imap.name.split("_")[1]
    old = before.rules.get(instrument) if before else None
    new = after.rules.get(instrument)
    if old is None or new is None:
        return False
    # Of a type without rules no mapping tells that it was asked for.
    without = {kind for kind in {*old, *new} if not is_rules(old.get(kind, ""))}
    if any(old.get(kind) != new.get(kind) for kind in without):
        return False
    names = {*new.values()}
    return all(file.name in names and folder.has_rules(file) for file in rmaps)


def judge_drawn(
    drawn: Drawn,
    services: Services,
    open_cluster: Callable[[], Cluster],
    recorded: RecordedProgram,
    *,
    jwst: str | None,
    slots: int | None,
) -> StaleProgram:
    """Judge the jobs of a graph, of which files may not be here.

    Raises
    ------
    PlanError
        Nothing can be resolved.
    """
    remote = {exposure.name for exposure in drawn.remote}
    here = tuple(job for job in drawn.graph if not _reads(job, remote))
    local = replace(drawn, graph=here)
    if services.settings.crds_server_url is not None:
        local = prefetch(local, services, open_cluster, dry_run=True)
    resolved = resolve(local, services, open_cluster)
    if jwst is not None:
        versions = {**resolved.resolved.versions, "jwst": jwst}
        resolved = replace(
            resolved, resolved=replace(resolved.resolved, versions=versions)
        )
    binder = make_binder(resolved, services, open_cluster)
    coming = _list_coming(drawn, resolved, services)
    costs = load_costs(services.settings.costs_file)
    known = {job.key for job in here} - {*coming}
    why = "needs files that are to be fetched first"
    unknown = {
        job.key: expect(PlanEntry(job, JobState.DUE, why), costs)
        for job in drawn.graph
        if job.key not in known and not job.defect
    }
    plan = build_plan(drawn.graph, binder, unknown)
    if slots is None:
        slots = open_cluster().get_slots_to_come() if plan.count(JobState.DUE) else 1
    sizes = [e.size_bytes for e in drawn.remote] + [f.size_bytes for f in local.due]
    return StaleProgram(
        program=drawn.program,
        recipe=drawn.recipe.name,
        run=recorded.run,
        context=resolved.resolved.context,
        jobs=judge_plan(
            plan,
            binder,
            history=services.database.jobs,
            find_done=services.store.find_done,
            recorded=recorded.done,
            coming=coming,
        ),
        notes=(*resolved.drawn.notes, *_note_version(jwst)),
        cost=sum_costs(plan, slots=slots, download_bytes=sum(sizes)),
        plan=plan,
    )


def _reads(job: PlannedJob, exposures: Collection[str]) -> bool:
    """Return whether a job is of one of these exposures, or has it as a member."""
    members = job.association.members if job.association else ()
    names = {job.exposure.name, *(member.exposure for member in members)}
    return not names.isdisjoint(exposures)


def _list_coming(
    drawn: Drawn, resolved: ResolvedGraph, services: Services
) -> dict[str, Reason]:
    """List the jobs that need what is not here, with what that is."""
    coming = {}
    for exposure in drawn.remote:
        key = f"{Stage.DETECTOR1}:{exposure.name}"
        coming[key] = _explain_remote(exposure.path.name, exposure.name, services)
    due = sorted(file.name for file in resolved.drawn.due)
    for key, one in resolved.resolved.by_key.items():
        if one.error is not None and one.error.type == _MISSING:
            names = [name for name in due if name in one.error.message]
            if names:
                text = f"reference {names[0]} is not in the CRDS cache yet"
                coming[key] = _because(Cause.TO_FETCH, names[0], text)
    return coming


def _explain_remote(file: str, exposure: str, services: Services) -> Reason:
    """Say whether the archive has replaced a file, or it was removed here."""
    earlier = services.database.jobs.find_earlier_jobs(Stage.DETECTOR1, exposure)
    if earlier and Path(earlier[0].inputs[0].path).is_file():
        archive = "MAST" if services.settings.archive == "mast" else "the archive"
        text = f"input replaced in {archive}: {file}"
        return _because(DifferenceKind.INPUT, file, text)
    return _because(Cause.TO_FETCH, file, f"input {file} is not here")


def _because(kind: DifferenceKind | Cause, name: str, text: str) -> Reason:
    return Reason(kind, name, None, None, text, Action.RERUN)


def _note_version(jwst: str | None) -> Iterator[str]:
    if jwst is not None:
        yield (
            f"judged as if the workers had jwst {jwst}: its parameters, references and "
            "other packages are taken to be those of the version that they have"
        )
