"""Before and after: what another context changes in spectra is found, and no more."""

import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat
import pytest
from astropy.io import fits
from commands import Ended, Rewebb, assert_refused
from mast_server import mast_server
from nbclient import NotebookClient
from processed import Processed
from processing import make_settings, process

from flows.models.runs import RunState
from flows.run import Request
from workers.sample import Mode, SampleSet

NOTEBOOK = Path(__file__).parents[2] / "docs/user/notebooks/before-after.ipynb"

FACTOR = 1.05
"""Which the photom of the second context multiplies the flux of the IFU by."""

RECIPE = """
title = "Without self-calibration, of which a parameter differs between the contexts"

[[parameters]]
why = "Only the photom may change anything."
stage = "spec2"
exp_types = ["NRS_IFU"]
steps.badpix_selfcal.skip = true
"""

JOBS = ("spec2:jw99001001001_02101_00001_nrs1",)
"""One exposure of the galaxy."""


@pytest.fixture(scope="module")
def runs(
    ifu: Processed, sample: SampleSet, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, tuple[str, str]]:
    """Calibrate an exposure in both contexts; give the data folder and the runs."""
    folder = tmp_path_factory.mktemp("compared")
    data, recipe = folder / "data", folder / "no-selfcal.toml"
    recipe.write_text(RECIPE)
    store = ifu.settings.data_dir / "store"
    shutil.copytree(store, data / "store", copy_function=os.link)
    program = Mode.NIRSPEC_IFU_PRISM.program
    ids = []
    for context in sample.contexts:
        settings = make_settings(sample, data, context=context)
        summary = process(settings, Request(program, recipe=str(recipe), jobs=JOBS))
        assert summary.state is RunState.SUCCEEDED
        ids.append(summary.run)
    return data, (ids[0], ids[1])


def compare(data: Path, *arguments: str, **variables: str) -> Ended:
    command = Rewebb(data.parent, {"REWEBB_DATA_DIR": str(data), **variables})
    return command.call_here("compare", *arguments)


@pytest.mark.slow
def test_the_photom_of_another_context_is_found_and_nothing_else(
    runs: tuple[Path, tuple[str, str]],
) -> None:
    data, ids = runs
    text = compare(data, *ids).out
    products: list[dict[str, Any]] = compare(data, *ids, "--json").record["products"]
    assert {str(one["product"]).rpartition("_")[2] for one in products} == {
        "s3d.fits",
        "x1d.fits",
    }
    for product in products:
        assert product["sameness"] == "DIFFERENT"
        assert product["only"] == []
        cause, *_ = product["causes"]
        assert cause.startswith("photom jwst_nirspec_photom_0001.fits")
        [change] = product["spectra"]
        assert change["ratio"] == pytest.approx(FACTOR, rel=0.01)
        for band in change["bands"]:
            assert band["ratio"] == pytest.approx(FACTOR, rel=0.01)
        before, after = change["noise"]
        assert after == pytest.approx(FACTOR * before, rel=1e-3)
        for name in ("bad", "first_um", "last_um"):
            assert change[name][0] == change[name][1]
        assert change["grids"] == ""
        assert all(abs(line["shift_pixels"]) < 1e-3 for line in change["lines"])
        assert (change["moved_arcsec"] or 0) < 1e-3
    assert "flux x1.0500" in text
    assert "at all wavelengths" in text
    assert "photom jwst_nirspec_photom_0001.fits" in text
    assert "2 of 2 products with spectra, cubes or light curves changed." in text
    for word in ("moved", "bad samples", "other grid"):
        assert word not in text


def test_nothing_changed_is_a_sentence(bots: Processed) -> None:
    data, run = bots.settings.data_dir, bots.summary.run
    assert compare(data, run, run).out.strip().startswith("Nothing changed: ")
    products = compare(data, run, run, "--json").record["products"]
    assert {one["sameness"] for one in products} == {"IDENTICAL"}


def test_a_run_and_a_product_cannot_be_compared(bots: Processed) -> None:
    name = next(p for p in bots.summary.products if p.endswith("whtlt.ecsv"))
    ended = compare(bots.settings.data_dir, bots.summary.run, name)
    assert_refused(ended, "compare two runs")


def test_a_product_that_holds_no_spectrum_is_refused(bots: Processed) -> None:
    name = next(p for p in bots.summary.products if p.endswith("_rateints.fits"))
    ended = compare(bots.settings.data_dir, name, name)
    assert_refused(ended, "Only spectra, cubes and light curves")


@pytest.fixture(scope="module")
def brighter(bots: Processed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the spectra of the time series twice as bright, as by another jwst."""
    name = next(p for p in bots.summary.products if p.endswith("_x1dints.fits"))
    path = tmp_path_factory.mktemp("elsewhere") / name
    shutil.copy(bots.folder / name, path)
    with fits.open(path, mode="update") as hdus:
        hdus[0].header["CAL_VER"] = "1.20.2"
        for hdu in hdus:
            if hdu.name == "EXTRACT1D":
                hdu.data["FLUX"] *= 2
    return path


def assert_halved(ended: Ended) -> None:
    [product] = ended.record["products"]
    assert product["causes"] == ["CAL_VER 1.20.2 -> 3.0.0"]
    assert [one["ratio"] for one in product["spectra"]] == pytest.approx([0.5])


def test_a_product_is_compared_with_a_file_that_nobody_recorded(
    bots: Processed, brighter: Path
) -> None:
    data = bots.settings.data_dir
    assert_halved(compare(data, str(brighter), brighter.name, "--json"))
    [turned] = compare(data, brighter.name, str(brighter), "--json").record["products"]
    assert [one["ratio"] for one in turned["spectra"]] == pytest.approx([2.0])
    told = compare(data, str(brighter), brighter.name).out
    assert "flux x0.5000" in told
    assert "CAL_VER 1.20.2 -> 3.0.0" in told
    both = compare(data, str(brighter), str(brighter))
    assert_refused(both, "One of the two must be recorded")
    assert_refused(compare(data, str(brighter), bots.summary.run), "the name of one")


def test_a_run_is_compared_with_what_mast_has_of_its_products(
    bots: Processed, brighter: Path
) -> None:
    data, run = bots.settings.data_dir, bots.summary.run
    with mast_server(brighter.parent) as mast:
        asked = ("mast", run, "--json")
        products = compare(data, *asked, REWEBB_MAST_URL=mast.url).record["products"]
    found = {one["product"]: one for one in products}
    assert found[brighter.name]["sameness"] == "DIFFERENT"
    [spectrum] = found.pop(brighter.name)["spectra"]
    assert spectrum["ratio"] == pytest.approx(0.5)
    assert {one["sameness"] for one in found.values()} == {"ONLY_SECOND"}


def test_an_exclusive_product_of_mast_is_refused_in_a_sentence(
    bots: Processed, brighter: Path
) -> None:
    locks = {"99002": datetime(2999, 1, 1, tzinfo=UTC)}
    with mast_server(brighter.parent, exclusive=locks) as mast:
        asked = ("mast", brighter.name)
        ended = compare(bots.settings.data_dir, *asked, REWEBB_MAST_URL=mast.url)
    assert_refused(ended, brighter.name, "token")


@pytest.mark.slow
def test_a_run_says_by_itself_what_it_changed(
    runs: tuple[Path, tuple[str, str]],
) -> None:
    data, ids = runs
    first, second = sorted(data.glob("runs/*/*/run.json"))
    assert not first.with_name("changes.json").exists()
    notes = json.loads(second.read_text())["notes"]
    [line] = [note for note in notes if note.startswith("before and after: ")]
    assert "2 of 2 products" in line
    assert any("flux x1.0500" in note for note in notes)
    told = json.loads(second.with_name("changes.json").read_text())
    assert told == compare(data, *ids, "--json").record


@pytest.mark.slow
def test_the_notebook_goes_from_a_program_to_a_plot_before_and_after(
    runs: tuple[Path, tuple[str, str]],
) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert f'program = "{Mode.NIRSPEC_IFU_PRISM.program}"' in notebook.cells[1].source
    assert [cell.get("outputs", []) for cell in notebook.cells] == [[]] * 6
    environment = {**os.environ, "REWEBB_DATA_DIR": str(runs[0])}
    NotebookClient(notebook, timeout=300).execute(env=environment)
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    told = "".join(one["text"] for one in shown if one.get("name") == "stdout")
    assert "2 of 2 products with spectra, cubes or light curves changed." in told
    assert "flux x1.0500" in told
    assert [one for one in shown if one.get("name") == "stderr"] == []
    assert any("image/png" in one.get("data", {}) for one in shown)
