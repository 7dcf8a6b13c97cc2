"""The application: its routes, its guard, and what errors look like."""

from collections.abc import Callable, Mapping
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from config.settings import Settings

from ..errors import (
    DatabaseAwayError,
    FileNameError,
    IdError,
    MissingPartError,
    ProductFileError,
    QueryError,
    RewebbError,
    UnknownRecordError,
)
from ..logs import get_logger
from ..provenance import Database
from . import api, files, lineage, pages, products, views, vo
from .guard import Guard, SignIn
from .site import SCRIPTS, Site, find_site

__all__ = ["make_app"]

_API = "/api/"


def make_app(settings: Settings, database: Database) -> Guard:
    """Make the application of `rewebb web`.

    Parameters
    ----------
    settings
        Data folder, names of the service, and its sign-in.
    database
        One that cannot be changed: `provenance.open_to_serve`.
    """
    app = FastAPI(
        title="Rewebb",
        description="What was made, from what, and why; read only.",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # it would load scripts of another host
        redoc_url=None,
    )
    app.state.site = Site(database, settings.data_dir.resolve())
    for module in (pages, products, lineage, files, views, api):
        app.include_router(module.router)
    for router in vo.ROUTERS:
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=SCRIPTS), name="static")
    for kind in (RewebbError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, _make_handler())
    # Around all else, so that no answer is without its headers, also none to a bug.
    return Guard(
        app, hosts=frozenset(settings.web_hosts), sign_in=_to_sign_in(settings)
    )


def _to_sign_in(settings: Settings) -> SignIn | None:
    header, secret = settings.web_user_header, settings.web_proxy_secret
    if header is None or secret is None:
        return None
    return SignIn(header, secret.get_secret_value())


def _make_handler() -> Callable[[Request, Exception], Response]:
    def handle(request: Request, error: Exception) -> Response:
        status, why = _judge(error)
        if request.url.path.startswith(_API):
            return JSONResponse({"detail": why}, status)
        site = find_site(request)
        return site.render(request, "error.html", status=status, code=status, why=why)

    return handle


_STATUS: Final[Mapping[type[Exception], int]] = {
    UnknownRecordError: 404,
    QueryError: 400,
    IdError: 400,
    FileNameError: 400,
    MissingPartError: 404,
    ProductFileError: 409,
}
"""Status of HTTP by kind of error; the sentence of these is for who asks."""


def _judge(error: Exception) -> tuple[int, str]:
    """Say what went wrong, as a status of HTTP and in words."""
    if isinstance(error, HTTPException):
        return error.status_code, str(error.detail)
    if isinstance(error, RequestValidationError):
        return 400, "; ".join(_list_problems(error))
    if isinstance(error, DatabaseAwayError):
        return 503, "The database does not answer at the moment; try again."
    for kind in type(error).mro():
        if kind in _STATUS:
            return _STATUS[kind], str(error)
    get_logger().error("web.failed", error=str(error))
    return 500, "This cannot be read; the log of the service says why."


def _list_problems(error: RequestValidationError) -> list[str]:
    """Say which words of an address are not understood."""
    return [
        f"{'.'.join(map(str, problem['loc'][1:2]))}: {problem['msg']}"[:300]
        for problem in error.errors()[:5]
    ]
