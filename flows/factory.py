"""Settings become services; the only place that builds things."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from config.settings import Settings

from .archive import FolderArchive
from .errors import PlanError, StoreError
from .execution import Cluster, open_cluster
from .provenance import ProductStore, ProvenanceStore, make_engine, upgrade

__all__ = ["Services", "open_local_cluster", "open_services", "open_store"]


@dataclass(frozen=True, slots=True)
class Services:
    """What a run works with."""

    settings: Settings
    """Settings of the site."""
    archive: FolderArchive
    """Where exposures come from."""
    store: ProvenanceStore
    """The database."""
    products: ProductStore
    """The store on disk."""
    data_dir: Path
    """The data folder, absolute."""
    crds_path: Path
    """The CRDS cache, absolute."""


@contextmanager
def open_store(settings: Settings) -> Iterator[ProvenanceStore]:
    """Open the database, made or upgraded as needed.

    Raises
    ------
    StoreError
        The data folder cannot be written, or the database cannot be used.
    """
    _make_folder(settings.data_dir)
    engine = make_engine(settings.database)
    try:
        upgrade(engine)
        yield ProvenanceStore(engine)
    finally:
        engine.dispose()


@contextmanager
def open_services(settings: Settings) -> Iterator[Services]:
    """Build what a run works with.

    Raises
    ------
    PlanError
        No archive or no CRDS cache is set.
    StoreError
        The data folder or the database cannot be used.
    """
    if settings.archive is None:
        raise PlanError(
            "No archive is set: give --archive DIR, REWEBB_ARCHIVE or `archive` in "
            "rewebb.toml."
        )
    if settings.crds_path is None:
        raise PlanError(
            "No CRDS cache is set: give CRDS_PATH, REWEBB_CRDS_PATH or `crds_path` in "
            "rewebb.toml."
        )
    with open_store(settings) as store:
        data_dir = settings.data_dir.absolute()
        yield Services(
            settings=settings,
            archive=FolderArchive(settings.archive.absolute()),
            store=store,
            products=ProductStore(data_dir, store),
            data_dir=data_dir,
            crds_path=settings.crds_path.absolute(),
        )


@contextmanager
def open_local_cluster(settings: Settings) -> Iterator[Cluster]:
    """Open the cluster that the settings ask for."""
    scratch = settings.data_dir.absolute() / "scratch" / "dask"
    _make_folder(scratch)
    with open_cluster(
        scheduler=settings.scheduler,
        slots=settings.slots,
        memory_bytes=settings.memory_bytes,
        scratch=scratch,
    ) as cluster:
        yield cluster


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise StoreError(
            f"The data folder {folder} cannot be written: {error.strerror}; set "
            "--data-dir or REWEBB_DATA_DIR to one that can."
        ) from error
