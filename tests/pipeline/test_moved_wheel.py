"""What spec2 says of a background before which the grating wheel has moved."""

import shutil
from dataclasses import replace
from pathlib import Path

from astropy.io import fits
from processed import Processed

from workers.content import content_sha256, file_sha256
from workers.contract import CaveatKind, Input, Status
from workers.run import run_job

FIRST = "spec2:jw99005001001_03101_00001_nrs1"


def move_wheel(file: Input, folder: Path) -> Input:
    """Copy an exposure, and tilt its grating wheel by less than a thousandth."""
    path = Path(shutil.copy(file.path, folder))
    with fits.open(path, mode="update") as hdus:
        hdus[0].header["GWA_XTIL"] += 1e-4
    return replace(
        file,
        path=str(path),
        sha256=file_sha256(path),
        content_sha256=content_sha256(path),
    )


def test_a_background_that_was_not_subtracted_is_a_caveat_that_says_why(
    fixed_slit: Processed, tmp_path: Path
) -> None:
    job = fixed_slit.list_outcomes()[FIRST].job
    (tmp_path / "moved").mkdir()
    first = next(file for file in job.inputs if file.exptype == "background")
    inputs = tuple(
        move_wheel(file, tmp_path / "moved") if file is first else file
        for file in job.inputs
    )
    outcome = run_job(
        replace(job, inputs=inputs, fingerprint="0" * 64),
        attempt="moved",
        data_dir=tmp_path / "data",
        granted_bytes=8 << 30,
    )
    assert outcome.status is Status.SUCCEEDED
    [caveat] = outcome.caveats
    assert caveat.kind is CaveatKind.STEP_SKIPPED
    assert f"GWA_XTIL and GWA_YTIL of {first.name}" in caveat.message
    assert "bkg_subtract" in caveat.message
