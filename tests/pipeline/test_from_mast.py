"""Programs from MAST: the fingerprints and pixels of those from a folder."""

import os
import shutil
from pathlib import Path

from astropy.io import fits
from crds_server import crds_serving
from loopback import Fault
from mast_server import mast_server
from processed import FromMast, Processed
from processing import make_request, make_settings, process

from flows.factory import open_database
from flows.planning import Staleness
from flows.run import Shared, find_recorded, judge_only
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


def test_what_mast_has_replaced_and_what_the_cache_lacks_is_told_and_not_fetched(
    bots_from_mast: FromMast, sample: SampleSet, shared: Shared, tmp_path: Path
) -> None:
    program = bots_from_mast.summary.program
    archive = shutil.copytree(sample.archive / program, tmp_path / "mast")
    replaced, other = sorted(archive.glob("*_uncal.fits"))
    fits.setval(replaced, "TITLE", value="another")
    os.utime(replaced)
    crds = shutil.copytree(sample.crds, tmp_path / "crds", copy_function=os.link)
    settings = bots_from_mast.settings
    name = other.name.removesuffix("_uncal.fits")
    with open_database(settings, read_only=True) as database:
        recorded = find_recorded(database, program)
        assert recorded is not None
        calibrated = database.jobs.get_job(recorded.done[f"spec2:{name}"]).job
    [photom] = [
        path
        for use in calibrated.references
        if use.reftype == "photom" and use.file
        for path in crds.rglob(use.file.name)
    ]
    with mast_server(archive) as mast, crds_serving(sample.crds) as server:
        changes = {"mast_url": mast.url, "crds_path": crds}
        settings = settings.model_copy(update=changes)
        here = judge_only(settings, recorded, shared=shared)
        photom.unlink()
        settings = settings.model_copy(update={"crds_server_url": server.url})
        lacking = judge_only(settings, recorded, shared=shared)
    by_name = {job.key.partition("_uncal")[0]: job for job in here.jobs}
    first = by_name[f"detector1:{replaced.name.removesuffix('_uncal.fits')}"]
    assert first.why == f"input replaced in MAST: {replaced.name}"
    assert by_name[f"detector1:{name}"].staleness is Staleness.CURRENT
    assert by_name[f"spec2:{name}"].staleness is Staleness.CURRENT
    assert here.cost.download_bytes == replaced.stat().st_size
    assert here.cost.jobs == 3
    assert not photom.exists()
    whys = {job.key: job.why for job in lacking.jobs}
    assert (
        whys[f"spec2:{name}"] == f"reference {photom.name} is not in the CRDS cache yet"
    )
    assert lacking.cost.jobs == 4
