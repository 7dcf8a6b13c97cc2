"""Kinds of associations that no default makes, through the real spec2."""

import os
import shutil
from pathlib import Path

from processed import Processed
from processing import process

from flows.models.runs import JobState, RunState
from flows.run import Request

RECIPE = """
title = "Spectra of leakcals too, as the official rules make them"
[associations]
selfcal = true
imprints_as_science = true
[products]
exposure_cubes = "needed"
[[parameters]]
stage = "spec2"
exp_types = ["NRS_IFU"]
steps.badpix_selfcal.skip = false
"""


def test_spec2_takes_leakcals_as_science(ifu: Processed, tmp_path: Path) -> None:
    """Everything else is reused, since a recipe's name changes no pixel."""
    data, recipe = tmp_path / "data", tmp_path / "leakcals.toml"
    store = ifu.settings.data_dir / "store"
    shutil.copytree(store, data / "store", copy_function=os.link)
    recipe.write_text(RECIPE)
    settings = ifu.settings.model_copy(update={"data_dir": data})
    summary = process(settings, Request("99001", ("001",), recipe=str(recipe)))
    made = [job.key for job in summary.jobs if job.state is JobState.SUCCEEDED]
    assert summary.state is RunState.SUCCEEDED
    assert made == ["spec2:jw99001001001_04101_00001_nrs1"]
