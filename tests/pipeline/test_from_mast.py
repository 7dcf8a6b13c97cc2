"""The IFU program from MAST: the fingerprints and pixels of the one from a folder."""

import os
import shutil
from pathlib import Path

from mast_server import mast_server
from processed import Processed
from processing import make_request, make_settings, process

from workers.sample import Mode, SampleSet


def test_the_ifu_program_from_mast_is_the_one_from_the_folder(
    ifu: Processed, sample: SampleSet, tmp_path: Path
) -> None:
    """What was made from the folder is found to be just what is asked for."""
    data = tmp_path / "data"
    store = ifu.settings.data_dir / "store"
    shutil.copytree(store, data / "store", copy_function=os.link)
    with mast_server(sample.archive) as mast:
        settings = make_settings(sample, data, mast_url=mast.url)
        summary = process(settings, make_request(Mode.NIRSPEC_IFU_PRISM))
    assert set(summary.counts) == {"REUSED"}
    assert summary.products == ifu.summary.products
    assert [job.fingerprint for job in summary.jobs] == [
        job.fingerprint for job in ifu.summary.jobs
    ]
