"""The store: the products on disk, which jobs are done, and what is damaged.

The store is the truth; what it holds and the database does not know is recorded when
it is met.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import stamina

from workers.content import file_sha256
from workers.contract import ErrorInfo, Job, Outcome, Product, Status
from workers.job_layout import OUTCOME_NAME, get_environment_path, get_store_folder

from ..errors import FileNameError, OutcomeError
from ..layout import DAMAGED
from ..models.jobs import Damage, StoredJob
from ..models.records import AttemptMade
from ..names import check_file_name
from .database import Database
from .environments import load_environment
from .outcomes import load_outcome
from .records import Records

__all__ = ["PATIENCE", "Store", "set_aside"]

PATIENCE = timedelta(seconds=90)
"""How long is looked again for what a worker has just published: NFS remembers for up
to a minute that a name is not there (acdirmax)."""


class Store:
    """Products on disk, with the database as their index.

    What a worker has just published is looked for again, as long as `patience` says.
    """

    def __init__(
        self,
        data_dir: Path,
        database: Database,
        *,
        patience: timedelta = PATIENCE,
    ) -> None:
        self._data_dir = data_dir
        self._records = Records(data_dir)
        self._index = database.jobs
        self._environments = database.environments
        self._seen: set[str] = {""}
        self._patience = patience
        self._recorded: dict[str, StoredJob] = {}

    def expect(self, fingerprints: Iterable[str]) -> None:
        """Look up many jobs at once that are to be found next; it changes no answer."""
        self._recorded |= self._index.find_outcomes(fingerprints)

    def find_done(self, fingerprint: str) -> StoredJob | Damage | None:
        """Find the success of a fingerprint, or what is wrong with it in the store.

        What was read whole since its time had changed is remembered with its new time.
        """
        # What was recorded a moment ago need not be asked for.
        known = self._recorded.pop(fingerprint, None)
        folder = get_store_folder(fingerprint)
        path = self._data_dir / folder / OUTCOME_NAME
        try:
            if not path.parent.is_dir():
                return None
            path.stat()
        except OSError as error:
            return Damage(f"{folder / OUTCOME_NAME}: {error.strerror}")
        known = known or self._index.find_outcomes([fingerprint]).get(fingerprint)
        found = known and self._verify(known)
        if isinstance(found, StoredJob):
            return found
        # Made again by an attempt that nobody could record, or damaged.
        try:
            outcome = load_outcome(path)
        except OutcomeError as error:
            return Damage(str(error))
        if found is not None and known and outcome.attempt == known.attempt:
            return found
        self._index.record_outcome(outcome)
        self.index_environment(outcome.environment_sha256)
        return self._verify(_to_stored(outcome))

    def _verify(self, done: StoredJob) -> StoredJob | Damage:
        place = get_store_folder(done.fingerprint)
        if Path(done.folder) != place:
            said = f"the database says {done.folder[:80]!r}"
            return Damage(f"{place}: {said} of what is expected there")
        seen: list[Product] = []
        for product in done.products:
            found = _look(self._data_dir, Path(done.folder), product)
            if isinstance(found, Damage):
                return found
            seen.append(found)
        if changed := [new for new in seen if new not in done.products]:
            self._index.remember_products(done.fingerprint, changed)
        return replace(done, products=tuple(seen))

    def record(self, outcome: Outcome, *, run_id: str) -> None:
        """Record an attempt; of a success, what the store holds.

        Which run made it goes to the journal of the run, with all of what the store
        does not hold. A success that does not come to be seen in the store is recorded
        as a failure; the next run looks again.
        """
        if outcome.status is Status.SUCCEEDED:
            outcome = self._look_up(outcome)
        is_kept = outcome.status is Status.SUCCEEDED
        made = AttemptMade(outcome.attempt, None if is_kept else outcome)
        self._records.append(run_id, [made])
        self._index.record_outcome(outcome, run_id=run_id)
        if outcome.status is Status.SUCCEEDED:
            self._recorded[outcome.job.fingerprint] = _to_stored(outcome)
        self.index_environment(outcome.environment_sha256)

    def index_environment(self, sha256: str) -> None:
        """Record an environment that the data folder holds.

        One that is not to be seen yet, or damaged, is looked for again with the next
        outcome that names it; `rewebb db rebuild` names it.
        """
        if sha256 not in self._seen:
            with suppress(OutcomeError):
                path = self._data_dir / get_environment_path(sha256)
                self._environments.record(load_environment(path))
                self._seen.add(sha256)

    def _look_up(self, outcome: Outcome) -> Outcome:
        folder = self._data_dir / get_store_folder(outcome.job.fingerprint)
        tries = stamina.retry_context(
            on=_is_unseen, attempts=None, timeout=self._patience, wait_max=10.0
        )
        try:
            for attempt in tries:
                with attempt:
                    _refresh(folder)
                    return load_outcome(folder / OUTCOME_NAME)
        except OutcomeError as error:
            why = (
                f"{outcome.host} has published {folder}, but it is not to be seen from "
                f"here after {self._patience.total_seconds():.0f} s: {error}"
            )
            unseen = ErrorInfo(type(error).__name__, why, "")
            return replace(outcome, status=Status.FAILED, products=(), error=unseen)
        raise AssertionError(outcome)  # of the library, which either returns or raises

    def make_room(self, job: Job) -> None:
        """Set a damaged folder of a job aside, since nothing is ever overwritten.

        Raises
        ------
        OSError
            It cannot be moved.
        """
        folder = self._data_dir / get_store_folder(job.fingerprint)
        if folder.exists() and isinstance(self.find_done(job.fingerprint), Damage):
            set_aside(folder, data_dir=self._data_dir)


def _to_stored(outcome: Outcome) -> StoredJob:
    return StoredJob(
        fingerprint=outcome.job.fingerprint,
        stage=outcome.job.stage,
        name=outcome.job.name,
        attempt=outcome.attempt,
        context=outcome.job.context,
        folder=outcome.folder,
        finished_at=outcome.finished_at,
        usage=outcome.usage,
        products=outcome.products,
        caveats=outcome.caveats,
    )


def set_aside(folder: Path, *, data_dir: Path) -> None:
    """Move the folder of a job out of the store, so that it is made again."""
    aside = data_dir / DAMAGED
    aside.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    folder.rename(aside / f"{folder.name}-{now:%Y%m%dT%H%M%S%f}")


def _is_unseen(error: Exception) -> bool:
    """Whether an outcome cannot be read, rather than being damaged."""
    return isinstance(error, OutcomeError) and isinstance(error.__cause__, OSError)


def _refresh(folder: Path) -> None:
    """Make a client of NFS ask its server again what is in the store.

    It remembers for up to a minute that a name is not there; to open the folder above
    makes it look at whether that has changed.
    """
    with suppress(OSError):
        list(folder.parent.iterdir())


def _look(data_dir: Path, folder: Path, product: Product) -> Product | Damage:
    """Look at size and time; read the file only when its time has changed."""
    where = folder / product.name
    path = data_dir / where
    try:
        check_file_name(product.name)
        stat = path.stat()
        if stat.st_size != product.size_bytes:
            expected = f"expected {product.size_bytes} bytes, got {stat.st_size}"
            return Damage(f"{where}: {expected}")
        if stat.st_mtime_ns == product.mtime_ns:
            return product
        found = file_sha256(path)
    except FileNameError as error:
        return Damage(str(error))
    except OSError as error:
        return Damage(f"{where}: {error.strerror}")
    if found != product.sha256:
        return Damage(f"{where}: expected sha256 {product.sha256}, got {found}")
    return replace(product, mtime_ns=stat.st_mtime_ns)
