"""What is special of gratings: two detectors in one cube, or one without light."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from processed import Processed
from processing import make_request, make_settings, plan

from flows.execution import Cluster
from flows.models.runs import RunState
from workers.contract import CaveatKind
from workers.sample import Mode, SampleSet

HIGH = "jw99006-o001_t001_nirspec_g395h-f290lp"
MEDIUM = "jw99006-o002_t001_nirspec_g395m-f290lp"
DARK = "jw99006002001_02101_00001_nrs2"
DARK_WHY = f"{DARK}: no light of G395M with F290LP falls on NRS2"

pytestmark = pytest.mark.slow


def read_gap(sample: SampleSet) -> tuple[float, float]:
    path = sample.truth / f"{Mode.NIRSPEC_IFU_GRATINGS}_g395h.ecsv"
    start_um, end_um = Table.read(path, format="ascii.ecsv").meta["gap_um"]
    return start_um, end_um


def test_every_job_succeeds(gratings: Processed) -> None:
    assert gratings.summary.state is RunState.SUCCEEDED
    assert set(gratings.summary.counts) == {"SUCCEEDED"}


def test_a_detector_without_light_has_no_job_and_the_run_says_why(
    gratings: Processed,
) -> None:
    assert not [job.key for job in gratings.summary.jobs if DARK in job.key]
    assert not list(gratings.folder.glob(f"{DARK}_*"))
    assert gratings.summary.notes == (DARK_WHY,)


def test_the_only_caveat_is_that_one_exposure_has_no_outliers(
    gratings: Processed,
) -> None:
    outcomes = gratings.list_outcomes()
    caveats = {key: o.caveats for key, o in outcomes.items() if o.caveats}
    assert list(caveats) == [f"spec3:{MEDIUM.removesuffix('-f290lp')}"]
    (caveat,) = next(iter(caveats.values()))
    assert caveat.kind is CaveatKind.STEP_FAILED
    assert "outlier_detection" in caveat.message


def test_there_is_one_cube_of_each_grating(gratings: Processed) -> None:
    cubes = {path.name for path in gratings.folder.glob("jw99006-*_s3d.fits")}
    assert cubes == {f"{HIGH}_s3d.fits", f"{MEDIUM}_s3d.fits"}


def test_the_gap_between_the_detectors_is_in_their_cube(
    gratings: Processed, sample: SampleSet
) -> None:
    table = fits.getdata(gratings.folder / f"{HIGH}_x1d.fits", "EXTRACT1D")
    wavelength, flux = np.array(table["WAVELENGTH"]), np.nan_to_num(table["FLUX"])
    start_um, end_um = read_gap(sample)
    is_below, is_above = wavelength < start_um, wavelength > end_um
    assert (flux[is_below] > 0).all()
    assert (flux[is_above] > 0).all()
    dark_um = wavelength[flux == 0]
    assert start_um < dark_um.min() < dark_um.max() < end_um


def test_a_detector_that_is_missing_is_named_in_the_plan(
    sample: SampleSet, cluster: Cluster, tmp_path: Path
) -> None:
    for path in sample.list_raw(Mode.NIRSPEC_IFU_GRATINGS):
        if "99006001001" not in path.name or "nrs1" in path.name:
            (tmp_path / path.name).symlink_to(path)
    settings = make_settings(sample, tmp_path / "data")
    settings = settings.model_copy(update={"archive": tmp_path})
    summary = plan(settings, make_request(Mode.NIRSPEC_IFU_GRATINGS), cluster)
    said = (
        "jw99006001001_02101_00001_nrs1: light of G395H with F290LP falls on NRS2 too, "
        "of which the archive has no file"
    )
    assert summary.notes == (said, DARK_WHY)
