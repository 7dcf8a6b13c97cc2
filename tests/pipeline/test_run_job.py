"""One job, run for real: what it leaves, and what it refuses."""

import os
import shutil
import subprocess
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from asking import run_without_pars
from commands import wait_until
from processed import Processed

from flows.factory import open_database
from flows.provenance.outcomes import load_outcome
from workers.child import run_in_child
from workers.content import file_sha256
from workers.contract import Job, Outcome, Status
from workers.job_layout import get_store_folder
from workers.run import run_job
from workers.versions import OPTIONAL

SEGMENT = "jw99002001001_04101_00001-seg001_nrs1"
GIB = 1 << 30


@pytest.fixture
def job(bots: Processed) -> Job:
    """Give detector1 of the first segment, as it was done."""
    return bots.list_outcomes()[f"detector1:{SEGMENT}"].job


def run(job: Job, data_dir: Path, *, granted_bytes: int = 8 * GIB) -> Outcome:
    return run_job(
        job, attempt="attempt-1", data_dir=data_dir, granted_bytes=granted_bytes
    )


def with_input(job: Job, **changes: Any) -> Job:
    return replace(job, inputs=(replace(job.inputs[0], **changes),))


def with_reference(job: Job, reftype: str, **changes: Any) -> Job:
    uses = tuple(
        replace(use, file=replace(use.file, **changes))
        if use.file and use.reftype == reftype
        else use
        for use in job.references
    )
    return replace(job, references=uses)


def list_files(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


def expect_refusal(outcome: Outcome, data_dir: Path, error: str) -> str:
    """Expect a failure that leaves log and outcome only; give its message."""
    assert outcome.status is Status.FAILED
    assert outcome.error is not None
    assert outcome.error.type == error
    where = f"attempts/{outcome.job.fingerprint}/attempt-1"
    environment = f"environments/{outcome.environment_sha256}.json"
    logs = {f"{where}/outcome.json", f"{where}/job.log"}
    assert list_files(data_dir) == {environment, *logs}
    return outcome.error.message


def test_products_association_log_and_outcome_are_published(bots: Processed) -> None:
    for outcome in bots.list_outcomes().values():
        folder = bots.settings.data_dir / get_store_folder(outcome.job.fingerprint)
        names = {product.name for product in outcome.products}
        if outcome.job.association_name:
            names.add(outcome.job.association_name)
        assert list_files(folder) == names | {"job.log", "outcome.json"}
        assert str(folder).endswith(outcome.folder)


def test_a_parameter_reference_that_was_not_resolved_fails_the_job(
    job: Job, tmp_path: Path
) -> None:
    left_out, *others = job.pars
    outcome = run(replace(job, pars=tuple(others)), tmp_path)
    message = expect_refusal(outcome, tmp_path, "ResolvedNotUsedError")
    assert f"asked CRDS for {left_out.reftype} and got {left_out.file.name}" in message


def test_parameter_references_that_are_switched_off_fail_the_job(
    job: Job, tmp_path: Path
) -> None:
    said = run_in_child(run_without_pars, job, tmp_path).answer
    assert "STPIPE_DISABLE_CRDS_STEPPARS is set" in said
    assert "jump.rejection_threshold 8.0 but 4.0" in said


def test_an_outcome_says_what_the_files_are(bots: Processed) -> None:
    for outcome in bots.list_outcomes().values():
        folder = bots.settings.data_dir / outcome.folder
        for product in outcome.products:
            path = folder / product.name
            assert product.sha256 == file_sha256(path)
            stat = path.stat()
            sizes = (product.size_bytes, product.mtime_ns)
            assert sizes == (stat.st_size, stat.st_mtime_ns)


def test_a_run_and_its_jobs_say_what_was_installed(bots: Processed) -> None:
    named = {each.environment_sha256 for each in bots.list_outcomes().values()}
    with open_database(bots.settings) as database:
        (run,) = database.runs.list_runs("99002")
        assert named == {run.environment_sha256}
        environment = database.environments.get(run.environment_sha256)
    job = bots.list_outcomes()[f"detector1:{SEGMENT}"].job
    used = {name: version for name, version in job.versions.items() if name != "python"}
    assert used.items() - environment.distributions.items() <= _ABSENT
    assert environment.python.startswith(job.versions["python"])


_ABSENT = {(name, "none") for name in OPTIONAL}


def test_an_outcome_says_what_the_job_took(bots: Processed) -> None:
    for outcome in bots.list_outcomes().values():
        usage = outcome.usage
        assert 0 < usage.peak_bytes <= usage.granted_bytes
        assert usage.cpu_s > 0


def test_what_cannot_be_removed_is_no_reason_to_lose_a_job(
    job: Job, tmp_path: Path
) -> None:
    """NFS keeps a file that somebody has open, as `.nfs` and a number."""
    if not lock(tmp_path, is_locked=True):
        pytest.skip("this file system cannot forbid root to remove a file")
    lock(tmp_path, is_locked=False)
    work = tmp_path / "scratch" / job.program / "attempt-1" / "work"
    leaving = threading.Thread(target=leave_undeletable, args=(work,))
    leaving.start()
    try:
        outcome = run(job, tmp_path)
    finally:
        leaving.join()
        lock(work / ".nfs0001", is_locked=False)
    assert outcome.status is Status.SUCCEEDED
    assert {Path(product.name).suffix for product in outcome.products} == {".fits"}
    assert (work / ".nfs0001/file").exists()


def leave_undeletable(work: Path) -> None:
    """Leave a folder that even root cannot empty, as soon as there is a place."""
    wait_until(work.is_dir)
    (work / ".nfs0001").mkdir()
    (work / ".nfs0001/file").touch()
    lock(work / ".nfs0001", is_locked=True)


def lock(folder: Path, *, is_locked: bool) -> bool:
    """Forbid, or allow, to remove what is in a folder; tell whether that worked."""
    if os.geteuid() != 0:
        folder.chmod(0o555 if is_locked else 0o755)
        return True
    command = ["chattr", "+i" if is_locked else "-i", str(folder)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def test_the_log_tells_of_the_steps(bots: Processed, job: Job) -> None:
    folder = bots.settings.data_dir / get_store_folder(job.fingerprint)
    assert "Step jump done" in (folder / "job.log").read_text()


def test_the_same_job_gives_the_same_content(
    bots: Processed, job: Job, tmp_path: Path
) -> None:
    outcome = run(job, tmp_path)
    assert outcome.status is Status.SUCCEEDED
    published = load_outcome(tmp_path / outcome.folder / "outcome.json")
    assert published == outcome
    found = {product.name: product.content_sha256 for product in outcome.products}
    first = bots.list_outcomes()[f"detector1:{SEGMENT}"].products
    assert found == {product.name: product.content_sha256 for product in first}
    assert not any(path.is_file() for path in (tmp_path / "scratch").rglob("*"))


def test_a_job_that_is_done_is_not_run_again(
    bots: Processed, job: Job, tmp_path: Path
) -> None:
    target = tmp_path / get_store_folder(job.fingerprint)
    shutil.copytree(bots.settings.data_dir / get_store_folder(job.fingerprint), target)
    outcome = run(job, tmp_path, granted_bytes=1)
    assert outcome.status is Status.SUCCEEDED
    assert outcome.usage.elapsed_s == 0


def test_more_memory_than_granted_is_out_of_memory(job: Job, tmp_path: Path) -> None:
    outcome = run(job, tmp_path, granted_bytes=1 << 20)
    assert outcome.status is Status.OUT_OF_MEMORY
    assert outcome.error is not None
    assert "1048576 bytes" in outcome.error.message
    assert outcome.usage.peak_bytes > outcome.usage.granted_bytes
    assert not (tmp_path / "store").exists()


def test_an_input_that_changed_is_refused(job: Job, tmp_path: Path) -> None:
    outcome = run(with_input(job, sha256="0" * 64), tmp_path)
    message = expect_refusal(outcome, tmp_path, "InputChangedError")
    assert f"expected sha256 {'0' * 64}, got {job.inputs[0].sha256}" in message


def test_an_input_that_is_gone_is_refused(job: Job, tmp_path: Path) -> None:
    outcome = run(with_input(job, path="/nowhere.fits"), tmp_path)
    message = expect_refusal(outcome, tmp_path, "InputChangedError")
    assert "/nowhere.fits" in message


def test_other_versions_are_refused(job: Job, tmp_path: Path) -> None:
    other = replace(job, versions={**job.versions, "jwst": "2.0.0"})
    message = expect_refusal(run(other, tmp_path), tmp_path, "VersionMismatchError")
    assert "jwst 2.0.0 but" in message


def test_a_reference_that_changed_is_refused(job: Job, tmp_path: Path) -> None:
    other = with_reference(job, "dark", sha1="0" * 40, mtime_ns=1)
    message = expect_refusal(run(other, tmp_path), tmp_path, "ReferenceChangedError")
    assert "expected sha1 0000" in message


def test_parameters_other_than_resolved_are_refused(job: Job, tmp_path: Path) -> None:
    other = replace(job, parameters={**job.parameters, "save_calibrated_ramp": True})
    message = expect_refusal(run(other, tmp_path), tmp_path, "ResolvedNotUsedError")
    assert "save_calibrated_ramp True but False" in message


def test_products_that_record_another_reference_are_refused(
    job: Job, tmp_path: Path
) -> None:
    gain = next(use for use in job.references if use.reftype == "gain")
    uses = (
        *(use for use in job.references if use is not gain),
        replace(gain, file=None),
        replace(gain, reftype="gain of target_acquisition"),  # within the fence
    )
    outcome = run(replace(job, references=uses), tmp_path)
    message = expect_refusal(outcome, tmp_path, "ResolvedNotUsedError")
    assert "gain N/A but crds://" in message
