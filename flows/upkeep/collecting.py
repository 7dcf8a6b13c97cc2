"""Collecting: removing what a policy selects, at any moment of which one may be killed.

The folder of a job is renamed out of the store first, so that no half product is ever
in it; then its products are removed, there and in the folders of runs. What it was, its
outcome, association and log, stays in ``removed/``, so nothing is forgotten.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from workers.job_layout import OUTCOME_NAME, STORE, get_store_folder
from workers.trees import remove_tree

from ..errors import LeaseHeldError, OutcomeError
from ..layout import PICTURES, REMOVED, RUNS, get_pictures_path
from ..models.retention import KeptRun, Policy, Removal, Selection
from ..provenance import Database, Tags, load_outcome, name_removed
from ..run import hold_lease
from .retention import select

__all__ = ["Collected", "Keeper", "collect", "look"]


@dataclass(frozen=True, slots=True)
class Keeper:
    """What a lease is held with."""

    database: Database
    """The index of the store, with the leases."""
    data_dir: Path
    """The data folder, absolute."""


@dataclass(frozen=True, slots=True)
class Collected:
    """What was removed."""

    removals: tuple[Removal, ...]
    """The jobs."""
    busy: tuple[str, ...]
    """Programs that are being run, of which nothing was removed, each with why."""


def look(data_dir: Path, database: Database, policy: Policy) -> Selection:
    """Look what a policy would remove."""
    tags = Tags(data_dir)
    uses = database.retention.list_uses()
    exports = database.runs.list_exports()
    runs = (
        KeptRun(
            run,
            tags.find(run.id),
            uses.get(run.id, frozenset()),
            is_published=run.id in exports,
        )
        for run in database.runs.list_runs(limit=None)
    )
    stored = {path.name for path in (data_dir / STORE).glob("*/*")}
    return select(runs, database.retention.list_jobs(), policy, stored=stored)


def collect(
    data_dir: Path,
    database: Database,
    policy: Policy,
    listener: Callable[[str, int, int], object] = lambda *_: None,
) -> Collected:
    """Remove what a policy selects, program by program, each under its lease.

    Raises
    ------
    DatabaseError
        The database cannot be used.
    OSError
        Something cannot be removed.
    """
    _finish(data_dir)
    busy: list[str] = []
    removed: list[Removal] = []
    wanted = look(data_dir, database, policy).removals
    for program in sorted({one.program for one in wanted}):
        try:
            with hold_lease(Keeper(database, data_dir), program):
                for one in _list_due(data_dir, database, policy, program):
                    _remove(one, data_dir)
                    removed.append(one)
                    listener("jobs", len(removed), len(wanted))
        except LeaseHeldError as error:
            busy.append(str(error))
    return Collected(tuple(removed), tuple(busy))


def _list_due(
    data_dir: Path, database: Database, policy: Policy, program: str
) -> Iterator[Removal]:
    """Give what is removed of a program, one by one.

    Somebody may have run it until now, and may name or publish a run at any time.
    """
    due: list[Removal] = []
    known: object = None
    while True:
        kept = (Tags(data_dir).list_all(), database.runs.list_exports())
        if kept != known:
            known = kept
            wanted = look(data_dir, database, policy).removals
            due = [one for one in wanted if one.program == program]
        if not due:
            return
        yield due.pop(0)


def _remove(removal: Removal, data_dir: Path) -> None:
    source = data_dir / get_store_folder(removal.fingerprint)
    aside = data_dir / name_removed(removal.fingerprint, datetime.now(UTC))
    aside.parent.mkdir(exist_ok=True)
    source.rename(aside)
    _empty(aside, data_dir)


def _finish(data_dir: Path) -> None:
    """Finish what was killed after it had been taken out of the store."""
    for folder in sorted((data_dir / REMOVED).glob("*-*")):
        _empty(folder, data_dir)


def _empty(folder: Path, data_dir: Path) -> None:
    """Remove the products of a folder, their links in folders of runs, and pictures."""
    try:
        outcome = load_outcome(folder / OUTCOME_NAME)
    except OutcomeError:
        return  # nothing says what is a product; `rewebb db check` names it
    for product in outcome.products:
        path = folder / product.name
        with suppress(FileNotFoundError):
            status = path.stat()
            for link in (data_dir / RUNS / outcome.job.program).glob(
                f"*/{product.name}"
            ):
                with suppress(FileNotFoundError):
                    if os.path.samestat(link.stat(), status):
                        link.unlink()
            path.unlink()
    _remove_pictures(outcome.job.fingerprint, data_dir)


def _remove_pictures(fingerprint: str, data_dir: Path) -> None:
    """Remove the pictures of a job, unless it was made again meanwhile."""
    if not (data_dir / get_store_folder(fingerprint)).exists():
        folder = (data_dir / get_pictures_path(fingerprint, "")).parent
        remove_tree(folder, below=data_dir / PICTURES)
