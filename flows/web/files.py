"""Files: downloads of products, and the logs of attempts."""

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Header, HTTPException, Request
from fastapi.responses import FileResponse, Response

from workers.job_layout import LOG_NAME

from ..layout import REPORT_NAME, get_pictures_path, get_run_folder
from ..logs import get_logger
from ..models.products import FoundProduct, ProductQuery
from ..models.runs import Run
from ..names import check_file_name
from ..reports import Changed, find_changes, find_pictures
from .site import Site, find_site

__all__ = [
    "download",
    "find_file",
    "find_product",
    "find_product_file",
    "has_report",
    "read_changes",
    "read_log",
    "router",
    "send_picture",
    "show_report",
]

router = APIRouter(include_in_schema=False)

_OF_REPORT = {
    "Content-Security-Policy": "default-src 'none'; sandbox allow-scripts; "
    "script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; "
    "font-src data:; frame-ancestors 'none'; base-uri 'none'"
}
"""A report brings its scripts with it: it may neither ask anybody anything, nor is it
of the same origin as the pages."""

_LAST_BYTES = 400_000
"""Of a log that is shown; all of it can be read with `rewebb logs`."""

_KINDS = {".fits": "application/fits", ".json": "application/json"}
"""Types of media by ending; whatever else is text."""


@router.api_route(
    "/files/{fingerprint}/{name}", methods=["GET", "HEAD"], operation_id="download"
)
def download(
    request: Request,
    fingerprint: str,
    name: str,
    if_none_match: Annotated[str, Header()] = "",
) -> Response:
    """Send a product, or the range of it that is asked for."""
    site = find_site(request)
    found = find_product(site, fingerprint, name)
    path = find_product_file(site, found)
    tag = f'"{found.product.sha256}"'
    if tag in if_none_match:
        return Response(status_code=304, headers={"ETag": tag})
    return FileResponse(
        path,
        media_type=_KINDS.get(path.suffix, "text/plain"),
        filename=name,
        headers={"ETag": tag, "X-Rewebb-Fingerprint": fingerprint},
    )


@router.get("/pictures/{fingerprint}/{name}/{picture}")
def send_picture(
    request: Request, fingerprint: str, name: str, picture: str
) -> Response:
    """Send a picture of a product, which the workers have drawn."""
    site = find_site(request)
    found = find_product(site, fingerprint, name)
    drawn = find_pictures(site.data_dir, fingerprint, found.product)
    if drawn is None or picture not in {one.file for one in drawn.pictures}:
        raise HTTPException(404, f"There is no picture {picture} of {name}.")
    place = get_pictures_path(fingerprint, name).with_name(picture)
    return FileResponse(find_file(site, place), media_type="image/png")


@router.get("/runs/{run_id}/report.html")
def show_report(request: Request, run_id: str) -> Response:
    """Send the report of a run, which is one page that needs nothing else."""
    site = find_site(request)
    run = site.database.runs.get_run(run_id)
    path = find_file(site, get_run_folder(run) / REPORT_NAME)
    return FileResponse(path, media_type="text/html", headers=_OF_REPORT)


def has_report(site: Site, run: Run) -> bool:
    """Return whether there is a report of a run."""
    return (site.data_dir / get_run_folder(run) / REPORT_NAME).is_file()


def read_changes(site: Site, run: Run) -> Changed | None:
    """Read what a run said that it changed; None if it said nothing that can be read.

    What cannot be read is told to the log: it is no reason for no page.
    """
    try:
        return find_changes(site.data_dir, run)
    except OSError as error:
        get_logger().warning("web.changes", run=run.id, error=str(error))
        return None


def find_product(site: Site, fingerprint: str, name: str) -> FoundProduct:
    """Find a product that is recorded, by the job that made it and its name.

    Raises
    ------
    HTTPException
        There is none (404).
    FileNameError, QueryError
        The name is not that of a file, or what is given can be nothing of the kind.
    """
    check_file_name(name)
    query = ProductQuery(jobs=(fingerprint,), beginnings=(name,))
    for one in site.database.products.find(query):
        if one.product.name == name:
            return one
    raise HTTPException(404, f"No product {name} of the job {fingerprint} is recorded.")


def find_product_file(site: Site, found: FoundProduct) -> Path:
    """Find the file of a product, as large as it was made.

    Raises
    ------
    HTTPException
        It was removed (410), or is not as it was made (409).
    """
    name = check_file_name(found.product.name)
    path = find_file(site, Path(found.folder, name), gone=410)
    if path.stat().st_size != found.product.size_bytes:
        raise HTTPException(409, f"{name} is not as it was made: see `rewebb audit`.")
    return path


def find_file(site: Site, place: Path, *, gone: int = 404) -> Path:
    """Find a file below the data folder, and nowhere else.

    Parameters
    ----------
    place
        Where it is, relative to the data folder.
    gone
        Status of HTTP if it is not there.

    Raises
    ------
    HTTPException
        It is not there, or a link leads it elsewhere.
    """
    path = (site.data_dir / place).resolve()
    if not path.is_relative_to(site.data_dir) or not path.is_file():
        raise HTTPException(gone, f"{place.name} is not in the data folder any more.")
    return path


def read_log(site: Site, folder: str) -> str:
    """Read the end of the log of an attempt.

    Raises
    ------
    HTTPException
        It left none (404).
    """
    if not folder:
        raise HTTPException(404, "The attempt left no log.")
    path = find_file(site, Path(folder, LOG_NAME))
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _LAST_BYTES))
        return file.read(_LAST_BYTES).decode("utf-8", "backslashreplace")
