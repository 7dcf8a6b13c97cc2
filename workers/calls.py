"""What a worker is asked besides running jobs: each call is answered by a child.

An answer is a record, or what went wrong as an `ErrorInfo`.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeVar

from .cache_contract import (
    ContextsReport,
    ContextsRequest,
    FileProgress,
    PrefetchReport,
    PrefetchRequest,
    VerifyReport,
    VerifyRequest,
)
from .change_contract import FileChange
from .child import listening, make_sender, run_in_child
from .content import read_cards
from .contract import (
    CHILD_LOST,
    BroughtReport,
    CodeSpecs,
    ErrorInfo,
    FileHash,
    Measurement,
    Resolution,
    ResolveRequest,
)
from .differences import Difference, compare_files
from .errors import WorkerError
from .failures import to_info
from .installed import Environment, describe_environment
from .pictures_contract import DrawnProduct, DrawRequest
from .run import describe, guarded
from .versions import calibration_versions

__all__ = [
    "check_brought",
    "compare_contexts",
    "compare_products",
    "compare_spectra",
    "describe_worker",
    "draw_pictures",
    "hash_files",
    "list_specs",
    "measure_products",
    "prefetch_references",
    "resolve_jobs",
    "verify_references",
    "wrap_slits",
]

_T = TypeVar("_T")


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


def compare_contexts(
    request: ContextsRequest,
    *,
    listener: Callable[[FileProgress], None] | None = None,
) -> ContextsReport | ErrorInfo:
    """Compare the rules of two contexts, and files that they exchange, in a child."""
    with listening(listener) as sender:
        return _call(_compare_contexts, request, sender)


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


def compare_spectra(
    pairs: Sequence[tuple[Path, Path]],
) -> tuple[FileChange | ErrorInfo, ...] | ErrorInfo:
    """Compare spectra, cubes and light curves before and after, in a child.

    Each pair has an answer of its own, or what is wrong with it.
    """
    absolute = [(before.absolute(), after.absolute()) for before, after in pairs]
    return _call(_compare_spectra, absolute)


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


def draw_pictures(
    requests: Sequence[DrawRequest],
) -> tuple[DrawnProduct, ...] | ErrorInfo:
    """Draw and publish the pictures of products, in a child."""
    return _call(_draw, requests)


def check_brought(path: Path) -> BroughtReport | ErrorInfo:
    """Check a file that a user brings, in a child."""
    return _call(_check_brought, path.absolute())


def _call(work: Callable[..., _T], *args: object) -> _T | ErrorInfo:
    """Do something in a child; if it raises or the child is lost, give the error."""
    end = run_in_child(guarded, _do_quietly, work, *args)
    if end.answer is None:
        why = f"A worker process ended with exit code {end.exit_code}."
        return ErrorInfo(CHILD_LOST, why, "")
    answer: _T | ErrorInfo = end.answer
    return answer


def _do_quietly(work: Callable[..., _T], *args: object) -> _T:
    logging.getLogger("CRDS").setLevel(logging.WARNING)
    return work(*args)


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


def _draw(requests: Sequence[DrawRequest]) -> tuple[DrawnProduct, ...]:
    from .stages.pictures import draw_product  # only in the child

    return tuple(map(draw_product, requests))


def _compare(
    pairs: Sequence[tuple[Path, Path]],
) -> tuple[tuple[Difference, ...], ...]:
    return tuple(compare_files(here, there) for here, there in pairs)


def _compare_spectra(
    pairs: Sequence[tuple[Path, Path]],
) -> tuple[FileChange | ErrorInfo, ...]:
    return tuple(_compare_pair(before, after) for before, after in pairs)


def _compare_pair(before: Path, after: Path) -> FileChange | ErrorInfo:
    from .stages.measurements.changes import compare_files  # only in the child

    try:
        return compare_files(before, after)
    except (OSError, WorkerError) as error:
        return replace(to_info(error), traceback="")


def _check_brought(path: Path) -> BroughtReport:
    from .brought import check_brought  # only in the child

    return check_brought(path)


def _prefetch(request: PrefetchRequest, sender: Connection | None) -> PrefetchReport:
    from .stages.prefetch import prefetch  # only in the child

    return prefetch(request, make_sender(sender))


def _verify(request: VerifyRequest, sender: Connection | None) -> VerifyReport:
    from .references.verification import verify_cache  # only in the child

    return verify_cache(request, make_sender(sender))


def _compare_contexts(
    request: ContextsRequest, sender: Connection | None
) -> ContextsReport:
    from .stages.comparison import compare_contexts  # only in the child

    return compare_contexts(request, make_sender(sender))


def _hash_all(paths: Sequence[str]) -> tuple[FileHash, ...]:
    return tuple(_hash_one(path) for path in paths)


def _hash_one(path: str) -> FileHash:
    try:
        found = describe(Path(path))
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
