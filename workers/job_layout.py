"""Where jobs work and what they leave, below the data folder.

    scratch/<program>/<attempt>/work      where the pipeline runs and writes; in its
        folder `inputs` are links to the inputs, and the association
    scratch/<program>/<attempt>/publish   what it made; becomes, by one rename,
        store/<ab>/<fingerprint>            when the attempt succeeded, or
        attempts/<fingerprint>/<attempt>    log and outcome only, when it did not
    scratch/<program>/shared              what jobs of a run make once for all of them
    environments/<sha256>.json            what is installed where jobs and runs ran

All paths are relative to the data folder, in which `flows.layout` has the rest. The
CRDS cache is another folder: `workers.references.layout`.
"""

from pathlib import Path

__all__ = [
    "ATTEMPTS",
    "ENVIRONMENTS",
    "INPUTS",
    "LOG_NAME",
    "OUTCOME_NAME",
    "PUBLISH",
    "SCRATCH",
    "SHARED",
    "STORE",
    "WORK",
    "get_attempt_folder",
    "get_environment_path",
    "get_store_folder",
]

SCRATCH = "scratch"
"""Folder of what is under way; what is left of a dead attempt is rubbish."""

STORE = "store"
"""Folder of the products."""

ATTEMPTS = "attempts"
"""Folder of the attempts that did not succeed."""

ENVIRONMENTS = "environments"
"""Folder of what is installed, by its hash."""

SHARED = "shared"
"""Folder of what several jobs need, in the scratch of a program; a run begins and ends
without it."""

WORK = "work"
"""Current folder of the pipeline, in the scratch of an attempt."""

INPUTS = "inputs"
"""Folder of the inputs, in the current one."""

PUBLISH = "publish"
"""Folder of what is to be published, in the scratch of an attempt."""

LOG_NAME = "job.log"
"""Log of an attempt, beside its products."""

OUTCOME_NAME = "outcome.json"
"""Outcome of an attempt, beside its products."""


def get_store_folder(fingerprint: str) -> Path:
    """Return the folder of a job's products."""
    return Path(STORE, fingerprint[:2], fingerprint)


def get_attempt_folder(fingerprint: str, attempt: str) -> Path:
    """Return the folder of an attempt that did not succeed."""
    return Path(ATTEMPTS, fingerprint, attempt)


def get_environment_path(sha256: str) -> Path:
    """Return the file of an environment."""
    return Path(ENVIRONMENTS, f"{sha256}.json")
