"""Stills of curves: SVG for who has no script, and plots of Bokeh for who has."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from ..reports.curves import Curve

__all__ = ["Still", "Tick", "draw_still", "make_plot"]

_WIDTH: Final = 800
_HEIGHT: Final = 320
_LEFT: Final = 70
_BOTTOM: Final = 44
_TOP: Final = 8
_RIGHT: Final = 12

_BAND: Final[dict[str, Any]] = {
    "fill_color": "#1f77b4",
    "fill_alpha": 0.2,
    "line_color": None,
}
"""How the errors are drawn around a curve."""

_SPIKES: Final = 0.005
"""Part of the values on either side that may lie outside of a plot."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis."""

    at: float
    """Where it is."""
    text: str
    """Its number."""


@dataclass(frozen=True, slots=True)
class Still:
    """A curve as SVG."""

    curve: Curve
    """What it shows."""
    box: tuple[int, int, int, int]
    """Left, top, width and height of the plot."""
    width: int
    """Width of all."""
    height: int
    """Height of all."""
    lines: tuple[str, ...]
    """The curve, where it is known, as points of polylines."""
    bands: tuple[str, ...]
    """One standard deviation to either side, as points of polygons."""
    x_ticks: tuple[Tick, ...]
    """Marks of the axis below."""
    y_ticks: tuple[Tick, ...]
    """Marks of the axis on the left."""


_Point = tuple[float, float, float]
"""x, y and the standard deviation."""


def draw_still(curve: Curve) -> Still | None:
    """Draw a curve; None if no value of it is finite."""
    pieces = list(_cut(curve))
    points = [point for piece in pieces for point in piece]
    if not points:
        return None
    x_low, x_high = _widen(points[0][0], points[-1][0])
    values = sorted(value for _, y, error in points for value in (y - error, y + error))
    skip = int(len(values) * _SPIKES)
    y_low, y_high = _widen(values[skip], values[-1 - skip])
    wide, high = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def place(x: float, y: float) -> str:
        across = _LEFT + wide * (x - x_low) / (x_high - x_low)
        down = _TOP + high * (1 - (y - y_low) / (y_high - y_low))
        return f"{across:.1f},{min(max(down, -1e4), 1e4):.1f}"

    return Still(
        curve=curve,
        box=(_LEFT, _TOP, wide, high),
        width=_WIDTH,
        height=_HEIGHT,
        lines=tuple(" ".join(place(x, y) for x, y, _ in piece) for piece in pieces),
        bands=tuple(
            " ".join(
                [
                    *(place(x, y + error) for x, y, error in piece),
                    *(place(x, y - error) for x, y, error in reversed(piece)),
                ]
            )
            for piece in (pieces if curve.error else ())
        ),
        x_ticks=tuple(
            Tick(_LEFT + wide * (value - x_low) / (x_high - x_low), text)
            for value, text in _list_ticks(x_low, x_high)
        ),
        y_ticks=tuple(
            Tick(_TOP + high * (1 - (value - y_low) / (y_high - y_low)), text)
            for value, text in _list_ticks(y_low, y_high)
        ),
    )


def _cut(curve: Curve) -> Iterator[Sequence[_Point]]:
    """Cut a curve where it is not known."""
    errors = curve.error or (0.0,) * len(curve.x)
    points = zip(curve.x, curve.y, errors, strict=True)
    for is_known, piece in groupby(points, key=lambda point: point[1] is not None):
        if is_known:
            yield [(x, y or 0.0, error or 0.0) for x, y, error in piece]


def _widen(low: float, high: float) -> tuple[float, float]:
    """Make room around what a plot shows."""
    room = (high - low) * 0.04 or abs(high) * 0.1 or 1.0
    return low - room, high + room


def _list_ticks(low: float, high: float) -> Iterator[tuple[float, str]]:
    """List about five round numbers of a range."""
    raw = (high - low) / 5
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(unit * times for times in (1, 2, 5, 10) if unit * times >= raw)
    for number in range(math.ceil(low / step), math.floor(high / step) + 1):
        value = number * step
        digits = max(0, math.ceil(math.log10(max(abs(low), abs(high)) / step)) + 1)
        yield value, f"{value:.{max(digits, 1)}g}"


def make_plot(curve: Curve) -> dict[str, Any]:
    """Make a plot that one can zoom, as JSON for BokehJS."""
    from bokeh.embed import json_item  # a second: only when it is wanted
    from bokeh.models import ColumnDataSource, HoverTool
    from bokeh.models.annotations import Band
    from bokeh.plotting import figure

    nan = math.nan
    y = [nan if value is None else value for value in curve.y]
    error = [value or 0.0 for value in curve.error] or [0.0] * len(y)
    pairs = list(zip(y, error, strict=True))
    source = ColumnDataSource(
        {
            "x": list(curve.x),
            "y": y,
            "error": error,
            "low": [value - spread for value, spread in pairs],
            "high": [value + spread for value, spread in pairs],
        }
    )
    plot = figure(
        x_axis_label=curve.x_label,
        y_axis_label=curve.y_label,
        sizing_mode="stretch_width",
        height=420,
        tools="pan,wheel_zoom,box_zoom,reset,save",
        active_drag="box_zoom",
        title=curve.title,
    )
    plot.toolbar.logo = None
    plot.step("x", "y", source=source, mode="center")
    if curve.error:
        band = Band(base="x", lower="low", upper="high", source=source, **_BAND)
        plot.add_layout(band)
    tips = [("x", "@x{0.0000}"), ("value", "@y"), ("error", "@error")]
    plot.add_tools(HoverTool(tooltips=tips, mode="vline"))
    return dict(json_item(plot))
