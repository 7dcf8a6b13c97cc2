"""The store on disk: which jobs are done, and whether their products are intact.

The store is the truth; what it holds and the database does not know is recorded when
it is met.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from workers.content import file_sha256
from workers.contract import Job, Outcome, Product, Status
from workers.run import OUTCOME_NAME, get_store_folder

from ..errors import StoreError
from ..models import StoredJob
from .outcomes import load_outcome
from .store import ProvenanceStore

__all__ = ["ProductStore", "find_damaged", "set_aside"]


class ProductStore:
    """Products on disk, with the database as their index.

    Parameters
    ----------
    data_dir
        The data folder.
    """

    def __init__(self, data_dir: Path, index: ProvenanceStore) -> None:
        self._data_dir = data_dir
        self._index = index

    def find_done(self, fingerprint: str) -> StoredJob | None:
        """Find the success of a fingerprint whose products are all there, intact."""
        path = self._data_dir / get_store_folder(fingerprint) / OUTCOME_NAME
        if not path.is_file():
            return None
        done = self._index.find_outcomes([fingerprint]).get(fingerprint)
        if done is None or not self._is_there(done):
            # Made again by an attempt that nobody could record, or damaged.
            try:
                outcome = load_outcome(path)
            except StoreError:
                return None
            self._index.record_outcome(outcome)
            done = self._index.find_outcomes([fingerprint])[fingerprint]
        return done if self._is_there(done) else None

    def _is_there(self, done: StoredJob) -> bool:
        folder = self._data_dir / done.folder
        return all(_is_intact(folder / p.name, p) for p in done.products)

    def record(self, outcome: Outcome, *, run_id: str) -> None:
        """Record an attempt; of a success, what the store holds."""
        if outcome.status is Status.SUCCEEDED:
            folder = self._data_dir / get_store_folder(outcome.job.fingerprint)
            outcome = load_outcome(folder / OUTCOME_NAME)
        self._index.record_outcome(outcome, run_id=run_id)

    def make_room(self, job: Job) -> None:
        """Set a damaged folder of a job aside, since nothing is ever overwritten."""
        folder = self._data_dir / get_store_folder(job.fingerprint)
        if folder.exists() and self.find_done(job.fingerprint) is None:
            set_aside(folder, data_dir=self._data_dir)


def find_damaged(data_dir: Path) -> Iterator[tuple[Path, str]]:
    """Read every product of the store, and find what is not as it was published.

    Yields
    ------
    tuple
        The folder of a job, and what is wrong with one of its files.
    """
    for path in sorted((data_dir / "store").glob(f"*/*/{OUTCOME_NAME}")):
        try:
            products = load_outcome(path).products
        except StoreError as error:
            yield path.parent, str(error)
            continue
        for product in products:
            file = path.with_name(product.name)
            found = file_sha256(file) if file.is_file() else "no file"
            if found != product.sha256:
                wrong = f"{file}: expected sha256 {product.sha256}, got {found}"
                yield path.parent, wrong


def set_aside(folder: Path, *, data_dir: Path) -> None:
    """Move the folder of a job out of the store, so that it is made again."""
    aside = data_dir / "damaged"
    aside.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    folder.rename(aside / f"{folder.name}-{now:%Y%m%dT%H%M%S%f}")


def _is_intact(path: Path, product: Product) -> bool:
    """Look at size and time; read the file only when its time has changed."""
    try:
        stat = path.stat()
    except OSError:
        return False
    if stat.st_size != product.size_bytes:
        return False
    return stat.st_mtime_ns == product.mtime_ns or file_sha256(path) == product.sha256
