"""Runs one job: child process, scratch, watched memory, log, one atomic publish.

It works in scratch and renames what was made to its place (`job_layout`), so nothing
outside scratch is ever half written.
"""

import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

from config.faults import FaultKind

from .beginnings import begin, find_earlier_end, get_scratch
from .cache_contract import (
    FileProgress,
    PrefetchReport,
    PrefetchRequest,
    VerifyReport,
    VerifyRequest,
)
from .child import ChildEnd, Cut, listening, make_sender, run_in_child
from .content import file_sha256, hash_content, read_cards
from .contract import (
    CHILD_LOST,
    EXTRACT1D,
    BroughtReport,
    Caveat,
    CodeSpecs,
    Combined,
    ErrorInfo,
    FileHash,
    Job,
    Measurement,
    Outcome,
    ParsUse,
    Product,
    ProductFacts,
    ReferenceUse,
    Resolution,
    ResolveRequest,
    Status,
    StepStatus,
    TimeLimits,
    Usage,
    to_json,
)
from .differences import Difference, compare_files
from .environment import require_pins
from .errors import InputChangedError, TreeError, VersionMismatchError, WorkerError
from .failures import MEMORY_ERROR, PREEMPTED, TIMED_OUT, to_info
from .faults import strike
from .installed import Environment, describe_environment, keep_environment
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

__all__ = [
    "answer_job",
    "check_brought",
    "compare_products",
    "describe_worker",
    "hash_files",
    "list_specs",
    "measure_products",
    "prefetch_references",
    "resolve_jobs",
    "run_job",
    "verify_references",
    "wrap_slits",
]

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


def resolve_jobs(request: ResolveRequest) -> Resolution | ErrorInfo:
    """Resolve references and parameters of a batch of jobs, in a child."""
    return _call(_resolve, request)


def prefetch_references(
    request: PrefetchRequest,
    *,
    listener: Callable[[FileProgress], None] | None = None,
) -> PrefetchReport | ErrorInfo:
    """Bring the references of a batch of jobs into the cache, in a child."""
    with listening(listener) as sender:
        return _call(_prefetch, request, sender)


def verify_references(
    request: VerifyRequest,
    *,
    listener: Callable[[FileProgress], None] | None = None,
) -> VerifyReport | ErrorInfo:
    """Verify every file of a CRDS cache, in a child."""
    with listening(listener) as sender:
        return _call(_verify, request, sender)


def hash_files(paths: Sequence[str]) -> tuple[FileHash, ...] | ErrorInfo:
    """Hash raw files, in a child."""
    return _call(_hash_all, paths)


def list_specs(_: object = None) -> CodeSpecs | ErrorInfo:
    """List the parameters of the calibration code of this worker, in a child."""
    return _call(_list_specs)


def describe_worker(_: object = None) -> tuple[dict[str, str], Environment]:
    """Describe a worker: versions of its calibration code, and all that is there."""
    return calibration_versions(), describe_environment()


def compare_products(
    pairs: Sequence[tuple[Path, Path]],
) -> tuple[tuple[Difference, ...], ...] | ErrorInfo:
    """List what differs between two products, in a child; those of each pair together.

    What a hash of content leaves out does not count.
    """
    return _call(_compare, pairs)


def wrap_slits(paths: Sequence[Path], folder: Path) -> tuple[str, ...] | ErrorInfo:
    """Wrap calibrated slits as `cal` products of their exposures, in a child."""
    return _call(_wrap, [path.absolute() for path in paths], folder.absolute())


def measure_products(
    paths: Sequence[Path], *, lines_um: Sequence[float] = ()
) -> tuple[tuple[Measurement, ...], ...] | ErrorInfo:
    """Take all measurements of products, in a child; those of each one together.

    Parameters
    ----------
    paths
        Products, which may go with each other.
    lines_um
        Where lines should be in their spectra.
    """
    return _call(_measure, [path.absolute() for path in paths], lines_um)


def check_brought(path: Path) -> BroughtReport | ErrorInfo:
    """Check a file that a user brings, in a child."""
    return _call(_check_brought, path.absolute())


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


def _call(work: Callable[..., _T], *args: object) -> _T | ErrorInfo:
    """Do something in a child; if it raises or the child is lost, give the error."""
    end = run_in_child(_guarded, _do_quietly, work, *args)
    if end.answer is None:
        why = f"A worker process ended with exit code {end.exit_code}."
        return ErrorInfo(CHILD_LOST, why, "")
    answer: _T | ErrorInfo = end.answer
    return answer


def _do_quietly(work: Callable[..., _T], *args: object) -> _T:
    logging.getLogger("CRDS").setLevel(logging.WARNING)
    return work(*args)


def _guarded(work: Callable[..., _T], *args: Any) -> _T | ErrorInfo:
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
    answer = _guarded(_calibrate_logged, job, scratch, combined, fault)
    # On a full disk the log itself is what fails.
    return _Answer(error=answer) if isinstance(answer, ErrorInfo) else answer


def _calibrate_logged(
    job: Job, scratch: Path, combined: Combined | None, fault: FaultKind | None
) -> _Answer | ErrorInfo:
    with _captured_log(scratch / PUBLISH / LOG_NAME):
        answer = _guarded(_run_stage, job, scratch, combined, fault)
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
    products = tuple(_describe(path) for path in made)
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


def _describe(path: Path) -> Product:
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


def _resolve(request: ResolveRequest) -> Resolution:
    from .stages.resolve import resolve  # only in the child

    return resolve(request)


def _list_specs() -> CodeSpecs:
    from .stages.specs import list_specs  # only in the child

    return list_specs()


def _wrap(paths: Sequence[Path], folder: Path) -> tuple[str, ...]:
    from .stages.wrapping import wrap_slits  # only in the child

    return wrap_slits(paths, folder)


def _measure(
    paths: Sequence[Path], lines_um: Sequence[float]
) -> tuple[tuple[Measurement, ...], ...]:
    from .stages.measurements import measure  # only in the child

    return tuple(measure(path, others=paths, lines_um=lines_um) for path in paths)


def _compare(
    pairs: Sequence[tuple[Path, Path]],
) -> tuple[tuple[Difference, ...], ...]:
    return tuple(compare_files(here, there) for here, there in pairs)


def _check_brought(path: Path) -> BroughtReport:
    from .brought import check_brought  # only in the child

    return check_brought(path)


def _prefetch(request: PrefetchRequest, sender: Connection | None) -> PrefetchReport:
    from .stages.prefetch import prefetch  # only in the child

    return prefetch(request, make_sender(sender))


def _verify(request: VerifyRequest, sender: Connection | None) -> VerifyReport:
    from .references.verification import verify_cache  # only in the child

    return verify_cache(request, make_sender(sender))


def _hash_all(paths: Sequence[str]) -> tuple[FileHash, ...]:
    return tuple(_hash_one(path) for path in paths)


def _hash_one(path: str) -> FileHash:
    try:
        found = _describe(Path(path))
        return FileHash(
            path=path,
            size_bytes=found.size_bytes,
            mtime_ns=found.mtime_ns,
            sha256=found.sha256,
            content_sha256=found.content_sha256,
            pixels_sha256=found.pixels_sha256,
            cards=read_cards(Path(path)),
        )
    except (OSError, WorkerError) as error:
        return FileHash(path, 0, 0, "", "", replace(to_info(error), traceback=""))


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
