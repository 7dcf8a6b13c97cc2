"""Views of a product: its spectra, its light curve, or the wavelengths of its cube."""

import json
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.resources import files as resources
from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import FileResponse, Response

from ..errors import MissingPartError
from ..models.products import FoundProduct
from ..reports.curves import (
    LIGHT_CURVE,
    SPECTRA,
    Curve,
    Part,
    list_parts,
    read_light_curve,
    read_spectrum,
)
from .cubes import Cube, describe_cube, draw_slice, read_spaxel
from .files import find_product, find_product_file
from .site import Site, find_site
from .stills import Still, draw_still, make_plot

__all__ = [
    "BOKEH",
    "Look",
    "View",
    "look_at",
    "read_curve",
    "router",
    "send_bokeh",
    "send_plot",
    "send_slice",
]

router = APIRouter(include_in_schema=False)

BOKEH: Final = version("bokeh")
"""Version of what makes and shows plots."""

_CUBES: Final = frozenset({"s3d"})
"""Kinds of the products that are cubes."""

_FOR_EVER: Final = {"Cache-Control": "private, max-age=31536000, immutable"}
"""Of what is made of a product alone, which never changes."""

_Number = Annotated[int, Query(ge=0, le=1_000_000)]


@dataclass(frozen=True, slots=True)
class Look:
    """What of a product is looked at, counted from 0."""

    part: int = 0
    """Which table of spectra."""
    row: int = 0
    """Which spectrum of it."""
    plane: int | None = None
    """Which wavelength of a cube; None is the brightest."""
    x: int | None = None
    """Column of a spaxel."""
    y: int | None = None
    """Row of a spaxel."""


@dataclass(frozen=True, slots=True)
class View:
    """What there is to see of a product."""

    look: Look
    """What of it is looked at."""
    still: Still | None
    """The curve."""
    parts: tuple[Part, ...] = ()
    """Spectra of the file."""
    cube: Cube | None = None
    """The cube, if it is one."""


def look_at(site: Site, found: FoundProduct, look: Look) -> View | None:
    """Look at a product; None if there is nothing to see of its kind.

    Raises
    ------
    HTTPException
        Its file is not there, or cannot be read.
    """
    if found.kind not in SPECTRA | _CUBES | {LIGHT_CURVE}:
        return None
    path = find_product_file(site, found)
    if found.kind in _CUBES:
        return _look_at_cube(path, look)
    parts = list_parts(path) if found.kind in SPECTRA else ()
    if found.kind in SPECTRA and not parts:
        return None
    return View(look, draw_still(_read_curve(path, found.kind, look)), parts)


def _look_at_cube(path: Path, look: Look) -> View:
    cube = describe_cube(path)
    plane = cube.brightest if look.plane is None else min(look.plane, cube.planes - 1)
    x = cube.columns // 2 if look.x is None else look.x
    y = cube.rows // 2 if look.y is None else look.y
    shown = Look(plane=plane, x=min(x, cube.columns - 1), y=min(y, cube.rows - 1))
    curve = _read_curve(path, "s3d", shown)
    return View(shown, draw_still(curve), cube=cube)


def read_curve(site: Site, found: FoundProduct, look: Look) -> Curve:
    """Read the curve of a product that is looked at.

    Raises
    ------
    HTTPException
        There is none (404), or its file is not there, or cannot be read.
    """
    if found.kind not in SPECTRA | _CUBES | {LIGHT_CURVE}:
        name = found.product.name
        raise HTTPException(404, f"{name} is no spectrum, light curve or cube.")
    return _read_curve(find_product_file(site, found), found.kind, look)


def _read_curve(path: Path, kind: str, look: Look) -> Curve:
    if kind in _CUBES:
        return read_spaxel(path, look.x or 0, look.y or 0)
    if kind in SPECTRA:
        return read_spectrum(path, look.part, look.row)
    curves = read_light_curve(path)
    if not look.part < len(curves):
        raise MissingPartError(f"{path.name} has no such curve.")
    return curves[look.part]


@router.get("/plots/{fingerprint}/{name}")
def send_plot(
    request: Request,
    fingerprint: str,
    name: str,
    *,
    part: _Number = 0,
    row: _Number = 0,
    x: _Number = 0,
    y: _Number = 0,
) -> Response:
    """Send a curve of a product as a plot for BokehJS."""
    site = find_site(request)
    found = find_product(site, fingerprint, name)
    curve = read_curve(site, found, Look(part=part, row=row, x=x, y=y))
    text = json.dumps(make_plot(curve))
    return Response(text, media_type="application/json", headers=_FOR_EVER)


@router.get("/slices/{fingerprint}/{name}/{plane}.png")
def send_slice(request: Request, fingerprint: str, name: str, plane: int) -> Response:
    """Send a wavelength of a cube as a picture."""
    site = find_site(request)
    found = find_product(site, fingerprint, name)
    if found.kind not in _CUBES:
        raise HTTPException(404, f"{name} is no cube.")
    picture = draw_slice(find_product_file(site, found), plane)
    return Response(picture, media_type="image/png", headers=_FOR_EVER)


@router.get("/bokeh/{release}/bokeh.min.js")
def send_bokeh(release: str) -> Response:
    """Send the script that plots are shown with, of the version that makes them."""
    if release != BOKEH:
        raise HTTPException(404, "It is of another version.")
    return FileResponse(_find_bokeh(), media_type="text/javascript", headers=_FOR_EVER)


@cache
def _find_bokeh() -> Path:
    return Path(str(resources("bokeh"))) / "server" / "static" / "js" / "bokeh.min.js"
