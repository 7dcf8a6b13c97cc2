"""What a worker checks before it runs a job, and how it publishes."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from outcomes import make_job, make_outcome

from workers.contract import Input, Job
from workers.errors import (
    InputChangedError,
    ReferenceChangedError,
    VersionMismatchError,
)
from workers.references import ReferenceCache
from workers.run import _check_versions, _lay_out, _publish
from workers.versions import calibration_versions


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """Make a job with one input, which is there."""
    path = tmp_path / "a_uncal.fits"
    path.write_bytes(b"pixels")
    sha256 = "6ec9c2b0eb14010746c8bce8939303b382344b296206612eb8a907a37b2b2f37"
    file = Input(path.name, str(path), "science", "The exposure itself.", sha256, "")
    return replace(make_job(), inputs=(file,), association=None)


def test_the_inputs_of_a_job_are_shown_by_their_names(job: Job, tmp_path: Path) -> None:
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    _lay_out(job, inputs)
    assert (inputs / "a_uncal.fits").read_bytes() == b"pixels"


def test_an_input_with_other_bytes_is_refused(job: Job, tmp_path: Path) -> None:
    Path(job.inputs[0].path).write_bytes(b"Pixels")
    with pytest.raises(InputChangedError, match="expected sha256 6ec9"):
        _lay_out(job, tmp_path)


def test_other_calibration_code_is_refused(job: Job) -> None:
    here = dict(calibration_versions())
    _check_versions(replace(job, versions=here))
    with pytest.raises(VersionMismatchError, match=r"jwst 2\.0\.1 but"):
        _check_versions(replace(job, versions=here | {"jwst": "2.0.1"}))


def test_a_reference_with_other_bytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "jwst_nirspec_wcs_0001.asdf"
    path.write_bytes(b"one")
    known = ReferenceCache().identify(path, role="reference")
    path.write_bytes(b"two, of other bytes")
    with pytest.raises(ReferenceChangedError, match=known.sha1):
        ReferenceCache([known]).identify(path, role="reference")


def test_products_are_synced_before_they_are_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, target = tmp_path / "made", tmp_path / "store" / "target"
    made.mkdir()
    (made / "a_rate.fits").touch()
    synced: list[tuple[str, bool]] = []
    sync = os.fsync

    def watch(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        synced.append((path.name, target.exists()))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", watch)
    _publish(make_outcome(make_job()), made, target)
    before = {name for name, is_named in synced if not is_named}
    after = {name for name, is_named in synced if is_named}
    assert before >= {"a_rate.fits", "outcome.json"}
    assert after == {"store"}
