"""The page of a lineage: what was made of what, as a graph to click through."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse, Response

from ..models.lineage import Lineage
from .site import find_site

__all__ = ["Graph", "draw_graph", "router", "show_lineage"]

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

_MOST_DRAWN: Final = 150
"""Jobs and raw files of a picture; more are listed only."""

_BOX: Final = (210, 40)
"""Width and height of a box."""

_GAP: Final = (60, 14)
"""Between boxes."""


@dataclass(frozen=True, slots=True)
class _Box:
    """A job or a raw file in a picture."""

    key: str
    """Fingerprint of the job, or sha256 of the file."""
    title: str
    """What it is: the stage."""
    name: str
    """Its name."""
    is_job: bool
    """Whether it is a job."""
    is_asked: bool
    """Whether it is the job that was asked for."""
    x: int
    """Where it is, from the left."""
    y: int
    """Where it is, from the top."""


@dataclass(frozen=True, slots=True)
class Graph:
    """A picture of a lineage: time goes from left to right."""

    width: int
    """Its width."""
    height: int
    """Its height."""
    box: tuple[int, int]
    """Width and height of a box."""
    boxes: tuple[_Box, ...]
    """Jobs and raw files."""
    edges: tuple[str, ...]
    """Lines from what was made to what read it, as paths of SVG."""


@router.get("/lineage/{fingerprint}")
def show_lineage(request: Request, fingerprint: str) -> Response:
    """Show the lineage of a job, up to raw exposures and down to the last products."""
    site = find_site(request)
    lineage = site.database.lineages.trace([fingerprint], down=True)
    if not lineage.makings:
        raise HTTPException(404, f"No job {fingerprint} is recorded.")
    return site.render(
        request,
        "lineage.html",
        lineage=lineage,
        asked=lineage.makings[fingerprint],
        raw=_list_raw(lineage),
        graph=draw_graph(lineage),
    )


def _list_raw(lineage: Lineage) -> Mapping[str, str]:
    """List the names of the files that no job has made, by their hashes."""
    return {
        file.sha256: file.name
        for making in lineage.makings.values()
        for file in making.job.inputs
        if file.sha256 not in lineage.makers
    }


def draw_graph(lineage: Lineage) -> Graph | None:
    """Draw a lineage; None if it is too large to be looked at."""
    raw = _list_raw(lineage)
    if len(raw) + len(lineage.makings) > _MOST_DRAWN:
        return None
    reads: dict[str, list[str]] = {key: [] for key in raw}
    for key, making in lineage.makings.items():
        read = (lineage.makers.get(f.sha256, f.sha256) for f in making.job.inputs)
        reads[key] = list(dict.fromkeys(read))
    columns = _to_columns(reads)
    boxes = tuple(
        _make_box(lineage, raw, key, (column, row))
        for column, keys in enumerate(columns)
        for row, key in enumerate(keys)
    )
    places = {box.key: box for box in boxes}
    return Graph(
        width=len(columns) * (_BOX[0] + _GAP[0]) - _GAP[0] + 4,
        height=max(map(len, columns)) * (_BOX[1] + _GAP[1]) - _GAP[1] + 4,
        box=_BOX,
        boxes=boxes,
        edges=tuple(
            _draw_edge(places[one], places[key])
            for key, read in reads.items()
            for one in read
        ),
    )


def _to_columns(reads: Mapping[str, Sequence[str]]) -> Sequence[Sequence[str]]:
    """Put everything to the right of what it reads; what it reads is listed before."""
    depth: dict[str, int] = {}
    columns = defaultdict[int, list[str]](list)
    for key, read in reads.items():
        depth[key] = 1 + max((depth[one] for one in read), default=-1)
        columns[depth[key]].append(key)
    return [columns[n] for n in sorted(columns)]


def _make_box(
    lineage: Lineage, raw: Mapping[str, str], key: str, place: tuple[int, int]
) -> _Box:
    job = lineage.makings[key].job if key in lineage.makings else None
    return _Box(
        key=key,
        title=str(job.stage) if job else "raw exposure",
        name=job.name if job else raw[key],
        is_job=job is not None,
        is_asked=key in lineage.asked,
        x=place[0] * (_BOX[0] + _GAP[0]) + 2,
        y=place[1] * (_BOX[1] + _GAP[1]) + 2,
    )


def _draw_edge(start: _Box, end: _Box) -> str:
    x, y = start.x + _BOX[0], start.y + _BOX[1] // 2
    to_x, to_y = end.x, end.y + _BOX[1] // 2
    middle = (x + to_x) // 2
    return f"M{x} {y}C{middle} {y} {middle} {to_y} {to_x} {to_y}"
