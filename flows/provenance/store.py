"""The store of provenance: all its subjects over one database."""

from sqlalchemy import Engine

from .fetched import FetchedStore
from .files import FileStore
from .jobs import JobStore
from .leases import LeaseStore
from .runs import RunStore
from .sessions import Sessions

__all__ = ["ProvenanceStore"]


class ProvenanceStore(RunStore, JobStore, FileStore, FetchedStore, LeaseStore):
    """Runs, jobs, files and leases in one database.

    Each method is one transaction, and raises `StoreError` when the database cannot
    be used.

    Parameters
    ----------
    engine
        As `make_engine` gives it, upgraded; to be disposed of by the caller.
    """

    def __init__(self, engine: Engine) -> None:
        super().__init__(Sessions(engine))
