"""The site: what pages are made of, and how they are rendered."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from rich.filesize import decimal

from config.known_issues import KnownIssue, load_known_issues

from ..provenance import Database
from ..reports import say_change, say_changes

__all__ = ["SCRIPTS", "Site", "find_site"]

SCRIPTS: Final = Path(__file__).with_name("static")
"""Style and scripts of the pages."""


@dataclass(frozen=True, slots=True)
class Site:
    """What pages are made of."""

    database: Database
    """What is recorded; it cannot be changed."""
    data_dir: Path
    """The data folder, absolute, without symbolic links."""
    issues: tuple[KnownIssue, ...] = field(default_factory=load_known_issues)
    """Known issues, as published with this version."""

    def render(
        self, request: Request, template: str, *, status: int = 200, **told: object
    ) -> HTMLResponse:
        """Make a page.

        Parameters
        ----------
        template
            File of the template.
        status
            Status of HTTP.
        told
            What the template tells.
        """
        about = {
            "nonce": request.scope["rewebb"].nonce,
            "user": request.scope["rewebb"].user,
            "path": request.url.path,
            "query": request.url.query,
        }
        text = _make_environment().get_template(template).render(**about, **told)
        return HTMLResponse(text, status_code=status)


def find_site(request: Request) -> Site:
    """Find the site that a request is for."""
    site = request.app.state.site
    assert isinstance(site, Site)
    return site


@cache
def _make_environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("flows.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= {
        "utc": _say_time,
        "size": decimal,
        "gb": lambda value: f"{value / 1e9:.2f} GB",
        "span": _say_span,
        "um": lambda value: "-" if value is None else f"{value * 1e6:.4g}",
        "deg": lambda value: "-" if value is None else f"{value:.5f}",
        "number": _say_number,
        "part": lambda text: quote(str(text), safe=""),
        "short": lambda text: str(text)[:12],
        "asked": _to_query_string,
    }
    environment.globals |= {
        "version": version("rewebb"),
        "say_change": say_change,
        "say_changes": say_changes,
    }
    return environment


def _say_time(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else "-"


def _say_number(value: float | None) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:.5g}"


def _say_span(seconds: float | None) -> str:
    """Say a time span in the unit that fits."""
    if seconds is None:
        return "-"
    for unit, length_s in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:.1f} {unit}"
    return f"{seconds:.0f} s"


def _to_query_string(pairs: Iterable[tuple[str, object]]) -> str:
    return urlencode(list(pairs))
