"""Settings become services; the only place that builds things."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from config.settings import Settings
from workers.contract import Stage
from workers.installed import describe_environment, hash_software
from workers.transfer import RetryPolicy

from .archive import (
    Archive,
    FolderArchive,
    HeaderMemory,
    RemoteArchive,
    Source,
    Vault,
    find_token,
)
from .errors import ArchiveError, DataFolderError, PlanError
from .execution import Cluster, find_standing, open_cluster
from .layout import (
    CLUSTERS,
    DASK_SCRATCH,
    DATABASE_NAME,
    PREFECT,
    get_database_url,
)
from .logs import get_logger
from .models.exposures import FetchedFile
from .provenance import Database, Records, Store, open_read_only, open_to_serve
from .stages import list_start_suffixes

if TYPE_CHECKING:
    from workers.sample import SampleSet

    from .archive.mast import MastSource

__all__ = [
    "SAMPLE_DIR",
    "Services",
    "adapt_to_sample",
    "find_crds_cache",
    "get_clusters_folder",
    "get_prefect_folder",
    "is_far_away",
    "make_archive",
    "make_dask_scratch",
    "make_mast",
    "make_source",
    "make_vault",
    "open_configured_cluster",
    "open_database",
    "open_records",
    "open_served_records",
    "open_services",
]

_MAST: Final = "mast"
_S3: Final = "s3://"
_SAMPLE: Final = "sample"

_HASTY_S: Final = 15.0
"""How long MAST may be silent that is only looked at."""

SAMPLE_DIR: Final = Path("rewebb-sample")
"""Where the sample programs are made, and found again."""


@dataclass(frozen=True, slots=True)
class Services:
    """What a run works with."""

    settings: Settings
    """Settings of the site, fitted to the archive (`adapt_to_sample`)."""
    archive: Archive
    """Where exposures come from."""
    database: Database
    """The index of the store, with the runs."""
    store: Store
    """The products on disk."""
    data_dir: Path
    """The data folder, absolute."""
    crds_path: Path
    """The CRDS cache, absolute."""


@contextmanager
def open_database(
    settings: Settings, *, read_only: bool = False, keeps_records: bool = True
) -> Iterator[Database]:
    """Open the database, made or upgraded as needed; see `open_read_only`.

    Parameters
    ----------
    keeps_records
        Whether what it is told is kept in the records of the data folder too.

    Raises
    ------
    DataFolderError
        The data folder cannot be written.
    DatabaseError
        The database cannot be used.
    """
    if not read_only:
        _make_folder(settings.data_dir)
    url = get_database_url(settings)
    records = Records(settings.data_dir) if keeps_records else None
    opened = open_read_only(url) if read_only else Database.open(url, records=records)
    with opened as database:
        yield database


@contextmanager
def open_records(settings: Settings, *, writes: bool = False) -> Iterator[Database]:
    """Open the database to read what is recorded; nothing is made where it is not.

    Parameters
    ----------
    writes
        Whether something is to be changed.

    Raises
    ------
    DataFolderError
        There is no database, or it cannot be changed.
    DatabaseError
        It cannot be used.
    """
    _refuse_unrecorded(settings)
    folder = settings.data_dir.absolute()
    is_embedded = settings.database_url is None
    can_write = is_embedded and os.access(folder, os.W_OK)
    if writes and is_embedded and not can_write:
        raise DataFolderError(f"The data folder {folder} cannot be written.")
    is_read_only = not (can_write or writes)
    with open_database(settings, read_only=is_read_only) as database:
        yield database


@contextmanager
def open_served_records(settings: Settings) -> Iterator[Database]:
    """Open the database to read it for as long as a service runs; see `open_to_serve`.

    Raises
    ------
    DataFolderError
        There is no database.
    DatabaseError
        It cannot be read.
    """
    _refuse_unrecorded(settings)
    with open_to_serve(get_database_url(settings)) as database:
        yield database


def _refuse_unrecorded(settings: Settings) -> None:
    folder = settings.data_dir.absolute()
    if settings.database_url is None and not (folder / DATABASE_NAME).is_file():
        raise DataFolderError(
            f"The data folder {folder} holds no record of a run: give the folder of "
            "your runs with --data-dir or REWEBB_DATA_DIR, or start a run with "
            "`rewebb run PROGRAM`."
        )


@contextmanager
def open_services(
    settings: Settings, *, start_at: Stage = Stage.DETECTOR1, read_only: bool = False
) -> Iterator[Services]:
    """Build what a run works with that starts at a stage.

    With `read_only` nothing is made or changed: no data folder, database or sample.

    Raises
    ------
    ArchiveError
        No archive is set, or it cannot be used.
    PlanError
        No CRDS cache is set.
    DataFolderError, DatabaseError
        The data folder or the database cannot be used.
    """
    if read_only:
        _refuse_impossible(settings.data_dir)
    placed = _place_sample(settings) if read_only else settings
    crds_path = find_crds_cache(placed)
    with open_database(settings, read_only=read_only) as database:
        data_dir = settings.data_dir.absolute()
        yield Services(
            settings=adapt_to_sample(settings),
            archive=make_archive(
                placed,
                database.files.remember_fetched,
                start_at=start_at,
                headers=_remember_headers(database),
            ),
            database=database,
            store=Store(data_dir, database),
            data_dir=data_dir,
            crds_path=crds_path,
        )


def _remember_headers(database: Database) -> HeaderMemory:
    software = hash_software(describe_environment())
    return HeaderMemory(
        find=partial(database.resolutions.find_headers, software=software),
        remember=database.resolutions.remember_headers,
        software=software,
    )


def make_archive(
    settings: Settings,
    remember: Callable[[FetchedFile], object] = lambda _: None,
    *,
    start_at: Stage = Stage.DETECTOR1,
    headers: HeaderMemory | None = None,
) -> Archive:
    """Make the archive that the settings name, for a run that starts at a stage.

    Parameters
    ----------
    remember
        Remembers what was fetched.
    headers
        What is remembered of the headers of a folder.

    Raises
    ------
    ArchiveError
        None is named, or it cannot be used.
    """
    folder = _find_folder(settings)
    if folder is not None:
        suffixes = list_start_suffixes(start_at)
        return FolderArchive(folder, suffixes=suffixes, headers=headers)
    if start_at is not Stage.DETECTOR1:
        raise ArchiveError(
            f"A run that starts at {start_at} takes its files from a folder, not from "
            f"{settings.archive}: give the folder that has them with --archive; "
            "`rewebb fetch PROGRAM --kind rate` brings countrates, below raw/ of the "
            "data folder."
        )
    return RemoteArchive(
        make_source(settings),
        make_vault(settings, remember),
        parallel=settings.archive_connections,
    )


def make_source(settings: Settings) -> Source:
    """Make the source that the settings name; it is searched, and fetched from.

    Raises
    ------
    ArchiveError
        None is named, or it cannot be used.
    """
    folder = _find_folder(settings)
    if folder is not None:
        return FolderArchive(folder)
    if settings.archive == _MAST:
        return make_mast(settings)
    return _make_s3(settings)


def make_vault(
    settings: Settings, remember: Callable[[FetchedFile], object] = lambda _: None
) -> Vault:
    """Make the place of local copies."""
    return Vault(settings.data_dir.absolute(), remember)


def _find_folder(settings: Settings) -> Path | None:
    """Find the folder that the archive is, unless it is far away."""
    match settings.archive:
        case None:
            raise ArchiveError(
                "No archive is set: give --archive, REWEBB_ARCHIVE or `archive` in "
                "rewebb.toml: mast, s3://BUCKET/PREFIX, sample, or a folder."
            )
        case str(name) if name == _SAMPLE:
            return _make_sample().archive
        case _ if is_far_away(settings):
            return None
        case folder:
            return Path(folder).absolute()


def is_far_away(settings: Settings) -> bool:
    """Return whether the archive of the settings is asked by the network."""
    name = str(settings.archive or "")
    return name == _MAST or name.startswith(_S3)


def make_mast(settings: Settings, *, is_hasty: bool = False) -> "MastSource":
    """Make the source that is MAST.

    Parameters
    ----------
    is_hasty
        Whether MAST is given up within seconds if it does not answer.

    Raises
    ------
    ArchiveError
        The token cannot be had, or must not go to the server.
    """
    from .archive.mast import MastLimits, MastSource  # urllib3: only when needed

    token = find_token(
        os.environ, block=settings.mast_token_block, load_block=_load_block
    )
    return MastSource(
        settings.mast_url,
        token=token,
        parallel=settings.archive_connections,
        limits=MastLimits(silent_s=_HASTY_S, answer_s=_HASTY_S)
        if is_hasty
        else MastLimits(),
        policy=RetryPolicy(fruitless_tries=1) if is_hasty else RetryPolicy(),
    )


def _load_block(name: str) -> str:
    """Read a Secret block of Prefect."""
    import httpx
    from prefect.blocks.system import Secret  # two seconds
    from prefect.exceptions import PrefectException

    try:
        block: Any = Secret.load(name)
    # It is a ValueError without the block, a RuntimeError without the server.
    except (ValueError, RuntimeError, httpx.HTTPError, PrefectException) as error:
        raise ArchiveError(
            f"The Secret block {name} (`mast_token_block`) cannot be read from "
            f"Prefect: {type(error).__name__}; see PREFECT_API_URL, make the block, or "
            "set MAST_API_TOKEN."
        ) from None  # it may quote what Prefect holds
    return str(block.get())


def _make_s3(settings: Settings) -> Source:
    from .archive.s3 import S3Source  # urllib3: only when needed

    url = settings.archive or ""
    return S3Source(
        url, endpoint=settings.s3_endpoint, parallel=settings.archive_connections
    )


def _make_sample() -> "SampleSet":
    from workers.sample import make_sample  # numpy and asdf: only when needed

    log = get_logger()
    return make_sample(SAMPLE_DIR.absolute(), on_progress=log.info)


def _place_sample(settings: Settings) -> Settings:
    """Put the places of the sample into settings that name it, if it is there.

    Raises
    ------
    ArchiveError
        It is not.
    """
    from workers.sample import find_sample

    if settings.archive != _SAMPLE:
        return settings
    found = find_sample(SAMPLE_DIR.absolute())
    if found is None:
        raise ArchiveError(
            f"There are no sample programs in {SAMPLE_DIR.absolute()}, and a plan "
            f"makes none: run `rewebb sample make {SAMPLE_DIR}` first."
        )
    return settings.model_copy(
        update={"archive": found.archive, "crds_path": found.crds}
    )


def adapt_to_sample(settings: Settings) -> Settings:
    """Fit settings to the archive: the sample has a CRDS cache of its own.

    With the archive ``sample`` there is no CRDS server, and a context is that of the
    sample or none: what everybody has set for the sky knows none of its files. The
    cache is that of `find_crds_cache`.
    """
    if settings.archive != _SAMPLE:
        return settings
    from workers.sample import SampleSet

    known = SampleSet(SAMPLE_DIR.absolute(), ()).contexts
    context = settings.crds_context if settings.crds_context in known else None
    return settings.model_copy(
        update={"crds_server_url": None, "crds_context": context}
    )


def find_crds_cache(settings: Settings) -> Path:
    """Find the CRDS cache, absolute.

    With the archive ``sample`` it is that of the sample, which is made as needed, even
    if another one is set.

    Raises
    ------
    PlanError
        None is set.
    """
    if settings.archive == _SAMPLE:
        return _make_sample().crds
    if settings.crds_path is not None:
        return settings.crds_path.absolute()
    raise PlanError(
        "No CRDS cache is set: give CRDS_PATH, REWEBB_CRDS_PATH or `crds_path` in "
        "rewebb.toml."
    )


def open_configured_cluster(
    settings: Settings,
    *,
    scratch: Path | None = None,
    folder: Path | None = None,
    tell: Callable[[str], object] = lambda _: None,
) -> AbstractContextManager[Cluster]:
    """Open the cluster that the settings ask for, or the one of its name that stands.

    Parameters
    ----------
    scratch
        Folder for Dask's own files, if not that of the data folder.
    folder
        Where folders of clusters are made, if not in the data folder.
    tell
        Told, in one line, that it waits for workers, and that they are there.
    """
    scratch = scratch or make_dask_scratch(settings)
    ours = get_clusters_folder(settings)
    profile = settings.find_profile()
    if standing := find_standing(ours, settings.cluster):
        profile = standing.to_profile(ours)
    return open_cluster(profile, scratch=scratch, folder=folder or ours, tell=tell)


def get_clusters_folder(settings: Settings) -> Path:
    """Return where the folders of clusters are."""
    return settings.data_dir.absolute() / CLUSTERS


def get_prefect_folder(settings: Settings) -> Path:
    """Return where the Prefect server of the site keeps what it knows."""
    return settings.data_dir.absolute() / PREFECT


def make_dask_scratch(settings: Settings) -> Path:
    """Make the folder for Dask's own files.

    Raises
    ------
    DataFolderError
        The data folder cannot be written.
    """
    scratch = settings.data_dir.absolute() / DASK_SCRATCH
    _make_folder(scratch)
    return scratch


def _refuse_impossible(folder: Path) -> None:
    """Refuse a data folder that could never be made, without making it."""
    there = next(path for path in folder.absolute().parents if path.exists())
    for path in (there, folder):
        if path.exists() and not path.is_dir():
            raise DataFolderError(
                f"The data folder {folder} cannot be used: {path} is no folder; set "
                "--data-dir or REWEBB_DATA_DIR to another one."
            )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise DataFolderError(
            f"The data folder {folder} cannot be written: {error.strerror}; set "
            "--data-dir or REWEBB_DATA_DIR to one that can."
        ) from error
