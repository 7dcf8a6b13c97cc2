"""Draws what there is to see of a product, and publishes it with a manifest."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Final, TypeVar

from ...contract import to_json
from ...errors import PictureError, ProductError
from ...pictures_contract import (
    DRAWING_VERSION,
    DrawnProduct,
    DrawRequest,
    Picture,
    name_pictures,
)
from ...publishing import publish, replace
from .canvas import Drawing
from .cubes import draw_cube
from .images import draw_detector, draw_slit, find_slit
from .reading import Plane, Spectra, read_curves, read_planes, read_spectra
from .spectra import draw_curve, draw_series, draw_spectrum, get_brightness

__all__ = ["MOST_PARTS", "draw_product"]

MOST_PARTS: Final = 8
"""Parts of a product (sources, slits) that are drawn, the brightest ones."""

_Part = TypeVar("_Part")

_Draw = Callable[[], Drawing]


def draw_product(request: DrawRequest) -> DrawnProduct:
    """Draw the pictures of a product, and publish them; what cannot be drawn is noted.

    The manifest comes last, so that what it names is there.

    Raises
    ------
    OSError
        They cannot be written.
    """
    notes: list[str] = []
    drawings: list[Drawing] = []
    try:
        for draw in _list_drawings(request, notes):
            _add(draw, drawings, notes)
    except (PictureError, ProductError) as error:
        notes.append(str(error))
    stem = name_pictures(request.path.name, request.sha256)
    drawn = DrawnProduct(
        product=request.path.name,
        sha256=request.sha256,
        version=DRAWING_VERSION,
        pictures=tuple(
            _publish(drawing, request.manifest.parent, f"{stem}-{number}")
            for number, drawing in enumerate(drawings, 1)
        ),
        notes=tuple(notes),
    )
    text = to_json(drawn).encode()
    replace(request.manifest, lambda draft: draft.write_bytes(text))
    return drawn


def _add(draw: _Draw, drawings: list[Drawing], notes: list[str]) -> None:
    try:
        drawings.append(draw())
    except PictureError as error:
        notes.append(str(error))


def _list_drawings(request: DrawRequest, notes: list[str]) -> Iterator[_Draw]:
    """List what is to be drawn of a product, by what it is."""
    suffix = request.path.name.partition(".")[0].rpartition("_")[2]
    match suffix:
        case "rate":
            yield from (
                partial(draw_detector, one) for one in read_planes(request.path)
            )
        case "s3d":
            yield from (partial(draw_cube, one) for one in read_planes(request.path))
        case "whtlt":
            yield from (partial(draw_curve, one) for one in read_curves(request.path))
        case "x1d" | "x1dints" | "c1d":
            yield from _list_spectra(read_spectra(request.path), notes)
        case "s2d" | "calints":
            spectra = _read_beside(request)
            yield from _list_slits(read_planes(request.path), spectra, notes)
        case _:
            raise PictureError(f"nothing is drawn of {suffix or 'such'} products")


def _list_spectra(spectra: Sequence[Spectra], notes: list[str]) -> Iterator[_Draw]:
    for one in _choose(spectra, get_brightness, "spectra", notes):
        yield partial(draw_spectrum, one)
        if one.is_series:
            yield partial(draw_series, one)


def _list_slits(
    planes: Sequence[Plane], spectra: Sequence[Spectra], notes: list[str]
) -> Iterator[_Draw]:
    slits = []
    for plane in planes:
        try:
            slits.append(find_slit(plane))
        except PictureError as error:
            notes.append(str(error))
    for slit in _choose(slits, lambda one: one.brightness, "slits", notes):
        yield partial(draw_slit, slit, spectra)


def _choose(
    parts: Sequence[_Part],
    brightness: Callable[[_Part], float],
    what: str,
    notes: list[str],
) -> Sequence[_Part]:
    """Choose the brightest parts, and note how many are left out."""
    if len(parts) <= MOST_PARTS:
        return parts
    notes.append(
        f"the {MOST_PARTS} brightest of {len(parts)} {what} are drawn, the others not"
    )
    return sorted(parts, key=brightness, reverse=True)[:MOST_PARTS]


def _read_beside(request: DrawRequest) -> tuple[Spectra, ...]:
    """Read the spectra that were extracted from an image, as far as they are there."""
    try:
        return tuple(chain.from_iterable(map(read_spectra, request.beside)))
    except (PictureError, ProductError):
        return ()


def _publish(drawing: Drawing, folder: Path, stem: str) -> Picture:
    """Publish a picture with its numbers; one that is there has the same bytes."""
    png, numbers = folder / f"{stem}.png", ""
    publish(png, lambda draft: draft.write_bytes(drawing.raster.png))
    if drawing.numbers is not None:
        numbers = f"{stem}.json"
        text = json.dumps(asdict(drawing.numbers), separators=(",", ":"))
        publish(folder / numbers, lambda draft: draft.write_text(text, "ascii"))
    return Picture(
        file=png.name,
        kind=drawing.kind,
        part=drawing.part,
        title=drawing.title,
        alt=drawing.alt,
        width=drawing.raster.width,
        height=drawing.raster.height,
        numbers=numbers,
    )
