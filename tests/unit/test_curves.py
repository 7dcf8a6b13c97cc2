"""Spectra as lines of text, and records as notebooks show them."""

import io
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from exposures import bots_program
from hypothesis import given
from hypothesis import strategies as st
from outcomes import make_run
from plans import DoneStore, make_binder, make_graph, make_resolved
from web_site import HOSTILE, NEW, SPECTRUM, fill_site, make_spectrum

from flows.cli.output import can_say
from flows.cli.show import show
from flows.errors import MissingPartError, ProductFileError
from flows.models.products import FoundProduct, ProductQuery
from flows.planning import build_plan
from flows.provenance import Database
from flows.reports import QueryResult
from flows.reports.curves import (
    draw_sparkline,
    read_curves,
    read_light_curve,
    read_spectrum,
    to_curve,
)
from workers.contract import Product, SourceFacts, Stage

BLOCKS = "▁▂▃▄▅▆▇█"
FINITE = st.floats(-1e30, 1e30)


def draw(y: np.ndarray, x: np.ndarray | None = None, width: int = 8) -> str:
    at = np.arange(y.size, dtype=float) if x is None else x
    return draw_sparkline(to_curve("", at, y, x_label="", y_label=""), width)


def test_a_slope_rises_and_a_hole_is_left_open() -> None:
    assert draw(np.arange(8.0)) == BLOCKS
    assert draw(np.array([0, 1, np.nan, 3, 4, 5, 6, 7.0])) == "▁▂ ▄▅▆▇█"


def test_one_spike_does_not_flatten_the_rest() -> None:
    y = np.linspace(0, 1, 1000)
    y[500] = 1e9
    assert draw(y, width=50)[::6] == draw(np.linspace(0, 1, 1000), width=50)[::6]


def test_what_has_no_values_is_no_line_and_what_does_not_change_is_flat() -> None:
    assert draw(np.full(5, np.nan)) == ""
    assert {*draw(np.full(16, 3.0))} == {"▁"}
    assert draw(np.array([2.0]), np.array([1.0])).strip() == "▁"


@given(st.lists(st.tuples(FINITE, FINITE), min_size=1, max_size=40), st.integers(1, 90))
def test_any_curve_is_a_line_of_its_width(
    points: list[tuple[float, float]], width: int
) -> None:
    x, y = np.array(points).T
    line = draw(y, x, width)
    assert len(line) == width
    assert {*line} <= {*BLOCKS, " "}


def test_the_first_spectra_of_a_product_are_read_and_all_are_counted(
    tmp_path: Path,
) -> None:
    with fits.open(io.BytesIO(make_spectrum())) as file:
        tables = [file[1].copy() for _ in range(3)]
        fits.HDUList([fits.PrimaryHDU(), *tables]).writeto(tmp_path / "a_x1d.fits")
    curves, total = read_curves(tmp_path / "a_x1d.fits", limit=2)
    assert ([curve.title for curve in curves], total) == (["source the source"] * 2, 3)
    assert read_curves(tmp_path / "a_cal.fits", limit=2) == ((), 0)


def test_what_is_no_spectrum_is_refused_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "a_x1d.fits"
    path.write_bytes(make_spectrum())
    with pytest.raises(MissingPartError, match="a_x1d"):
        read_spectrum(path, 1)
    path.write_text("no FITS file")
    with pytest.raises(ProductFileError, match="a_x1d"):
        read_curves(path, limit=1)
    path.write_text("no table")
    with pytest.raises(ProductFileError, match="a_x1d"):
        read_light_curve(path)


def test_show_draws_a_spectrum_with_its_scales(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Database.open(f"sqlite:///{tmp_path / 'rewebb.db'}") as database:
        fill_site(database, tmp_path)
        (found,) = database.products.find(
            ProductQuery(kinds=("x1d",), jobs=(NEW,), limit=1)
        )
    path = tmp_path / found.folder / found.product.name
    print_record(tmp_path)
    out = capsys.readouterr().out
    title, line, x, y = out.partition("\n\n")[2].splitlines()[:4]
    assert (title, line.strip()[0]) == ("source the source:", "▁")
    assert "█" in line[30:38]  # the line is in the middle
    assert (x, y) == ("    wavelength (um) 1 to 5", "    flux (Jy) 1.1 to 2.2")
    path.write_bytes(path.read_bytes()[:-2880])
    print_record(tmp_path)
    told = capsys.readouterr()
    assert "source the source" not in told.out
    assert "not in the store as it was made" in told.err


def print_record(data_dir: Path) -> None:
    show(SPECTRUM, data_dir=data_dir)


def test_what_a_terminal_cannot_show_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), "ascii"))
    assert can_say("a")
    assert not can_say("▁")


def test_notebooks_show_runs_products_and_plans_with_their_text_escaped() -> None:
    run = replace(make_run("run-1"), notes=(HOSTILE,), message=HOSTILE)
    one = FoundProduct(
        product=Product(f"{HOSTILE}_x1d.fits", "x1d", 10, "ab", "cd"),
        kind="x1d",
        folder="store/ab",
        fingerprint="ab",
        stage=Stage.SPEC3,
        job_name="a",
        program="02736",
        exp_type="NRS_IFU",
        context="jwst_1464.pmap",
        jwst="3.0.0",
        attempt="1",
        finished_at=datetime(2026, 11, 23, tzinfo=UTC),
        sources=(SourceFacts(name=HOSTILE),),
    )
    found = QueryResult(ProductQuery(), (one,) * 300, Path("data"))
    for shown in (run, one, found):
        html = shown._repr_html_()
        assert "<script>" not in html
        assert "&lt;script&gt;alert(1)" in html
        assert "2026-11-2" in html
    assert found._repr_html_().count("<tr>") == 201
    assert "and 100 more" in found._repr_html_()


def test_notebooks_show_a_plan_with_a_line_a_job() -> None:
    graph = make_graph(bots_program())
    plan = build_plan(graph, make_binder(make_resolved(graph), DoneStore()))
    html = plan._repr_html_()
    assert html.count("<tr>") == len(graph) + 1
    assert f"{len(plan.entries)} DUE" in html
    assert all(entry.planned.key in html for entry in plan.entries)
