"""Programs from MAST: the fingerprints and pixels of those from a folder."""

import os
import shutil
from pathlib import Path

from loopback import Fault
from mast_server import mast_server
from processed import FromMast, Processed
from processing import make_request, make_settings, process

from workers.sample import Mode, SampleSet


def test_the_ifu_program_from_mast_is_the_one_from_the_folder(
    ifu: Processed, sample: SampleSet, tmp_path: Path
) -> None:
    """What was made from the folder is found to be just what is asked for.

    And found again when MAST is away.
    """
    data = tmp_path / "data"
    store = ifu.settings.data_dir / "store"
    shutil.copytree(store, data / "store", copy_function=os.link)
    with mast_server(sample.archive) as mast:
        settings = make_settings(sample, data, mast_url=mast.url)
        summary = process(settings, make_request(Mode.NIRSPEC_IFU_PRISM))
        mast.loopback.faults = lambda _: Fault.EXPIRED
        away = process(settings, make_request(Mode.NIRSPEC_IFU_PRISM))
    for each in (summary, away):
        assert set(each.counts) == {"REUSED"}
        assert each.products == ifu.summary.products
        assert [job.fingerprint for job in each.jobs] == [
            job.fingerprint for job in ifu.summary.jobs
        ]
    assert not [note for note in summary.notes if "could not be asked" in note]
    (said,) = [note for note in away.notes if "could not be asked" in note]
    assert "used the copies here, verified on" in said


def test_a_time_series_goes_from_mast_to_spectra_though_its_transfers_fail(
    bots: Processed, bots_from_mast: FromMast
) -> None:
    """From empty: no job is reused. Its pixels are compared with those of a folder."""
    summary = bots_from_mast.summary
    assert set(summary.counts) == {"SUCCEEDED"}  # and none is REUSED
    assert [job.fingerprint for job in summary.jobs] == [
        job.fingerprint for job in bots.summary.jobs
    ]
    assert set(bots_from_mast.struck) == {Fault.CUT, Fault.UNAVAILABLE, Fault.SHORT}
    raw = bots_from_mast.settings.data_dir / "raw" / Mode.NIRSPEC_BOTS_PRISM.program
    assert len(list(raw.glob("v1/*_uncal.fits"))) == 2
    assert any("x1dints" in name for name in summary.products)
