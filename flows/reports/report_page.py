"""A report as one HTML file that needs nothing else, of a limited size.

Everything that comes from outside is escaped by the template; a policy in the page lets
it load nothing and run no script but ours, which are named by their hashes.
"""

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from workers.pictures_contract import Picture, SpectrumNumbers

from .changes import say_change, say_changes
from .pictures import read_numbers, read_picture
from .run_report import Look, RunReport

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["MOST_BYTES", "RenderedReport", "render_report"]

MOST_BYTES: Final = 20_000_000
"""That a report may have."""

_TEXT_SHARE: Final = 0.25
"""Of these, what is kept for all but pictures and scripts."""

_HERE: Final = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class RenderedReport:
    """A report, and what there was no room for."""

    html: bytes
    """The page."""
    pictures: int
    """Pictures in it."""
    left_out: tuple[str, ...]
    """Pictures for which there was no room, by name."""
    undrawn: tuple[str, ...]
    """Products that have no pictures yet."""


@dataclass(frozen=True, slots=True)
class _Shown:
    """A picture as the page has it."""

    picture: Picture
    """What it is."""
    source: str
    """Its bytes, as a data URI."""
    plot: str = ""
    """The spectrum that one can zoom, as JSON; empty if it is none."""


def render_report(
    report: RunReport,
    *,
    data_dir: Path,
    target: Path,
    most_bytes: int = MOST_BYTES,
) -> RenderedReport:
    """Render a report; pictures for which there is no room are left out, and named.

    Parameters
    ----------
    target
        Where it will be, for the links to logs.
    most_bytes
        That it may have.
    """
    chosen, left_out = _choose_pictures(report, data_dir, most_bytes)
    undrawn = tuple(
        look.shown.product.name for look in report.looks if look.pictures is None
    )
    html = _render(
        report,
        chosen,
        left_out=left_out,
        undrawn=undrawn,
        data_dir=data_dir,
        target=target,
    )
    if len(html) > most_bytes and chosen:
        return render_report(
            replace(
                report, looks=tuple(replace(x, pictures=None) for x in report.looks)
            ),
            data_dir=data_dir,
            target=target,
            most_bytes=most_bytes,
        )
    count = sum(map(len, chosen.values()))
    return RenderedReport(html, count, left_out, undrawn)


def _choose_pictures(
    report: RunReport, data_dir: Path, most_bytes: int
) -> tuple[Mapping[str, tuple[_Shown, ...]], tuple[str, ...]]:
    """Choose pictures while there is room, those of spectra first."""
    room = (1 - _TEXT_SHARE) * most_bytes - len(_read_bokeh())
    chosen: dict[str, tuple[_Shown, ...]] = {}
    left_out: list[str] = []
    for look in report.looks:
        for picture in look.pictures.pictures if look.pictures else ():
            shown = _load(look, picture, data_dir)
            size = len(shown.source) + len(shown.plot) if shown else 0
            if shown is None or size > room:
                left_out.append(picture.file)
                continue
            room -= size
            key = _key(look)
            chosen[key] = (*chosen.get(key, ()), shown)
    return chosen, tuple(left_out)


def _key(look: Look) -> str:
    return f"{look.shown.done.fingerprint}/{look.shown.product.name}"


def _load(look: Look, picture: Picture, data_dir: Path) -> _Shown | None:
    """Load a picture; None if it went away a moment ago."""
    fingerprint = look.shown.done.fingerprint
    try:
        png = read_picture(data_dir, fingerprint, picture.file)
    except OSError:
        return None
    source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    numbers = None
    if picture.numbers:
        numbers = read_numbers(data_dir, fingerprint, picture.numbers)
    return _Shown(picture, source, _make_plot(numbers) if numbers else "")


def _make_plot(numbers: SpectrumNumbers) -> str:
    """Make a spectrum that one can zoom, as JSON for Bokeh."""
    import numpy as np
    from bokeh.embed import json_item
    from bokeh.plotting import figure

    waves, flux, error = (
        np.array([np.nan if v is None else v for v in values], dtype=np.float32)
        for values in (numbers.wavelength, numbers.flux, numbers.error)
    )
    plot = figure(
        height=340,
        sizing_mode="stretch_width",
        tools="pan,box_zoom,wheel_zoom,reset,hover",
        x_axis_label=f"wavelength ({numbers.wavelength_unit})",
        y_axis_label=f"flux ({numbers.flux_unit})",
    )
    plot.toolbar.logo = None
    plot.varea(waves, flux - error, flux + error, fill_alpha=0.35, color="#E69F00")
    plot.line(waves, flux, color="#0072B2", line_width=1.2)
    flagged = np.array(numbers.dq) & 1 > 0
    plot.scatter(waves[flagged], flux[flagged], marker="x", color="#D55E00")
    return json.dumps(json_item(plot), separators=(",", ":")).replace("<", "\\u003c")


@cache
def _read_bokeh() -> str:
    import bokeh

    assert bokeh.__file__ is not None
    scripts = Path(bokeh.__file__).parent / "server" / "static" / "js"
    return (
        (scripts / "bokeh.min.js").read_text("utf-8").replace("</script", "<\\/script")
    )


def _render(
    report: RunReport,
    chosen: Mapping[str, tuple[_Shown, ...]],
    *,
    left_out: tuple[str, ...],
    undrawn: tuple[str, ...],
    data_dir: Path,
    target: Path,
) -> bytes:
    has_plots = any(one.plot for found in chosen.values() for one in found)
    script = (_HERE / "static" / "report.js").read_text("utf-8")
    scripts = [_read_bokeh(), script] if has_plots else []
    hashes = " ".join(f"'sha256-{_hash(one)}'" for one in scripts)

    def link(path: Path) -> str:
        start = target.absolute().parent
        return Path(os.path.relpath(data_dir.absolute() / path, start)).as_posix()

    page = _environment().get_template("run.html")
    text = page.render(
        report=report,
        run=report.run,
        shown=chosen,
        key=_key,
        left_out=left_out,
        undrawn=undrawn,
        scripts=scripts,
        script_policy=hashes or "'none'",
        style=(_HERE / "static" / "report.css").read_text("utf-8"),
        link=link,
        say_change=say_change,
        say_changes=say_changes,
        data_dir=data_dir.absolute(),
    )
    return text.encode("utf-8", "backslashreplace")


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


@cache
def _environment() -> "Environment":
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["number"] = _write_number
    return made


def _write_number(value: Any) -> str:
    return "-" if value is None else f"{value:.5g}"
