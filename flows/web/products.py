"""Pages of products and jobs: searching, what they were made of, and why again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from workers.contract import Caveat, CaveatKind, Job, Stage
from workers.parameters import flatten_parameters

from ..advice import Advice
from ..errors import ProductFileError
from ..models.jobs import JobRecord, StoredProduct
from ..models.products import FoundProduct
from ..models.runs import Run, RunJob
from ..planning import describe_edit
from ..provenance import find_removed
from ..reports import advise_recorded, compare_jobs, compare_products, find_pictures
from .asked import Asked
from .files import find_product, read_changes, read_log
from .site import Site, find_site
from .sky import draw_footprints
from .views import BOKEH, Look, View, look_at

__all__ = [
    "router",
    "search",
    "show_difference",
    "show_job",
    "show_log",
    "show_product",
]

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

_VERSIONS: Final = 20
"""Other products of a name that are listed."""


_Number = Annotated[int, Field(ge=0, le=1_000_000)]


@dataclass(frozen=True, slots=True)
class _Parameter:
    """An effective parameter."""

    name: str
    """``step.parameter``."""
    value: str
    """As Python writes it."""
    origin: str
    """What set it; empty of defaults."""


@dataclass(frozen=True, slots=True)
class _Version:
    """A product of the same name."""

    product: StoredProduct
    """The product."""
    why: str
    """Why it was made; empty if no run says."""


@dataclass(frozen=True, slots=True)
class _JobFacts:
    """What pages of a job and of its products tell alike."""

    record: JobRecord
    """The job with its attempts."""
    makers: Mapping[str, str]
    """Which job made a file that it read, by the sha256 of the file."""
    parameters: tuple[_Parameter, ...]
    """All parameters; those that are set come first."""
    newer: Mapping[str, str]
    """References that the newest job of this name took instead, by type."""
    use: tuple[Run, RunJob] | None
    """The run that used it last."""
    why: str
    """Why it was made; empty if no run says."""
    caveats: tuple[Caveat, ...]
    """What it found, and what the plan knew."""
    advice: Sequence[Advice] | None
    """Known issues that apply, as of today; None if that cannot be said."""
    edits: tuple[str, ...]
    """What was changed in copies of its inputs."""
    removed_at: datetime | None
    """When its products were removed, if they were."""


class _Looked(BaseModel):
    """What of a product is looked at, as a form says it."""

    model_config = ConfigDict(extra="forbid")

    part: _Number = 0
    """Which table of spectra."""
    row: _Number = 0
    """Which spectrum of it."""
    plane: _Number | None = None
    """Which wavelength of a cube."""
    x: _Number | None = None
    """Column of a spaxel."""
    y: _Number | None = None
    """Row of a spaxel."""
    at_x: Annotated[int | None, Field(alias="at.x", ge=0, le=100_000)] = None
    """Where the picture of a cube was clicked, in its pixels, from the left."""
    at_y: Annotated[int | None, Field(alias="at.y", ge=0, le=100_000)] = None
    """Likewise, from the top."""
    scale: Annotated[int, Field(ge=1, le=1000)] = 1
    """Pixels of that picture that a spaxel has."""
    rows: _Number = 0
    """Rows of the cube."""

    def to_look(self) -> Look:
        """Say what is looked at, counted from 0."""
        x, y = self.x, self.y
        if self.at_x is not None and self.at_y is not None:
            x = self.at_x // self.scale
            y = max(0, self.rows - 1 - self.at_y // self.scale)
        return Look(self.part, self.row, self.plane, x, y)


@router.get("/products")
def search(request: Request, asked: Annotated[Asked, Query()]) -> Response:
    """Find products, the newest first."""
    site = find_site(request)
    found, after = asked.find(site)
    return site.render(
        request,
        "search.html",
        asked=asked,
        products=found,
        again=asked.list_pairs(after=after) if after else [],
        pairs=asked.list_pairs(after=""),
        caveats=list(CaveatKind),
        stages=list(Stage),
        footprints=draw_footprints([one.facts.region for one in found if one.facts]),
    )


@router.get("/products/{fingerprint}/{name}")
def show_product(
    request: Request, fingerprint: str, name: str, looked: Annotated[_Looked, Query()]
) -> Response:
    """Show all that is recorded of a product."""
    site = find_site(request)
    found = find_product(site, fingerprint, name)
    facts = _gather(site, found.fingerprint)
    view, unseen = _look(site, found, looked)
    measured = site.database.measurements.find([fingerprint])
    return site.render(
        request,
        "product.html",
        found=found,
        job=facts.record.job,
        facts=facts,
        versions=_list_versions(site, found),
        measured=measured.get((fingerprint, name)),
        bokeh=BOKEH,
        drawn=find_pictures(site.data_dir, fingerprint, found.product),
        view=view,
        unseen=unseen,
        footprint=draw_footprints([found.facts.region] if found.facts else []),
    )


@router.get("/jobs/{fingerprint}")
def show_job(request: Request, fingerprint: str) -> Response:
    """Show a job: what it read, how often it was tried, and what it made."""
    site = find_site(request)
    facts = _gather(site, fingerprint)
    job = facts.record.job
    done = site.database.jobs.find_outcomes([job.fingerprint]).get(job.fingerprint)
    return site.render(request, "job.html", job=job, facts=facts, done=done)


@router.get("/jobs/{fingerprint}/log/{attempt}")
def show_log(request: Request, fingerprint: str, attempt: str) -> Response:
    """Show the end of the log of an attempt."""
    site = find_site(request)
    record = site.database.jobs.get_job(fingerprint)
    for one in record.attempts:
        if one.outcome.attempt == attempt:
            text = read_log(site, one.outcome.folder)
            return site.render(
                request, "log.html", job=record.job, attempt=one, text=text
            )
    raise HTTPException(404, f"No attempt {attempt} of this job is recorded.")


@router.get("/compare/{before}/{after}")
def show_difference(
    request: Request, before: str, after: str, *, read: bool = False
) -> Response:
    """Show why a job was done again, and how far what it made differs.

    Files are read only if it is asked for: they may be large.
    """
    site = find_site(request)
    for fingerprint in (before, after):
        if site.database.jobs.find_job(fingerprint) is None:
            raise HTTPException(404, f"No job {fingerprint} is recorded.")
    done = site.database.jobs.find_outcomes([before, after])
    first, second = (
        [
            (product.name, product, site.data_dir / done[key].folder / product.name)
            for product in (done[key].products if key in done else ())
        ]
        for key in (before, after)
    )
    made = site.database.listings.find_makers([after])
    changed = None
    if after in made:
        changed = read_changes(site, site.database.runs.get_run(made[after][0]))
    return site.render(
        request,
        "compare.html",
        changed=[
            one
            for one in (changed.products if changed else ())
            if one.fingerprints == (before, after)
        ],
        before=before,
        after=after,
        why=made[after][1].why if after in made else "",
        jobs=compare_jobs(site.database, before, after),
        products=compare_products(first, second, reads=read),
        is_read=read,
        done=done,
    )


def _look(site: Site, found: FoundProduct, looked: _Looked) -> tuple[View | None, str]:
    """Look at the file of a product, or say why it cannot be looked at."""
    try:
        return look_at(site, found, looked.to_look()), ""
    except HTTPException as error:
        return None, str(error.detail)
    except ProductFileError as error:
        return None, str(error)


def _gather(site: Site, fingerprint: str) -> _JobFacts:
    """Gather what is recorded of a job."""
    database = site.database
    record = database.jobs.get_job(fingerprint)
    job = record.job
    use = database.runs.find_last_use(job.fingerprint)
    made = database.listings.find_makers([job.fingerprint])
    found = database.jobs.find_caveats([job.fingerprint]).get(job.fingerprint, ())
    return _JobFacts(
        record=record,
        makers=database.listings.find_sources(file.sha256 for file in job.inputs),
        parameters=_list_parameters(job),
        newer=database.listings.find_newer_references(job.fingerprint),
        use=use,
        why=made[job.fingerprint][1].why if made else "",
        caveats=(*(use[1].caveats if use else ()), *found),
        advice=advise_recorded(
            site.issues,
            database,
            [job.fingerprint],
            context=job.context,
            run=use[0] if use else None,
        ),
        edits=tuple(describe_edit(edit) for edit in job.edits),
        removed_at=find_removed(site.data_dir, job.fingerprint),
    )


def _list_parameters(job: Job) -> tuple[_Parameter, ...]:
    origins = job.origins
    if origins is None:
        origins = dict.fromkeys(flatten_parameters(job.overrides), "recipe")
    listed = (
        _Parameter(name, repr(value), origins.get(name, ""))
        for name, value in flatten_parameters(job.parameters).items()
    )
    return tuple(sorted(listed, key=lambda one: (not one.origin, one.name)))


def _list_versions(site: Site, found: FoundProduct) -> tuple[_Version, ...]:
    """List the products of the same name, newest first."""
    products = site.database.jobs.find_products(name=found.product.name)[:_VERSIONS]
    made = site.database.listings.find_makers(one.fingerprint for one in products)
    return tuple(
        _Version(one, made[one.fingerprint][1].why if one.fingerprint in made else "")
        for one in products
    )
