"""Where everything else is, below the data folder.

    rewebb.db                       the database, unless a server has it
    raw/<program>/v<n>/<name>       copies of files of the archive, with <name>.json
    raw/<program>/listing.json      what the archive said of the program last
    brought/<sha256>/               a file that a user brought, with put.json
    runs/<program>/<time>-<run>/    what a scientist opens; run.json is its summary,
                                    changes.json how spectra differ from those before
    runs/<program>/<time>-<run>.jsonl   its journal, of which the database is made again
    measured/<ab>/<fingerprint>/    the numbers of the products of a job
    pictures/<ab>/<fingerprint>/    the pictures of the products of a job
    seen/                           hashes of raw files and of references
    removed/<fingerprint>-<time>/   records of products that `rewebb gc` has removed
    tags/<name>                     the id of a run that is kept
    scratch/dask/                   files of Dask
    scratch/reproduced/<id>/        a data folder in itself: jobs that are made again
    clusters/<kind>-<id>/           what workers of a batch system read, and say
    clusters/<name>/                a cluster that stands: keys, address, log
    prefect/                        history and password of the server of `rewebb serve`
    damaged/                        folders that were taken out of the store
    errors/                         tracebacks of errors that nobody foresaw
    specs/<versions>.json           the parameters of pipelines, by their versions

What jobs make is in `workers.job_layout`: store/, attempts/, environments/ and
scratch/<program>/.
"""

from pathlib import Path
from typing import Final

from config.settings import Settings
from workers.job_layout import (
    ATTEMPTS,
    ENVIRONMENTS,
    OUTCOME_NAME,
    SCRATCH,
    STORE,
)

from .models.runs import Run

__all__ = [
    "BROUGHT_FILES",
    "CHANGES_NAME",
    "CLUSTERS",
    "DAMAGED",
    "DAMAGED_OUTCOMES",
    "DASK_SCRATCH",
    "DATABASE_NAME",
    "ENVIRONMENT_FILES",
    "ERRORS",
    "FAILED_OUTCOMES",
    "JOURNALS",
    "LISTING_NAME",
    "MEASURED",
    "PICTURES",
    "PREFECT",
    "RAW",
    "REMOVED",
    "REMOVED_OUTCOMES",
    "REPORT_NAME",
    "REPRODUCED",
    "RUNS",
    "SEEN",
    "SPECS",
    "STORED_OUTCOMES",
    "SUMMARY_NAME",
    "TAGS",
    "get_database_url",
    "get_journal_path",
    "get_measured_path",
    "get_pictures_path",
    "get_run_folder",
    "get_specs_path",
]

DATABASE_NAME: Final = "rewebb.db"
"""The database, if it is SQLite."""

RAW: Final = "raw"
"""Folder of copies of the archive."""

BROUGHT_FILES: Final = "brought"
"""Folder of the files that users brought."""

LISTING_NAME: Final = "listing.json"
"""What the archive said of a program, in its folder of copies."""

RUNS: Final = "runs"
"""Folder of the folders of runs."""

SUMMARY_NAME: Final = "run.json"
"""Summary of a run, in its folder."""

CHANGES_NAME: Final = "changes.json"
"""What a run changed in spectra that were there before, in its folder."""

REPORT_NAME: Final = "report.html"
"""Report of a run, in its folder."""

JOURNALS: Final = f"{RUNS}/*/*.jsonl"
"""Pattern of the journals of runs."""

MEASURED: Final = "measured"
"""Folder of the numbers of products."""

PICTURES: Final = "pictures"
"""Folder of the pictures of products."""

SEEN: Final = "seen"
"""Folder of hashes of files that were read."""

TAGS: Final = "tags"
"""Folder of the names of runs."""

REMOVED: Final = "removed"
"""Folder of what is left of products that were removed on purpose."""

PREFECT: Final = "prefect"
"""Folder of the Prefect server of a site."""

DASK_SCRATCH: Final = f"{SCRATCH}/dask"
"""Folder of Dask's own files."""

REPRODUCED: Final = f"{SCRATCH}/reproduced"
"""Folder of the folders in which jobs are made again."""

CLUSTERS: Final = "clusters"
"""Folder of the folders of clusters."""

DAMAGED: Final = "damaged"
"""Folder of what was taken out of the store."""

ERRORS: Final = "errors"
"""Folder of tracebacks."""

SPECS: Final = "specs"
"""Folder of what pipelines accept."""

STORED_OUTCOMES: Final = f"{STORE}/*/*/{OUTCOME_NAME}"
"""Pattern of the outcomes of successes."""

ENVIRONMENT_FILES: Final = f"{ENVIRONMENTS}/*.json"
"""Pattern of the files of environments."""

FAILED_OUTCOMES: Final = f"{ATTEMPTS}/*/*/{OUTCOME_NAME}"
"""Pattern of the outcomes of other attempts."""

DAMAGED_OUTCOMES: Final = f"{DAMAGED}/*/{OUTCOME_NAME}"
"""Pattern of the outcomes of successes that were damaged."""

REMOVED_OUTCOMES: Final = f"{REMOVED}/*/{OUTCOME_NAME}"
"""Pattern of the outcomes of successes whose products were removed."""


def get_database_url(settings: Settings) -> str:
    """Return the SQLAlchemy URL of the database."""
    return settings.database_url or (
        f"sqlite:///{settings.data_dir.absolute()}/{DATABASE_NAME}"
    )


def get_run_folder(run: Run) -> Path:
    """Return the folder of a run, relative to the data folder."""
    return Path(RUNS, run.program, f"{run.started_at:%Y%m%dT%H%M%S}-{run.id[:8]}")


def get_journal_path(run: Run) -> Path:
    """Return the journal of a run, relative to the data folder."""
    folder = get_run_folder(run)
    return folder.with_name(f"{folder.name}.jsonl")


def get_measured_path(fingerprint: str, product: str) -> Path:
    """Return where the numbers of a product are, relative to the data folder."""
    return Path(MEASURED, fingerprint[:2], fingerprint, f"{product}.json")


def get_pictures_path(fingerprint: str, product: str) -> Path:
    """Return the manifest of the pictures of a product, relative to the data folder."""
    return Path(PICTURES, fingerprint[:2], fingerprint, f"{product}.json")


def get_specs_path(versions_sha256: str) -> Path:
    """Return where the parameters of a code are kept, relative to the data folder."""
    return Path(SPECS, f"{versions_sha256[:16]}.json")
