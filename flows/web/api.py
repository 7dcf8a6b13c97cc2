"""The API: what the pages tell, as JSON of a shape that stays.

The models here are what others rely on: a field of a record that is renamed within
Rewebb keeps its name here.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from workers.parameters import flatten_parameters

from ..models.products import FoundProduct
from ..models.runs import JobState, Run, RunJob, RunState
from ..names import check_program
from ..reports.curves import Curve
from .asked import Asked
from .files import find_product
from .site import find_site
from .views import Look, read_curve

__all__ = [
    "ApiAttempt",
    "ApiCaveat",
    "ApiCurve",
    "ApiFile",
    "ApiJob",
    "ApiLineage",
    "ApiObservation",
    "ApiParameter",
    "ApiProduct",
    "ApiProducts",
    "ApiProgram",
    "ApiReference",
    "ApiRun",
    "ApiRunJob",
    "Problem",
    "find_products",
    "get_curve",
    "get_job",
    "get_lineage",
    "get_product",
    "get_run",
    "list_observations",
    "list_programs",
    "list_run_jobs",
    "list_runs",
    "router",
]


class Problem(BaseModel):
    """Why a request is not answered."""

    detail: str
    """One sentence."""


_PROBLEMS: Final[dict[int | str, dict[str, object]]] = {
    status: {"model": Problem} for status in (400, 404, 409, 410, 414)
}

router = APIRouter(prefix="/api/v1", responses=_PROBLEMS)

_Word = Annotated[str, Query(max_length=300)]
_Limit = Annotated[int, Query(ge=1, le=200)]
_Index = Annotated[int, Query(ge=0, le=1_000_000)]


class ApiRun(BaseModel):
    """A run."""

    id: str
    program: str
    state: RunState
    recipe: str
    context: str
    requested_by: str
    started_at: datetime
    finished_at: datetime | None
    message: str | None

    @classmethod
    def of(cls, run: Run) -> "ApiRun":
        """Tell of a run."""
        return cls(
            id=run.id,
            program=run.program,
            state=run.state,
            recipe=run.recipe_name,
            context=run.context,
            requested_by=run.requested_by,
            started_at=run.started_at,
            finished_at=run.finished_at,
            message=run.message,
        )


class ApiProgram(BaseModel):
    """A program that was run."""

    program: str
    title: str
    investigator: str
    runs: int
    last_run: ApiRun


class ApiObservation(BaseModel):
    """An observation, or a candidate of several."""

    id: str
    jobs: dict[str, int]
    exp_types: list[str]


class ApiCaveat(BaseModel):
    """What a scientist must know."""

    kind: str
    message: str


class ApiRunJob(BaseModel):
    """A job as a run sees it."""

    key: str
    state: JobState
    why: str
    fingerprint: str | None
    blocked_by: list[str]
    caveats: list[ApiCaveat]
    updated_at: datetime

    @classmethod
    def of(cls, job: RunJob) -> "ApiRunJob":
        """Tell of a job."""
        return cls(
            key=job.key,
            state=job.state,
            why=job.why,
            fingerprint=job.fingerprint,
            blocked_by=list(job.blocked_by),
            caveats=[ApiCaveat(kind=c.kind, message=c.message) for c in job.caveats],
            updated_at=job.updated_at,
        )


class ApiProduct(BaseModel):
    """A product. Wavelengths are in m, angles in degrees (ICRS), times in MJD (UTC)."""

    name: str
    kind: str
    fingerprint: str
    stage: str
    job: str
    program: str
    exp_type: str
    context: str
    jwst: str
    made_at: datetime
    size_bytes: int
    sha256: str
    content_sha256: str
    target: str | None = None
    instrument: str | None = None
    ra_deg: float | None = None
    dec_deg: float | None = None
    region: str | None = None
    wave_min_m: float | None = None
    wave_max_m: float | None = None
    start_mjd: float | None = None
    end_mjd: float | None = None
    exposure_s: float | None = None
    separation_deg: float | None = None
    issues: dict[str, str] = Field(default_factory=dict)
    download: str
    """Path of its file."""

    @classmethod
    def of(cls, one: FoundProduct) -> "ApiProduct":
        """Tell of a product."""
        return cls(
            name=one.product.name,
            kind=one.kind,
            fingerprint=one.fingerprint,
            stage=one.stage,
            job=one.job_name,
            program=one.program,
            exp_type=one.exp_type,
            context=one.context,
            jwst=one.jwst,
            made_at=one.finished_at,
            size_bytes=one.product.size_bytes,
            sha256=one.product.sha256,
            content_sha256=one.product.content_sha256,
            separation_deg=one.separation_deg,
            issues=dict(one.issues),
            download=f"/files/{one.fingerprint}/{one.product.name}",
            **{name: getattr(one.facts, name, None) for name in _FACTS},
        )


_FACTS: Final = (
    *("target", "instrument", "ra_deg", "dec_deg", "region", "wave_min_m"),
    *("wave_max_m", "start_mjd", "end_mjd", "exposure_s"),
)
"""Fields of `ProductFacts` that the API has under the same name."""


class ApiProducts(BaseModel):
    """A page of products."""

    products: list[ApiProduct]
    after: str | None
    """What `after` is for the next page; null on the last one."""


class ApiFile(BaseModel):
    """A file that a job read."""

    name: str
    exptype: str
    reason: str
    sha256: str
    made_by: str | None
    """Fingerprint of the job that made it; null of raw files."""


class ApiReference(BaseModel):
    """A reference, or a parameter reference."""

    reftype: str
    name: str
    sha1: str


class ApiParameter(BaseModel):
    """An effective parameter that is set; all others are defaults of the code."""

    name: str
    value: str
    origin: str | None


class ApiAttempt(BaseModel):
    """One try at a job."""

    id: str
    status: str
    finished_at: datetime
    elapsed_s: float
    peak_bytes: int
    granted_bytes: int
    error: str | None


class ApiJob(BaseModel):
    """A job, with all that decided what it made."""

    fingerprint: str
    stage: str
    name: str
    program: str
    exp_type: str
    context: str
    inputs: list[ApiFile]
    references: list[ApiReference]
    parameters: list[ApiParameter]
    versions: dict[str, str]
    attempts: list[ApiAttempt]
    products: list[str]


class ApiLineage(BaseModel):
    """Jobs that are linked by files: what is made comes after what it is made of."""

    jobs: list[str]
    """Fingerprints."""
    keys: dict[str, str]
    """``stage:name`` by fingerprint."""
    reads: dict[str, list[str]]
    """Fingerprints of the jobs that made what a job read, by its own."""
    raw: dict[str, str]
    """Names of the files that no job made, by sha256."""


class ApiCurve(BaseModel):
    """A spectrum or a light curve; what is not finite is null."""

    title: str
    x: list[float]
    y: list[float | None]
    error: list[float | None]
    x_label: str
    y_label: str


@router.get("/programs")
def list_programs(
    request: Request, after: _Word = "", limit: _Limit = 50
) -> list[ApiProgram]:
    """List the programs that were run, by id; `after` is the last one of a page."""
    found = find_site(request).database.listings.list_programs(after=after, limit=limit)
    return [
        ApiProgram(
            program=one.program,
            title=one.title,
            investigator=one.investigator,
            runs=one.runs,
            last_run=ApiRun.of(one.last),
        )
        for one in found
    ]


@router.get("/programs/{program}/observations")
def list_observations(request: Request, program: str) -> list[ApiObservation]:
    """List the observations of a program that jobs were attempted of."""
    check_program(program)
    found = find_site(request).database.listings.list_observations(program)
    return [
        ApiObservation(
            id=one.id,
            jobs={str(stage): count for stage, count in one.jobs.items()},
            exp_types=list(one.exp_types),
        )
        for one in found
    ]


@router.get("/runs")
def list_runs(
    request: Request,
    *,
    program: _Word = "",
    state: RunState | None = None,
    before: datetime | None = None,
    limit: _Limit = 50,
) -> list[ApiRun]:
    """List runs, newest first; `before` is when the last one of a page started."""
    if program:
        check_program(program)
    found = find_site(request).database.runs.list_runs(
        program or None,
        limit=limit,
        states=[state] if state else [],
        before=before and (before if before.tzinfo else before.replace(tzinfo=UTC)),
    )
    return [ApiRun.of(run) for run in found]


@router.get("/runs/{run_id}")
def get_run(request: Request, run_id: str) -> ApiRun:
    """Return a run, by its id or the beginning of it."""
    return ApiRun.of(find_site(request).database.runs.get_run(run_id))


@router.get("/runs/{run_id}/jobs")
def list_run_jobs(
    request: Request,
    run_id: str,
    *,
    state: JobState | None = None,
    after: _Word = "",
    limit: _Limit = 200,
) -> list[ApiRunJob]:
    """List the jobs of a run, by key; `after` is the last one of a page."""
    database = find_site(request).database
    run = database.runs.get_run(run_id)
    jobs = database.listings.list_run_jobs(
        run.id, states=[state] if state else [], after=after, limit=limit
    )
    return [ApiRunJob.of(job) for job in jobs]


@router.get("/products")
def find_products(request: Request, asked: Annotated[Asked, Query()]) -> ApiProducts:
    """Find products, newest first.

    Of a word that is given several times any may hold; all words must.
    """
    found, after = asked.find(find_site(request))
    return ApiProducts(
        products=[ApiProduct.of(one) for one in found], after=after or None
    )


@router.get("/products/{fingerprint}/{name}")
def get_product(request: Request, fingerprint: str, name: str) -> ApiProduct:
    """Return a product, by the job that made it and its name."""
    return ApiProduct.of(find_product(find_site(request), fingerprint, name))


@router.get("/products/{fingerprint}/{name}/curve")
def get_curve(
    request: Request,
    fingerprint: str,
    name: str,
    *,
    part: _Index = 0,
    row: _Index = 0,
    x: _Index = 0,
    y: _Index = 0,
) -> ApiCurve:
    """Return a spectrum, a light curve, or the spectrum of a spaxel of a cube."""
    site = find_site(request)
    found = find_product(site, fingerprint, name)
    return _to_curve(read_curve(site, found, Look(part=part, row=row, x=x, y=y)))


@router.get("/jobs/{fingerprint}")
def get_job(request: Request, fingerprint: str) -> ApiJob:
    """Return a job, by its fingerprint or the beginning of it."""
    database = find_site(request).database
    record = database.jobs.get_job(fingerprint)
    job = record.job
    made_by = database.listings.find_sources(file.sha256 for file in job.inputs)
    done = database.jobs.find_outcomes([job.fingerprint]).get(job.fingerprint)
    taken = [(use.reftype, use.file) for use in job.references]
    taken += [(use.reftype, use.file) for use in job.pars]
    return ApiJob(
        fingerprint=job.fingerprint,
        stage=job.stage,
        name=job.name,
        program=job.program,
        exp_type=job.exp_type,
        context=job.context,
        inputs=[
            ApiFile(
                name=file.name,
                exptype=file.exptype,
                reason=file.reason,
                sha256=file.sha256,
                made_by=made_by.get(file.sha256),
            )
            for file in job.inputs
        ],
        references=[
            ApiReference(reftype=reftype, name=file.name, sha1=file.sha1)
            for reftype, file in taken
            if file
        ],
        parameters=_list_parameters(
            flatten_parameters(job.parameters), job.origins or {}
        ),
        versions=dict(job.versions),
        attempts=[
            ApiAttempt(
                id=one.outcome.attempt,
                status=one.outcome.status,
                finished_at=one.outcome.finished_at,
                elapsed_s=one.outcome.usage.elapsed_s,
                peak_bytes=one.outcome.usage.peak_bytes,
                granted_bytes=one.outcome.usage.granted_bytes,
                error=one.outcome.error.message if one.outcome.error else None,
            )
            for one in record.attempts
        ],
        products=[product.name for product in done.products] if done else [],
    )


@router.get("/lineage/{fingerprint}")
def get_lineage(request: Request, fingerprint: str) -> ApiLineage:
    """Return what a job was made of, up to raw files, and what was made of it."""
    database = find_site(request).database
    job = database.jobs.get_job(fingerprint).job
    lineage = database.lineages.trace([job.fingerprint], down=True)
    reads: dict[str, list[str]] = {}
    raw: dict[str, str] = {}
    for key, making in lineage.makings.items():
        inputs = making.job.inputs
        makers = [lineage.makers.get(file.sha256) for file in inputs]
        reads[key] = list(dict.fromkeys(one for one in makers if one))
        raw |= {f.sha256: f.name for f in inputs if f.sha256 not in lineage.makers}
    return ApiLineage(
        jobs=list(lineage.makings),
        keys={
            key: f"{one.job.stage}:{one.job.name}"
            for key, one in lineage.makings.items()
        },
        reads=reads,
        raw=raw,
    )


def _list_parameters(
    values: Mapping[str, object], origins: Mapping[str, str]
) -> list[ApiParameter]:
    return [
        ApiParameter(name=name, value=repr(value), origin=origins[name])
        for name, value in values.items()
        if name in origins
    ]


def _to_curve(curve: Curve) -> ApiCurve:
    return ApiCurve(
        title=curve.title,
        x=list(curve.x),
        y=list(curve.y),
        error=list(curve.error),
        x_label=curve.x_label,
        y_label=curve.y_label,
    )
