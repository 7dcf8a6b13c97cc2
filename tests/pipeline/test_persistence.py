"""Exposures that must follow each other, as a plain script that knows the order."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from fits_differences import list_differences
from plain_script import PipelineCall, start
from processed import find_outcomes
from processing import make_settings, process
from stdatamodels.jwst.datamodels.dqflags import pixel

from flows.run import Request
from workers.contract import Outcome
from workers.sample import Mode, SampleSet

pytestmark = pytest.mark.slow

NODS = [f"jw99005001001_03101_0000{nod}_nrs1" for nod in (1, 2, 3)]

STEP = {"skip": False, "persistence_time": 100_000, "dn_threshold": 300.0}

RECIPE = """
title = "Bright pixels glow for a day"
[[parameters]]
stage = "detector1"
steps.persistence = { skip = false, persistence_time = 100000, dn_threshold = 300.0 }
"""


@pytest.fixture(scope="module")
def outcomes(
    sample: SampleSet, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Outcome]]:
    """Process the fixed slit with persistence; give the data folder and outcomes."""
    folder = tmp_path_factory.mktemp("persistence")
    recipe = folder / "persistence.toml"
    recipe.write_text(RECIPE)
    settings = make_settings(sample, folder / "data")
    program = Mode.NIRSPEC_FS_PRISM.program
    process(settings, Request(program, recipe=str(recipe)))
    return settings.data_dir, find_outcomes(settings.data_dir)


@pytest.fixture(scope="module")
def plain(sample: SampleSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Process the exposures one after the other; give the folder."""
    folder = tmp_path_factory.mktemp("plain")
    calls = []
    for nod, name in enumerate(NODS):
        files = {"save_persistence": str(folder / f"{nod}.asdf")}
        if nod:
            files["persistence_array_file"] = str(folder / f"{nod - 1}.asdf")
        raw = sample.archive / Mode.NIRSPEC_FS_PRISM.program / f"{name}_uncal.fits"
        parameters = {"steps": {"persistence": {**STEP, **files}}}
        calls.append(PipelineCall("Detector1Pipeline", str(raw), parameters))
    script = start(calls, folder, crds_path=sample.crds, context=sample.contexts[0])
    assert script.wait() == 0, (folder / "script.log").read_text()[-2000:]
    return folder


def test_each_exposure_begins_with_what_the_one_before_left(
    outcomes: tuple[Path, dict[str, Outcome]], plain: Path
) -> None:
    data_dir, by_key = outcomes
    for name in NODS:
        made = data_dir / by_key[f"detector1:{name}"].folder / f"{name}_rate.fits"
        assert list_differences(made, plain / made.name) == []


def test_later_exposures_have_pixels_that_still_glow(
    outcomes: tuple[Path, dict[str, Outcome]],
) -> None:
    data_dir, by_key = outcomes
    glowing = []
    for name in NODS:
        made = data_dir / by_key[f"detector1:{name}"].folder / f"{name}_rate.fits"
        flags = fits.getdata(made, "DQ") & pixel["PERSISTENCE"]
        glowing.append(int(np.count_nonzero(flags)))
    assert 0 < glowing[0] < glowing[1] < glowing[2]


def test_what_is_left_is_a_product_and_an_input(
    outcomes: tuple[Path, dict[str, Outcome]],
) -> None:
    _, by_key = outcomes
    for before, name in zip([None, *NODS[:-1]], NODS, strict=True):
        outcome = by_key[f"detector1:{name}"]
        read = [file.name for file in outcome.job.inputs[1:]]
        assert read == ([f"{before}_persistence.asdf"] if before else [])
        assert f"{name}_persistence.asdf" in {p.name for p in outcome.products}
        assert outcome.caveats == ()
