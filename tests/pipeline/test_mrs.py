"""What is special of the MRS: bands, master background, fringes, showers."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from plain_script import PipelineCall, start
from processed import Processed, find_fringe

from flows.models.runs import RunState
from workers.contract import CaveatKind, Outcome
from workers.sample import SampleSet
from workers.sample.miri_mrs import FRINGE, MRS
from workers.sample.mrs_light import MJY_SR_PER_DN, trace_mrs

FIRST, SECOND = (f"jw99003001001_02101_0000{n}_mirifushort" for n in (1, 2))
SKY = "jw99003002001_02101_00001_mirifushort"
BRIGHT_MJY_SR = 3000.0

pytestmark = pytest.mark.slow


def find(done: Processed, stage: str, name: str) -> Outcome:
    return next(
        outcome
        for key, outcome in done.list_outcomes().items()
        if key.startswith(f"{stage}:{name}")
    )


def list_steps(outcome: Outcome) -> dict[str, str]:
    return {step.step: step.status for step in outcome.steps}


def measure_fringes(cal: Path) -> float:
    """Measure what is left of the injected fringes where the source is bright."""
    light = trace_mrs("SHORT")
    truth = MJY_SR_PER_DN * light.rate(MRS.plan()[0], MRS.scene)
    wave = (light.fringes(FRINGE) - 1) / FRINGE.amplitude
    data = fits.getdata(cal, "SCI")
    ratio = data / np.maximum(truth, 1)
    # Flawed pixels are far off.
    good = (truth > BRIGHT_MJY_SR) & (np.abs(ratio - 1) < 0.2)
    return float(np.polyfit(wave[good], ratio[good], 1)[0])


def test_every_job_succeeds(mrs: Processed) -> None:
    assert mrs.summary.state is RunState.SUCCEEDED
    assert set(mrs.summary.counts) == {"SUCCEEDED"}


def test_the_only_caveat_is_that_one_exposure_has_no_outliers(mrs: Processed) -> None:
    caveats = {
        key: outcome.caveats
        for key, outcome in mrs.list_outcomes().items()
        if outcome.caveats
    }
    assert list(caveats) == ["spec3:jw99003-o002_t001_miri"]
    (caveat,) = caveats["spec3:jw99003-o002_t001_miri"]
    assert caveat.kind is CaveatKind.STEP_FAILED
    assert "outlier_detection" in caveat.message


def test_spec2_makes_one_spectrum_of_both_channels(mrs: Processed) -> None:
    with fits.open(mrs.folder / f"{SKY}_x1d.fits", memmap=False) as hdus:
        (table,) = (hdu.data for hdu in hdus if hdu.name == "EXTRACT1D")
    wavelength = np.ravel(table["WAVELENGTH"])
    assert wavelength.min() < 5.3
    assert wavelength.max() > 8.1


def test_spec3_makes_a_cube_of_each_channel(mrs: Processed) -> None:
    cubes = {path.name for path in mrs.folder.glob("jw99003-o001*_s3d.fits")}
    assert cubes == {f"jw99003-o001_t002_miri_ch{n}-short_s3d.fits" for n in (1, 2)}


def test_the_background_is_subtracted_in_spec3_alone(mrs: Processed) -> None:
    assert list_steps(find(mrs, "spec2", FIRST))["bkg_subtract"] == "SKIPPED"
    outcome = find(mrs, "spec3", "jw99003-o001")
    assert list_steps(outcome)["master_background"] == "COMPLETE"
    table = fits.getdata(mrs.folder / f"{SKY}_x1d.fits", "EXTRACT1D")
    level = np.nanmedian(table["SURF_BRIGHT"])
    assert level == pytest.approx(MRS.scene.background_mjy_sr, rel=0.05)


def test_only_residual_fringe_takes_the_injected_fringes_away(
    mrs: Processed, sample: SampleSet, tmp_path: Path
) -> None:
    skip = {name: {"skip": True} for name in ("cube_build", "residual_fringe")}
    rate = str(mrs.folder / f"{FIRST}_rate.fits")
    call = PipelineCall("Spec2Pipeline", rate, {"steps": skip})
    context = sample.contexts[0]
    script = start([call], tmp_path, crds_path=sample.crds, context=context)
    assert script.wait() == 0
    before = measure_fringes(tmp_path / f"{FIRST}_cal.fits")
    after = measure_fringes(mrs.folder / f"{FIRST}_cal.fits")
    assert before == pytest.approx(FRINGE.amplitude, rel=0.1)
    assert abs(after) < before / 3


def test_little_is_left_of_the_injected_fringe_when_it_is_corrected(
    mrs: Processed,
) -> None:
    corrected = [find_fringe(path) for path in mrs.folder.glob("*-o001*_x1d.fits")]
    assert 0 < min(corrected) < max(corrected) < FRINGE.amplitude / 3


def test_showers_are_found_where_they_are(mrs: Processed) -> None:
    counts = {
        name: fits.getheader(mrs.folder / f"{name}_rate.fits")["EXTNCRS"] > 0
        for name in (FIRST, SECOND, SKY)
    }
    assert counts == {FIRST: False, SECOND: True, SKY: False}
