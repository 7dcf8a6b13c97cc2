"""Before and after: what a run changed in the spectra that it has made again."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from workers.calls import compare_spectra
from workers.change_contract import FileChange
from workers.contract import ErrorInfo

from ..errors import PlanError
from ..execution import CallError, Cluster, WorkerLostError
from ..factory import Services
from ..models.runs import JobState
from ..provenance import Database
from ..reports import Changed, compare_versions, pair_jobs, say_change, say_changes
from .jobs import Executed

__all__ = ["compare_executed"]

_LEAST_BYTES = 1 << 30
"""Memory that a comparison may take at least."""

_COPIES = 10
"""How many times the size of its larger file a pair may take in memory."""

_NOTED = 3
"""Products of which the notes of a run say how they changed."""


def compare_executed(
    executed: Executed, services: Services, open_cluster: Callable[[], Cluster]
) -> Executed:
    """Compare what a run has made with what was recorded of the same jobs before.

    The newest success of the same stage and name is what it was before. Nothing is
    opened or read if nothing was there; what goes wrong is a note of the run.

    Raises
    ------
    DatabaseError
        What was recorded before cannot be read.
    """
    database, data_dir = services.database, services.data_dir
    versions = [
        one
        for before, after in _find_superseded(executed, database)
        for one in pair_jobs(database, data_dir, before, after)
    ]
    if not versions:
        return executed
    compare = partial(_compare_on, open_cluster)
    try:
        changed = compare_versions(versions, database, compare)
    except PlanError as error:
        notes = [f"not compared with what was before, see `rewebb compare`: {error}"]
        return replace(executed, notes=(*executed.notes, *notes))
    notes = [*_say(changed)]
    return replace(executed, notes=(*executed.notes, *notes), changed=changed)


def _find_superseded(
    executed: Executed, database: Database
) -> Iterator[tuple[str, str]]:
    """Find the fingerprints of jobs that were made, after those they supersede."""
    for entry in executed.plan.entries:
        if entry.state is not JobState.SUCCEEDED or entry.job is None:
            continue
        after = entry.job.fingerprint
        earlier = database.jobs.find_earlier_jobs(entry.job.stage, entry.job.name)
        before = next((j.fingerprint for j in earlier if j.fingerprint != after), None)
        if before is not None:
            yield before, after


def _compare_on(
    open_cluster: Callable[[], Cluster], pairs: Sequence[tuple[Path, Path]]
) -> tuple[FileChange | ErrorInfo, ...]:
    """Compare pairs of files on the workers, each in a child of its own."""
    found: dict[int, FileChange | ErrorInfo] = {}

    def take(
        index: int, answer: tuple[FileChange | ErrorInfo, ...] | ErrorInfo
    ) -> None:
        found[index] = answer if isinstance(answer, ErrorInfo) else answer[0]

    sizes = [max(path.stat().st_size for path in pair) for pair in pairs]
    cluster = open_cluster()
    try:
        cluster.map(
            compare_spectra,
            [[pair] for pair in pairs],
            memory_bytes=min(
                max(_LEAST_BYTES, _COPIES * max(sizes)), cluster.get_largest_bytes()
            ),
            listener=take,
        )
    except (WorkerLostError, CallError) as error:
        raise PlanError(f"A worker failed to compare products: {error}") from error
    return tuple(found[index] for index in range(len(pairs)))


def _say(changed: Changed) -> Iterator[str]:
    """Say what changed: how much of all, and of the products that changed most."""
    yield f"before and after: {say_changes(changed)}"
    for product in changed.different[:_NOTED]:
        for spectrum in product.spectra[:1]:
            part = f" ({spectrum.part})" if spectrum.part else ""
            yield f"{product.product}{part}: {say_change(spectrum)}"
    for product in changed.different:
        if product.why_not:
            yield f"{product.product} is not compared: {product.why_not}"
