"""Before and after: what another context changes in spectra is found, and no more."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from commands import Ended, Rewebb, assert_refused
from processed import Processed
from processing import make_settings, process

from flows.models.runs import RunState
from flows.run import Request
from workers.sample import Mode, SampleSet

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


def compare(data: Path, *arguments: str) -> Ended:
    command = Rewebb(data.parent, {"REWEBB_DATA_DIR": str(data)})
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
