"""Runs one job: child process, scratch, watched memory, log, one atomic publish.

It works in scratch and renames what was made to its place (`job_layout`), so nothing
outside scratch is ever half written.
"""

import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from config.faults import FaultKind

from .beginnings import begin, find_earlier_end, get_scratch
from .child import ChildEnd, Cut, run_in_child
from .content import file_sha256, hash_content
from .contract import (
    CHILD_LOST,
    EXTRACT1D,
    Caveat,
    Combined,
    ErrorInfo,
    Job,
    Outcome,
    ParsUse,
    Product,
    ProductFacts,
    ReferenceUse,
    Status,
    StepStatus,
    TimeLimits,
    Usage,
    to_json,
)
from .environment import require_pins
from .errors import InputChangedError, TreeError, VersionMismatchError
from .failures import MEMORY_ERROR, PREEMPTED, TIMED_OUT, to_info
from .faults import strike
from .installed import keep_environment
from .job_layout import (
    INPUTS,
    LOG_NAME,
    OUTCOME_NAME,
    PUBLISH,
    SCRATCH,
    SHARED,
    WORK,
    get_attempt_folder,
    get_store_folder,
)
from .publishing import sync
from .references import ReferenceCache, locate_reference, pin
from .trees import remove_tree
from .versions import calibration_versions

__all__ = ["answer_job", "describe", "guarded", "run_job"]

_T = TypeVar("_T")

_LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a calibration child sends back."""

    products: tuple[Product, ...] = ()
    steps: tuple[StepStatus, ...] = ()
    caveats: tuple[Caveat, ...] = ()
    facts: tuple[ProductFacts, ...] = ()
    error: ErrorInfo | None = None


def run_job(
    job: Job,
    *,
    attempt: str,
    data_dir: Path,
    granted_bytes: int,
    limits: TimeLimits | None = None,
    combined: Combined | None = None,
    node: str = "",
    fault: FaultKind | None = None,
) -> Outcome:
    """Run a job once, and publish what it made; whatever it raises is in its outcome.

    Parameters
    ----------
    limits
        How long it may take; for ever by default.
    combined
        What an earlier job has made that differs in the extraction of spectra alone;
        the products are the same with it and without.
    node
        The Dask worker that this is.
    fault
        What a test wants to go wrong.

    Raises
    ------
    OSError
        The data folder cannot be written.
    """
    scratch = get_scratch(data_dir, job.program, attempt)
    stored = get_store_folder(job.fingerprint)
    if (data_dir / stored / OUTCOME_NAME).is_file():
        # Its worker died after publishing, before telling.
        now = datetime.now(UTC)
        return Outcome(
            job=job,
            attempt=attempt,
            status=Status.SUCCEEDED,
            started_at=now,
            finished_at=now,
            host=socket.gethostname(),
            usage=Usage(0.0, 0.0, 0, granted_bytes),
            folder=str(stored),
            node=node,
        )
    remove_tree(scratch, below=data_dir / SCRATCH)
    try:
        return _run_in(
            scratch,
            job,
            attempt=attempt,
            data_dir=data_dir,
            granted_bytes=granted_bytes,
            limits=limits,
            combined=combined,
            node=node,
            fault=fault,
        )
    except OSError as error:
        # A write to a full disk names no file.
        error.filename = error.filename or str(scratch)
        raise
    finally:
        # What was published counts, whatever becomes of the rest.
        with suppress(TreeError):
            remove_tree(scratch, below=data_dir / SCRATCH)


def answer_job(
    job: Job,
    *,
    attempt: str,
    data_dir: Path,
    granted_bytes: int,
    limits: TimeLimits | None = None,
    combined: Combined | None = None,
    node: str = "",
    fault: FaultKind | None = None,
) -> str:
    """Run a job as `run_job` does, and give the outcome as text.

    It is what goes over the wire: text can always be read there, while to unpickle an
    answer can raise anything.

    An attempt begins once. Schedulers that are not ours may begin it again elsewhere,
    without a word to us, when its worker died or leaves: then the answer is how it
    ended there.
    """
    told = find_earlier_end(
        job, attempt=attempt, data_dir=data_dir, granted_bytes=granted_bytes
    )
    if told is not None:
        return told
    outcome = run_job(
        job,
        attempt=attempt,
        data_dir=data_dir,
        granted_bytes=granted_bytes,
        limits=limits,
        combined=combined,
        node=node,
        fault=fault,
    )
    return to_json(outcome)


def _run_in(
    scratch: Path,
    job: Job,
    *,
    attempt: str,
    data_dir: Path,
    granted_bytes: int,
    limits: TimeLimits | None,
    combined: Combined | None,
    node: str,
    fault: FaultKind | None,
) -> Outcome:
    started_at = datetime.now(UTC)
    note = begin(scratch, node)
    environment_sha256 = keep_environment(data_dir)
    (scratch / WORK / INPUTS).mkdir(parents=True)
    (scratch / PUBLISH).mkdir()
    end = run_in_child(
        *(_calibrate, job, scratch, combined, fault),
        limit_bytes=granted_bytes,
        limits=limits,
        wanted=note,
    )
    answer, status = _judge(job, end, granted_bytes)
    folder = (
        get_store_folder(job.fingerprint)
        if status is Status.SUCCEEDED
        else get_attempt_folder(job.fingerprint, attempt)
    )
    outcome = Outcome(
        job=job,
        attempt=attempt,
        status=status,
        started_at=started_at,
        finished_at=datetime.now(UTC),
        host=socket.gethostname(),
        usage=Usage(end.elapsed_s, end.cpu_s, end.peak_bytes, granted_bytes),
        folder=str(folder),
        products=answer.products,
        steps=answer.steps,
        caveats=answer.caveats,
        facts=answer.facts,
        error=answer.error,
        node=node,
        environment_sha256=environment_sha256,
    )
    if end.cut is not Cut.UNWANTED:  # or there is neither a run nor a folder any more
        _publish(outcome, scratch / PUBLISH, data_dir / folder)
    return outcome


_CUTS = {
    Cut.STALL: (Status.TIMED_OUT, TIMED_OUT, "made no progress"),
    Cut.TIME: (Status.TIMED_OUT, TIMED_OUT, "took far longer than predicted"),
    Cut.LEAVING: (Status.PREEMPTED, PREEMPTED, "was on a worker that leaves"),
    Cut.UNWANTED: (Status.LOST, CHILD_LOST, "belongs to a run that is over"),
}
"""What it means that a child was ended from outside, but for its memory."""


def _judge(job: Job, end: ChildEnd, granted_bytes: int) -> tuple[_Answer, Status]:
    """Judge by the end of the child how the attempt went."""
    answer, name = end.answer, f"{job.stage} of {job.name}"
    if end.cut is not None and end.cut in _CUTS:
        status, kind, said = _CUTS[end.cut]
        why = (
            f"{name} {said}: it was ended after {end.elapsed_s:.0f} s and "
            f"{end.cpu_s:.0f} CPU s."
        )
        return _Answer(error=ErrorInfo(kind, why, "")), status
    if end.cut is Cut.MEMORY:
        why = (
            f"{name} needed more than the {granted_bytes} bytes of memory that it was "
            f"granted (reached {end.peak_bytes})."
        )
        answer = _Answer(error=ErrorInfo(MEMORY_ERROR, why, ""))
    elif not isinstance(answer, _Answer) and end.exit_code == -signal.SIGKILL:
        why = (
            f"{name} was killed, as the kernel does when there is no memory left: it "
            f"had reached {end.peak_bytes} of the {granted_bytes} bytes that it was "
            "granted."
        )
        answer = _Answer(error=ErrorInfo(MEMORY_ERROR, why, ""))
    elif not isinstance(answer, _Answer):
        why = (
            f"The process of {name} ended with exit code {end.exit_code} before it had "
            "an answer."
        )
        return _Answer(error=ErrorInfo(CHILD_LOST, why, "")), Status.LOST
    if answer.error is None:
        return answer, Status.SUCCEEDED
    if answer.error.type == MEMORY_ERROR:
        return answer, Status.OUT_OF_MEMORY
    return answer, Status.FAILED


def _publish(outcome: Outcome, made: Path, target: Path) -> None:
    """Rename what was made to its place; if the job is done already, drop it."""
    if outcome.status is not Status.SUCCEEDED:
        for path in made.iterdir():
            if path.name != LOG_NAME:
                with suppress(OSError):
                    path.unlink()
    (made / OUTCOME_NAME).write_text(to_json(outcome))
    for path in made.iterdir():
        if not _is_hidden(path):
            sync(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        made.rename(target)
    except OSError:
        if not (target / OUTCOME_NAME).is_file():
            raise
    sync(target.parent)


def guarded(work: Callable[..., _T], *args: Any) -> _T | ErrorInfo:
    """Run anything, and turn whatever it raises into data."""
    try:
        return work(*args)
    except Exception as error:  # noqa: BLE001  # the one place that may
        return to_info(error)


def _calibrate(
    job: Job,
    scratch: Path,
    combined: Combined | None = None,
    fault: FaultKind | None = None,
) -> _Answer:
    answer = guarded(_calibrate_logged, job, scratch, combined, fault)
    # On a full disk the log itself is what fails.
    return _Answer(error=answer) if isinstance(answer, ErrorInfo) else answer


def _calibrate_logged(
    job: Job, scratch: Path, combined: Combined | None, fault: FaultKind | None
) -> _Answer | ErrorInfo:
    with _captured_log(scratch / PUBLISH / LOG_NAME):
        answer = guarded(_run_stage, job, scratch, combined, fault)
        if isinstance(answer, ErrorInfo):
            logging.getLogger(__name__).error("%s", answer.traceback)
        return answer


def _run_stage(
    job: Job,
    scratch: Path,
    combined: Combined | None = None,
    fault: FaultKind | None = None,
) -> _Answer:
    from .edits import apply_edits  # only in the child
    from .stages.calibration import calibrate

    if fault is not None:
        strike(fault)
    _check_versions(job)
    require_pins()
    pin(crds_path=job.crds_path, context=job.context)
    cache = ReferenceCache()
    uses: tuple[ReferenceUse | ParsUse, ...] = (*job.references, *job.pars)
    cache.verify(use.file for use in uses if use.file)
    outputs, work = scratch / PUBLISH, scratch / WORK
    _lay_out(job, work / INPUTS)
    edited = apply_edits(
        job.edits,
        work / INPUTS,
        apertures=locate_reference(job.references, EXTRACT1D),
        exp_type=job.exp_type,
    )
    os.chdir(work)
    # Products keep the paths that the pipeline is given: none names the attempt.
    shared = scratch.with_name(SHARED)
    found = calibrate(job, inputs=Path(INPUTS), shared=shared, combined=combined)
    made = sorted(p for p in work.iterdir() if p.is_file() and not _is_hidden(p))
    products = tuple(describe(path) for path in made)
    for path in made:
        path.rename(outputs / path.name)
    if job.association_name and job.association:
        (outputs / job.association_name).write_text(job.association)
    return _Answer(products, found.steps, (*found.caveats, *edited), found.facts)


def _is_hidden(path: Path) -> bool:
    """Return whether NFS keeps it for an open file that was removed: `.nfs...`."""
    return path.name.startswith(".")


def _check_versions(job: Job) -> None:
    here = calibration_versions()
    wrong = [
        f"{name} {wanted} but {here.get(name, 'none')}"
        for name, wanted in job.versions.items()
        if here.get(name) != wanted
    ]
    if wrong:
        raise VersionMismatchError(
            f"The worker on {socket.gethostname()} has another calibration code than "
            f"{job.name} was planned for: {', '.join(wrong)}; give all workers the "
            "same environment."
        )


def _lay_out(job: Job, inputs: Path) -> None:
    """Show the inputs to the stage under their canonical names, verified."""
    for file in job.inputs:
        source = Path(file.path)
        if not source.is_file():
            raise InputChangedError(f"The input {source} is not there any more.")
        found = file_sha256(source)
        if found != file.sha256:
            raise InputChangedError(
                f"The input {source} changed since it was planned: expected sha256 "
                f"{file.sha256}, got {found}; run again to plan with the new file."
            )
        link = inputs / file.name
        if not link.is_symlink():
            link.symlink_to(source.resolve())
    if job.association_name and job.association:
        (inputs / job.association_name).write_text(job.association)


def describe(path: Path) -> Product:
    """Describe a file by its size, time and hashes."""
    stat = path.stat()
    content, pixels = hash_content(path)
    return Product(
        name=path.name,
        size_bytes=stat.st_size,
        mtime_ns=stat.st_mtime_ns,
        sha256=file_sha256(path),
        content_sha256=content,
        pixels_sha256=pixels,
    )


@contextmanager
def _captured_log(path: Path) -> Iterator[None]:
    """Send log lines, warnings and whatever is printed to a file."""
    with path.open("a", buffering=1) as stream:
        for descriptor in (1, 2):
            os.dup2(stream.fileno(), descriptor)
        handler = logging.StreamHandler(stream)
        handler.setFormatter(logging.Formatter(_LOG_FORMAT))
        logging.captureWarnings(capture=True)
        root = logging.getLogger()
        root.addHandler(handler)
        root.setLevel(logging.INFO)
        try:
            yield
        finally:
            root.removeHandler(handler)
