"""Both detectors of a time series in one tso3, each by its own clock."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from processed import Processed
from processing import make_request, plan

from flows.execution import Cluster
from flows.models.runs import JobState, RunState
from workers.sample import Mode, SampleSet
from workers.sample.nirspec_slits import CLOCKS_S

PRODUCT = "jw99012-o001_t001_nirspec_f290lp-g395h-s1600a1-sub2048"
SEGMENTS = [
    f"jw99012001001_04101_00001-seg00{segment}_nrs{detector}"
    for segment in (1, 2)
    for detector in (1, 2)
]
DETECTORS = ("NRS1", "NRS2")
LATE_S = CLOCKS_S["NRS2"] - CLOCKS_S["NRS1"]
DAY_S = 86_400

pytestmark = pytest.mark.slow


@pytest.fixture
def light_curve(bots_pair: Processed) -> Table:
    return Table.read(bots_pair.folder / f"{PRODUCT}_whtlt.ecsv", format="ascii.ecsv")


def read_transit(sample: SampleSet, detector: str) -> Table:
    name = f"nirspec-bots-g395h_transit-{detector.lower()}.ecsv"
    return Table.read(sample.truth / name, format="ascii.ecsv")


def test_every_job_succeeds_without_a_caveat(bots_pair: Processed) -> None:
    assert bots_pair.summary.state is RunState.SUCCEEDED
    assert set(bots_pair.summary.counts) == {"SUCCEEDED"}
    assert list(bots_pair.summary.caveats) == []


def test_both_detectors_are_members_in_the_order_of_names(bots_pair: Processed) -> None:
    inputs = bots_pair.list_outcomes()[f"tso3:{PRODUCT}"].job.inputs
    assert [file.name for file in inputs] == [f"{s}_calints.fits" for s in SEGMENTS]


def list_products(folder: Path) -> set[str]:
    return {path.name.removeprefix(PRODUCT) for path in folder.glob("jw99012-*")}


def test_there_is_one_product_of_both_detectors(bots_pair: Processed) -> None:
    names = list_products(bots_pair.folder)
    assert {"_x1dints.fits", "_whtlt.ecsv"} <= names
    assert len([name for name in names if "x1d" in name or "whtlt" in name]) == 2


def test_spectra_of_the_product_are_by_segment_and_then_by_detector(
    bots_pair: Processed,
) -> None:
    with fits.open(bots_pair.folder / f"{PRODUCT}_x1dints.fits") as hdus:
        spectra = [hdu for hdu in hdus if hdu.name == "EXTRACT1D"]
        assert [hdu.header["DETECTOR"] for hdu in spectra] == [*DETECTORS, *DETECTORS]
        firsts = [int(hdu.data["INT_NUM"][0]) for hdu in spectra]
    assert firsts == [1, 1, 13, 13]


def test_each_detector_keeps_its_own_times(
    light_curve: Table, sample: SampleSet
) -> None:
    for detector in DETECTORS:
        truth = read_transit(sample, detector)["mid_mjd_utc"]
        assert np.array_equal(light_curve[f"MJD_UTC_{detector}"], truth)
    difference = light_curve["MJD_UTC_NRS2"] - light_curve["MJD_UTC_NRS1"]
    assert np.allclose(difference * DAY_S, LATE_S, atol=1e-4)


def test_the_times_of_the_product_are_of_the_last_detector_alone(
    bots_pair: Processed, sample: SampleSet
) -> None:
    """Tso3 of jwst 3.0.0 has one row for an integration, whatever its detector."""
    times = fits.getdata(bots_pair.folder / f"{PRODUCT}_x1dints.fits", "INT_TIMES")
    truth = read_transit(sample, "NRS2")["mid_mjd_utc"]
    assert np.array_equal(times["int_mid_MJD_UTC"], truth)


def test_the_transit_is_at_one_time_and_not_at_one_number(light_curve: Table) -> None:
    begin_s, number = [], []
    for detector in DETECTORS:
        flux = np.array(light_curve[f"whitelight_flux_{detector}"], dtype=float)
        first = int(np.argmax(flux < (flux.max() + flux.min()) / 2))
        number.append(first)
        begin_s.append(light_curve[f"MJD_UTC_{detector}"][first] * DAY_S)
    cadence_s = np.diff(light_curve["MJD_UTC_NRS1"]).mean() * DAY_S
    assert number[0] > number[1]
    assert abs(begin_s[1] - begin_s[0]) <= cadence_s


@pytest.mark.parametrize("missing", SEGMENTS[1:3])  # one of each detector
def test_a_missing_segment_of_a_detector_blocks_the_time_series(
    bots_pair: Processed,
    sample: SampleSet,
    cluster: Cluster,
    tmp_path: Path,
    missing: str,
) -> None:
    raw = sample.archive / Mode.NIRSPEC_BOTS_G395H.program
    archive = shutil.copytree(raw, tmp_path / "archive", copy_function=os.link)
    (archive / f"{missing}_uncal.fits").unlink()
    settings = bots_pair.settings.model_copy(update={"archive": archive})
    summary = plan(settings, make_request(Mode.NIRSPEC_BOTS_G395H), cluster)
    states = {job.key: job.state for job in summary.jobs}
    assert states.pop(f"tso3:{PRODUCT}") is JobState.BLOCKED
    assert states.pop(f"detector1:{missing}") is JobState.FAILED
    assert set(states.values()) == {JobState.REUSED}
    assert [missing in note for note in summary.notes] == [True]
