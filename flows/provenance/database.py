"""The database: the index of the store, and the runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy import Engine

from .auditing import Audits
from .comparing import Rows
from .engine import make_engine
from .environments import Environments
from .exposures import Exposures
from .files import Files
from .find import Products
from .jobs import Jobs
from .leases import Leases
from .lineage import Lineages
from .listings import Listings
from .measurements import Measurements
from .migration import upgrade
from .records import Records
from .resolutions import Resolutions
from .retention import Retention
from .runs import Runs
from .sessions import PATIENCE, Sessions

__all__ = ["Database"]


class Database:
    """Runs, jobs, products, exposures, files, leases, measurements, environments.

    Each method of these is one transaction, and raises `DatabaseError` when the
    database cannot be used. One that is away (restarted, locked) is waited for, as
    long as `patience` says. Without `keeps` nothing that is written is committed. What
    no outcome of the store holds is kept in `records` too.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        patience: timedelta = PATIENCE,
        keeps: bool = True,
        records: Records | None = None,
    ) -> None:
        sessions = Sessions(engine, patience=patience, keeps=keeps)
        self.runs = Runs(sessions, records)
        self.jobs = Jobs(sessions)
        self.files = Files(sessions, records)
        self.products = Products(sessions)
        self.exposures = Exposures(sessions)
        self.leases = Leases(sessions)
        self.measurements = Measurements(sessions, records)
        self.resolutions = Resolutions(sessions)
        self.rows = Rows(sessions)
        self.environments = Environments(sessions)
        self.audits = Audits(sessions)
        self.retention = Retention(sessions)
        self.lineages = Lineages(sessions)
        self.listings = Listings(sessions)

    @classmethod
    @contextmanager
    def open(cls, url: str, *, records: Records | None = None) -> Iterator["Database"]:
        """Open a database, made or upgraded as needed."""
        engine = make_engine(url)
        try:
            upgrade(engine)
            yield cls(engine, records=records)
        finally:
            engine.dispose()
