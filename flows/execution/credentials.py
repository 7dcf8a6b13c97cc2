"""TLS credentials of a cluster: generated, and kept in a folder of this user alone."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from distributed.security import Security

from ..errors import PlanError

__all__ = ["list_credentials", "load_credentials", "make_credentials"]

_CERTIFICATE: Final = "cert.pem"

_KEY: Final = "key.pem"


def make_credentials(folder: Path) -> Security:
    """Load the credentials of a folder, which are made if it has none.

    Scheduler, workers and clients of a cluster show the same certificate, and take no
    other. Dask makes it for a year.

    Raises
    ------
    PlanError
        The folder cannot be used, or is open to others.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _refuse_open(folder)
        if not (folder / _CERTIFICATE).exists():
            made = Security.temporary()
            _write(folder / _KEY, made.tls_client_key)
            _write(folder / _CERTIFICATE, made.tls_client_cert)
    except OSError as error:
        raise PlanError(f"No credentials can be kept in {folder}: {error}") from error
    return load_credentials(folder)


def load_credentials(folder: Path) -> Security:
    """Load the credentials of a folder.

    Raises
    ------
    PlanError
        It has none, or is open to others.
    """
    try:
        _refuse_open(folder)
        cert = (folder / _CERTIFICATE).read_text()
        key = (folder / _KEY).read_text()
    except OSError as error:
        raise PlanError(
            f"The credentials of the cluster cannot be read: {error}; give the folder "
            "that `rewebb cluster scheduler` was given."
        ) from error
    of_roles = {
        f"tls_{role}_{part}": text
        for role in ("client", "scheduler", "worker")
        for part, text in (("cert", cert), ("key", key))
    }
    return Security(require_encryption=True, tls_ca_file=cert, **of_roles)


def list_credentials(security: Security) -> Mapping[str, str]:
    """List what a worker needs of them, as arguments of `Security`."""
    keys = ("tls_ca_file", "tls_worker_cert", "tls_worker_key")
    return {key: getattr(security, key) for key in keys}


def _refuse_open(folder: Path) -> None:
    """Refuse a folder of somebody else, or one that others can look into."""
    found = folder.stat()
    if found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise PlanError(
            f"The folder {folder} holds keys, and must be yours alone: `chmod 700 "
            f"{folder}`, or give another one."
        )


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
