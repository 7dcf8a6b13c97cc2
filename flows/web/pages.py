"""Pages of programs, observations and runs, and of what is running or out of date."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, Response

from ..layout import get_run_folder
from ..models.listings import ListedProgram, RunCounts
from ..models.products import ProductQuery
from ..models.runs import UNFINISHED, JobState, Run, RunState
from ..names import check_program
from ..reports import RunProgress, advise_recorded, find_progress
from .files import has_report, read_changes
from .site import find_site
from .sky import draw_sky

__all__ = [
    "list_programs",
    "list_runs",
    "router",
    "show_live",
    "show_observation",
    "show_overview",
    "show_program",
    "show_run",
    "show_sky",
    "show_stale",
]

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

_SHOWN: Final = 50
"""Programs and runs of a page."""

_JOBS: Final = 100
"""Jobs of a page."""

_OBSERVED: Final = 200
"""Products of the page of an observation, the newest."""

_OPEN: Final = 20_000
"""Jobs of a run that are not over, of which it is told how long they take."""

_PLACES: Final = 3_000
"""Places of the map of the sky."""

_After = Annotated[str, Query(max_length=300)]


@dataclass(frozen=True, slots=True)
class _LiveRun:
    """A run that is under way."""

    run: Run
    """The run."""
    counts: RunCounts
    """How far its jobs are."""
    progress: RunProgress
    """Its jobs that are not over, and how long they may still take."""


@router.get("/")
def show_overview(request: Request) -> Response:
    """Show the programs, and what happened last."""
    site = find_site(request)
    listings, runs = site.database.listings, site.database.runs
    return site.render(
        request,
        "overview.html",
        programs=listings.list_programs(limit=_SHOWN),
        runs=runs.list_runs(limit=10),
        running=len(runs.list_runs(states=[RunState.RUNNING])),
        more=_SHOWN,
    )


@router.get("/programs")
def list_programs(request: Request, after: _After = "") -> Response:
    """List the programs."""
    site = find_site(request)
    found = site.database.listings.list_programs(after=after, limit=_SHOWN)
    return site.render(request, "programs.html", programs=found, more=_SHOWN)


@router.get("/programs/{program}")
def show_program(request: Request, program: str) -> Response:
    """Show the observations and the runs of a program."""
    site = find_site(request)
    check_program(program)
    observations = site.database.listings.list_observations(program)
    runs = site.database.runs.list_runs(program, limit=_SHOWN)
    if not (observations or runs):
        raise HTTPException(404, f"Nothing is recorded of program {program}.")
    return site.render(
        request, "program.html", program=program, observations=observations, runs=runs
    )


@router.get("/programs/{program}/{observation}")
def show_observation(request: Request, program: str, observation: str) -> Response:
    """Show what was made of an observation, of each name the newest."""
    site = find_site(request)
    check_program(program)
    begin = f"jw{program}"
    beginnings = [f"{begin}-{observation}_"]
    if observation.startswith("o"):
        beginnings.append(f"{begin}{observation[1:]}")
    found = site.database.products.find(
        ProductQuery(
            programs=(program,),
            beginnings=tuple(beginnings),
            is_newest=True,
            limit=_OBSERVED,
        )
    )
    if not found:
        raise HTTPException(404, f"No product of {program} {observation} is recorded.")
    return site.render(
        request,
        "observation.html",
        program=program,
        observation=observation,
        products=sorted(found, key=lambda one: one.product.name),
        is_all=len(found) < _OBSERVED,
    )


@router.get("/runs")
def list_runs(request: Request, before: _After = "") -> Response:
    """List the runs, newest first."""
    site = find_site(request)
    found = site.database.runs.list_runs(before=_parse_time(before), limit=_SHOWN)
    return site.render(request, "runs.html", runs=found, more=_SHOWN)


@router.get("/runs/{run_id}")
def show_run(
    request: Request, run_id: str, after: _After = "", state: _After = ""
) -> Response:
    """Show how far the jobs of a run are, and why each was due."""
    site = find_site(request)
    run = site.database.runs.get_run(run_id)
    states = [JobState(state)] if state in set(JobState) else []
    jobs = site.database.listings.list_run_jobs(
        run.id, states=states, after=after, limit=_JOBS
    )
    made = [job.fingerprint for job in jobs if job.fingerprint]
    folder = get_run_folder(run)
    return site.render(
        request,
        "run.html",
        run=run,
        jobs=jobs,
        state=state,
        more=_JOBS,
        counts=site.database.listings.count_jobs([run.id])[run.id],
        found=site.database.jobs.find_caveats(made),
        done=site.database.jobs.find_outcomes(made),
        exports=site.database.runs.list_exports().get(run.id, ()),
        advice=advise_recorded(
            site.issues, site.database, made, context=run.context, run=run
        ),
        folder=folder if (site.data_dir / folder).is_dir() else None,
        report=has_report(site, run),
        changed=read_changes(site, run),
    )


@router.get("/live")
def show_live(request: Request) -> Response:
    """Show what is running, and how long that will take."""
    site = find_site(request)
    listings = site.database.listings
    runs = site.database.runs.list_runs(states=[RunState.RUNNING])
    counts = listings.count_jobs([run.id for run in runs])
    now = datetime.now(UTC)
    live = [
        _LiveRun(
            run,
            counts[run.id],
            find_progress(
                listings.list_run_jobs(run.id, states=UNFINISHED, limit=_OPEN), now
            ),
        )
        for run in runs
    ]
    return site.render(request, "live.html", live=live, now=now)


@router.get("/stale")
def show_stale(request: Request, after: _After = "") -> Response:
    """Show which programs were last run in an older context, or did not succeed."""
    site = find_site(request)
    programs = site.database.listings.list_programs(after=after, limit=_SHOWN)
    contexts = site.database.listings.list_contexts()
    return site.render(
        request,
        "stale.html",
        programs=programs,
        newest=contexts[-1] if contexts else "",
        why=_list_reasons(programs, contexts),
        more=_SHOWN,
    )


def _list_reasons(
    programs: Sequence[ListedProgram], contexts: Sequence[str]
) -> Mapping[str, tuple[str, ...]]:
    """Say of programs why what was made of them may be out of date."""
    found: dict[str, tuple[str, ...]] = {}
    for one in programs:
        last = one.last
        reasons: list[str] = []
        newer = contexts[contexts.index(last.context) + 1 :]
        if newer:
            reasons.append(f"last run in {last.context}; {newer[-1]} is in use since")
        if last.state not in {RunState.SUCCEEDED, RunState.RUNNING}:
            reasons.append(f"its last run is {last.state}")
        found[one.program] = tuple(reasons)
    return found


@router.get("/sky")
def show_sky(request: Request) -> Response:
    """Show where on the sky there are products."""
    site = find_site(request)
    places = site.database.listings.list_sky(limit=_PLACES)
    return site.render(
        request,
        "sky.html",
        places=places,
        map=draw_sky(places),
        is_all=len(places) < _PLACES,
    )


def _parse_time(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text) if text else None
    except ValueError as error:
        raise HTTPException(400, f"{text[:40]!r} is not a time.") from error
    if at is not None and at.tzinfo is None:
        raise HTTPException(400, f"{text[:40]!r} has no time zone.")
    return at
