"""Measurements of recorded products: one job for each, kept in the database."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from config.measurements import hash_kinds
from workers.cache_contract import FileProgress
from workers.calls import measure_products
from workers.contract import ErrorInfo, Measurement, Product

from ..errors import PlanError
from ..execution import CallError, Cluster, WorkerLostError
from ..factory import Services
from ..models.measurements import MeasuredProduct
from ..models.runs import JobState, RunJob
from ..provenance import Database
from .jobs import Executed

__all__ = [
    "Measured",
    "ProductFile",
    "list_products_of",
    "measure_executed",
    "measure_recorded",
]

_Answer = tuple[tuple[Measurement, ...], ...] | ErrorInfo

_LEAST_BYTES = 1 << 30
"""Memory that a measurement may take at least."""

_COPIES = 8
"""How many times the size of its file a product may take in memory."""


@dataclass(frozen=True, slots=True)
class ProductFile:
    """A recorded product that can be measured."""

    fingerprint: str
    """The job that made it."""
    product: Product
    """The file."""
    folder: str
    """Where it is, relative to the data folder."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What the measuring of products came to."""

    products: tuple[MeasuredProduct, ...]
    """Those that were measured, now or before."""
    failed: Mapping[str, str]
    """Why others could not be, by name."""


def list_products_of(
    jobs: Iterable[RunJob], database: Database
) -> tuple[ProductFile, ...]:
    """List the products of a run that anything is measured of."""
    done = {JobState.SUCCEEDED, JobState.REUSED}
    keys = [job.fingerprint for job in jobs if job.fingerprint and job.state in done]
    found = database.jobs.find_outcomes(keys)
    return tuple(
        ProductFile(key, product, found[key].folder)
        for key in dict.fromkeys(keys)
        if key in found
        for product in found[key].products
        if _hash_kinds_of(product) is not None
    )


def measure_executed(
    executed: Executed, services: Services, open_cluster: Callable[[], Cluster]
) -> Executed:
    """Measure the products of a run; what cannot be measured is noted.

    The products are made: nothing that goes wrong here keeps the run from its report.

    Raises
    ------
    DatabaseError
        The numbers cannot be recorded.
    """
    jobs = services.database.runs.get_run_jobs(executed.run.id)
    try:
        measured = measure_recorded(
            list_products_of(jobs, services.database),
            services.database,
            data_dir=services.data_dir,
            open_cluster=lambda: nullcontext(open_cluster()),
        )
    except PlanError as error:
        notes = [f"not all products are measured, see `rewebb measure`: {error}"]
    else:
        failed = measured.failed.items()
        notes = [f"{name} is not measured: {why}" for name, why in failed]
    return replace(executed, notes=(*executed.notes, *notes))


def measure_recorded(
    files: Sequence[ProductFile],
    database: Database,
    *,
    data_dir: Path,
    open_cluster: Callable[[], AbstractContextManager[Cluster]],
    listener: Callable[[FileProgress], object] = lambda _: None,
) -> Measured:
    """Measure products that were not measured yet, and record the numbers.

    A product is measured with what its job made beside it, and by itself otherwise, so
    that its numbers do not depend on what else is measured. Each is recorded as soon as
    it is there.

    Parameters
    ----------
    open_cluster
        Opens where they are measured; it is not opened if there is nothing to do.
    listener
        Told of each product that was measured.

    Raises
    ------
    PlanError
        The cluster cannot be used.
    DatabaseError
        The numbers cannot be recorded.
    """
    files = [file for file in files if _hash_kinds_of(file.product) is not None]
    known = database.measurements.find({file.fingerprint for file in files})
    done: dict[tuple[str, str], MeasuredProduct] = {}
    due: list[ProductFile] = []
    for file in files:
        found = known.get((file.fingerprint, file.product.name))
        if found is not None and _holds(found, file.product):
            done[_key(file)] = found
        else:
            due.append(file)
    failed: dict[str, str] = {}
    sizes = [file.product.size_bytes for file in due]
    taken_bytes: list[int] = []

    def take(index: int, answer: _Answer) -> None:
        file = due[index]
        if isinstance(answer, ErrorInfo):
            failed[file.product.name] = answer.message
        else:
            (numbers,) = answer
            measured = _to_measured(file, numbers)
            database.measurements.record(measured)
            done[_key(file)] = measured
        taken_bytes.append(file.product.size_bytes)
        count, taken = len(taken_bytes), sum(taken_bytes)
        listener(FileProgress("measured", count, len(due), taken, sum(sizes)))

    if due:
        with open_cluster() as cluster:
            _measure_all(due, cluster, data_dir, take)
    return Measured(tuple(done[key] for key in map(_key, files) if key in done), failed)


def _measure_all(
    due: Sequence[ProductFile],
    cluster: Cluster,
    data_dir: Path,
    take: Callable[[int, _Answer], None],
) -> None:
    largest = max(file.product.size_bytes for file in due)
    needed = max(_LEAST_BYTES, _COPIES * largest)
    paths = [[data_dir / file.folder / file.product.name] for file in due]
    try:
        cluster.map(
            measure_products,
            paths,
            memory_bytes=min(needed, cluster.get_largest_bytes()),
            listener=take,
        )
    except (WorkerLostError, CallError) as error:
        raise PlanError(f"A worker failed to measure products: {error}") from error


def _key(file: ProductFile) -> tuple[str, str]:
    return file.fingerprint, file.product.name


def _hash_kinds_of(product: Product) -> str | None:
    return hash_kinds(Path(product.name).stem.rpartition("_")[2])


def _holds(found: MeasuredProduct, product: Product) -> bool:
    """Return whether numbers are those of these bytes, as they are defined today."""
    return (found.sha256, found.kinds_sha256) == (
        product.sha256,
        _hash_kinds_of(product),
    )


def _to_measured(
    file: ProductFile, numbers: tuple[Measurement, ...]
) -> MeasuredProduct:
    return MeasuredProduct(
        fingerprint=file.fingerprint,
        product=file.product.name,
        sha256=file.product.sha256,
        kinds_sha256=_hash_kinds_of(file.product) or "",
        measured_at=datetime.now(UTC),
        numbers=numbers,
    )
