"""The store of provenance: all its subjects over one database."""

from datetime import timedelta

from sqlalchemy import Engine

from .fetched import FetchedStore
from .files import FileStore
from .jobs import JobStore
from .leases import LeaseStore
from .runs import RunStore
from .sessions import PATIENCE, Sessions

__all__ = ["ProvenanceStore"]


class ProvenanceStore(RunStore, JobStore, FileStore, FetchedStore, LeaseStore):
    """Runs, jobs, files and leases in one database.

    Each method is one transaction, and raises `StoreError` when the database cannot
    be used. One that is away (restarted, locked, cut off) is waited for.

    Parameters
    ----------
    engine
        As `make_engine` gives it, upgraded; to be disposed of by the caller.
    patience
        How long a database that is away is waited for.
    keeps
        Whether what it is told is kept; see `looking`.
    """

    def __init__(
        self, engine: Engine, *, patience: timedelta = PATIENCE, keeps: bool = True
    ) -> None:
        super().__init__(Sessions(engine, patience=patience, keeps=keeps))
