"""Wavelengths of one dither position left out, on the nods of a fixed slit."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from mitigations import AS_BEFORE, NOTHING, NUMBERS
from numpy.typing import NDArray
from processed import Processed

from config.edits import parse_edit
from workers.content import file_sha256
from workers.contract import CaveatKind, Edit, Input, Job, Outcome, Stage, Status
from workers.run import run_job

FROM_UM, TO_UM = 2.0, 2.3
MIDDLE = 0.45
"""Where the middle of the slit is, as a share of the rows of its image."""
EDIT = {"slit": "S200A1", "from_um": FROM_UM, "to_um": TO_UM}
DEPTH = 0.1
"""Of the false absorption in the lower half of the slit, as the page has it."""

GIB = 1 << 30


@pytest.fixture
def spec3(fixed_slit: Processed) -> Job:
    """Return the job that combines the nods."""
    outcomes = fixed_slit.list_outcomes().values()
    [job] = [one.job for one in outcomes if one.job.stage is Stage.SPEC3]
    return job


def find_peak(cal: Path) -> float:
    """Find the row in which a source is brightest, as a share of the rows."""
    data = fits.getdata(cal, "SCI")
    profile = np.nansum(np.nan_to_num(data[:, 150:300]), axis=1)
    return float(np.argmax(profile) / len(profile))


def read_weights(s2d: Path) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Read the weight of each column of a combined image, and which are masked."""
    with fits.open(s2d, memmap=False) as hdus:
        wavelengths = np.nanmedian(hdus["WAVELENGTH"].data, axis=0)
        weights = np.nansum(hdus["WHT"].data, axis=0, dtype=np.float64)
    margin = 0.05
    inside = (wavelengths > FROM_UM + margin) & (wavelengths < TO_UM - margin)
    outside = (wavelengths < FROM_UM - margin) | (wavelengths > TO_UM + margin)
    return weights[inside | outside], inside[inside | outside]


def mask(job: Job, half: str) -> Job:
    """Let a job leave out the positions in one half of the slit."""
    edit = parse_edit("mask-wavelengths", {**EDIT, "source": half})
    values = edit.model_dump(mode="json", exclude={"edit", "match"})
    edits = tuple(Edit(file.name, edit.edit, values) for file in job.inputs)
    return replace(job, edits=edits, fingerprint="3" * 64)


def run(job: Job, folder: Path) -> Outcome:
    outcome = run_job(job, attempt="one", data_dir=folder, granted_bytes=8 * GIB)
    assert outcome.status is Status.SUCCEEDED
    return outcome


@pytest.mark.parametrize("half", ["lower", "upper"])
def test_the_position_in_one_half_of_the_slit_is_left_out(
    fixed_slit: Processed, spec3: Job, tmp_path: Path, half: str
) -> None:
    outcome = run(mask(spec3, half), tmp_path)
    assert {told.kind for told in outcome.caveats} == {CaveatKind.EDITED}
    peaks = {f.name: find_peak(Path(f.path)) for f in spec3.inputs}
    assert [told.message.partition(":")[0] for told in outcome.caveats] == [
        name for name, peak in peaks.items() if (peak < MIDDLE) == (half == "lower")
    ]
    [s2d] = (tmp_path / outcome.folder).glob("*_s2d.fits")
    weights, inside = read_weights(s2d)
    before, _ = read_weights(fixed_slit.folder / s2d.name)
    assert weights[~inside] == pytest.approx(before[~inside], rel=1e-6)
    share = np.median(weights[inside] / before[inside])
    left = 1 - len(outcome.caveats) / len(spec3.inputs)
    assert share == pytest.approx(left, abs=0.15)


def absorb(file: Input, folder: Path) -> Input:
    """Copy an exposure whose flat was too bright in the lower half of the slit."""
    path = folder / file.name
    shutil.copyfile(file.path, path)
    with fits.open(path, mode="update", memmap=False) as hdus:
        data, wavelengths = hdus["SCI"].data, hdus["WAVELENGTH"].data
        lower = np.indices(data.shape)[0] < MIDDLE * len(data)
        inside = (wavelengths > FROM_UM) & (wavelengths < TO_UM)
        data[lower & inside] *= 1 - DEPTH
    return replace(file, path=str(path), sha256=file_sha256(path))


def find_depth(folder: Path, whole: Path) -> float:
    """Find how much of the flux between the wavelengths a combined spectrum lacks."""
    [x1d] = folder.glob("*_x1d.fits")
    expected_jy = read_flux(whole / x1d.name)
    return float(1 - np.nanmedian(read_flux(x1d) / expected_jy))


def read_flux(x1d: Path) -> NDArray[np.float64]:
    table = fits.getdata(x1d, "EXTRACT1D")
    margin = 0.03
    inside = table["WAVELENGTH"] > FROM_UM + margin
    inside &= table["WAVELENGTH"] < TO_UM - margin
    return np.array(table["FLUX"][inside], np.float64)


def test_a_false_absorption_in_the_lower_half_is_left_out(
    fixed_slit: Processed, spec3: Job, tmp_path: Path
) -> None:
    spoilt = replace(
        spec3,
        inputs=tuple(absorb(file, tmp_path) for file in spec3.inputs),
        fingerprint="5" * 64,
    )
    depths = []
    for job in (spoilt, mask(spoilt, "lower")):
        outcome = run(job, tmp_path)
        depths.append(find_depth(tmp_path / outcome.folder, fixed_slit.folder))
    [number] = [one for one in NUMBERS if one.issue == "NS-BOTS05"]
    told = [number.before, number.after]
    assert depths == pytest.approx(told, rel=AS_BEFORE, abs=NOTHING)
