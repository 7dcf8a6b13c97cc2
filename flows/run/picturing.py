"""Pictures of recorded products: the workers draw them, a job's products together."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from workers.cache_contract import FileProgress
from workers.calls import draw_pictures
from workers.contract import ErrorInfo
from workers.pictures_contract import DrawnProduct, DrawRequest

from ..errors import PlanError, RewebbError
from ..execution import CallError, Cluster, WorkerLostError
from ..factory import Services
from ..layout import get_pictures_path
from ..logs import get_logger
from ..reports import ShownProduct, find_pictures, list_shown, publish_report
from .jobs import Executed

__all__ = ["Pictured", "draw_executed", "draw_recorded", "write_report"]

_LEAST_BYTES = 1 << 30
"""Memory that drawing may take at least."""

_COPIES = 8
"""How many times the size of its file a product may take in memory."""

_Answer = tuple[DrawnProduct, ...] | ErrorInfo


@dataclass(frozen=True, slots=True)
class Pictured:
    """What the drawing of products came to."""

    drawn: tuple[DrawnProduct, ...]
    """Those that were drawn now."""
    failed: dict[str, str]
    """Why others could not be, by name."""


def draw_executed(
    executed: Executed, services: Services, open_cluster: Callable[[], Cluster]
) -> Executed:
    """Draw the products of a run; what cannot be drawn is noted.

    The products are made: nothing that goes wrong here keeps the run from its end.

    Raises
    ------
    DatabaseError
        It cannot be found out what the run has made.
    """
    jobs = services.database.runs.get_run_jobs(executed.run.id)
    try:
        pictured = draw_recorded(
            list_shown(services.database, jobs),
            data_dir=services.data_dir,
            open_cluster=lambda: nullcontext(open_cluster()),
        )
    except PlanError as error:
        notes = [f"not all products are drawn, see `rewebb report`: {error}"]
    else:
        failed = pictured.failed.items()
        notes = [f"{name} is not drawn: {why}" for name, why in failed]
    return replace(executed, notes=(*executed.notes, *notes))


def write_report(run_id: str, services: Services) -> None:
    """Write the report of a run that is over; if that fails, only the log says so."""
    try:
        run = services.database.runs.get_run(run_id)
        publish_report(services.database, run, data_dir=services.data_dir)
    except (RewebbError, OSError) as error:
        get_logger(run=run_id).warning("report.failed", why=str(error))


def draw_recorded(
    shown: Sequence[ShownProduct],
    *,
    data_dir: Path,
    open_cluster: Callable[[], AbstractContextManager[Cluster]],
    listener: Callable[[FileProgress], object] = lambda _: None,
) -> Pictured:
    """Draw products that have no pictures yet.

    Parameters
    ----------
    open_cluster
        Opens where they are drawn; it is not opened if there is nothing to do.
    listener
        Told of the products that were drawn.

    Raises
    ------
    PlanError
        The cluster cannot be used.
    """
    data_dir = data_dir.absolute()
    due = [
        one
        for one in shown
        if find_pictures(data_dir, one.done.fingerprint, one.product) is None
    ]
    due.sort(key=_key)
    batches = [tuple(found) for _, found in groupby(due, key=_key)]
    drawn: list[DrawnProduct] = []
    failed: dict[str, str] = {}
    left = {_name(one): one.product.size_bytes for one in due}
    total_bytes = sum(left.values())

    def take(index: int, answer: _Answer) -> None:
        if isinstance(answer, ErrorInfo):
            failed.update({one.product.name: answer.message for one in batches[index]})
        else:
            drawn.extend(answer)
        for one in batches[index]:
            del left[_name(one)]
        count, taken_bytes = len(due) - len(left), total_bytes - sum(left.values())
        listener(FileProgress("drawn", count, len(due), taken_bytes, total_bytes))

    if due:
        with open_cluster() as cluster:
            _draw_all(batches, cluster, data_dir, take)
    return Pictured(tuple(drawn), failed)


def _draw_all(
    batches: Sequence[Sequence[ShownProduct]],
    cluster: Cluster,
    data_dir: Path,
    take: Callable[[int, _Answer], None],
) -> None:
    largest = max(one.product.size_bytes for batch in batches for one in batch)
    needed = max(_LEAST_BYTES, _COPIES * largest)
    requests = [[_to_request(one, data_dir) for one in batch] for batch in batches]
    try:
        cluster.map(
            draw_pictures,
            requests,
            memory_bytes=min(needed, cluster.get_largest_bytes()),
            listener=take,
        )
    except (WorkerLostError, CallError) as error:
        raise PlanError(f"A worker failed to draw products: {error}") from error


def _to_request(one: ShownProduct, data_dir: Path) -> DrawRequest:
    """Ask for the pictures of a product, and name the spectra of it."""
    stem = one.product.name.rpartition("_")[0]
    spectra = {f"{stem}_x1d.fits", f"{stem}_x1dints.fits"} - {one.product.name}
    return DrawRequest(
        path=data_dir / one.path,
        sha256=one.product.sha256,
        manifest=data_dir / get_pictures_path(one.done.fingerprint, one.product.name),
        beside=tuple(
            data_dir / one.done.folder / product.name
            for product in one.done.products
            if product.name in spectra
        ),
    )


def _name(shown: ShownProduct) -> tuple[str, str]:
    return shown.done.fingerprint, shown.product.name


def _key(shown: ShownProduct) -> str:
    return shown.done.fingerprint
