"""Clusters that stand for themselves, for many runs to share.

The scheduler is in a process of its own, which starts and stops the workers. Its folder
holds the credentials, and where it is.
"""

import json
import os
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import psutil

from config.clusters import AddressProfile, ClusterProfile

from ..errors import PlanError
from .clusters import open_cluster
from .credentials import make_credentials

__all__ = ["Standing", "find_standing", "list_standing", "stand", "stop_standing"]

_NAME: Final = "standing.json"

_END_S: Final = 30.0
"""How long a cluster may take to end."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A cluster that stands."""

    name: str
    """Name of its profile."""
    kind: str
    """Kind of its profile."""
    address: str
    """Where its scheduler listens."""
    host: str
    """Host of its scheduler."""
    pid: int
    """Process of its scheduler."""

    def to_profile(self, folder: Path) -> AddressProfile:
        """Turn it into the profile that connects to it."""
        return AddressProfile(
            kind="address", address=self.address, credentials=folder / self.name
        )


def stand(
    profile: ClusterProfile,
    *,
    name: str,
    folder: Path,
    scratch: Path,
    on_start: Callable[[str], object],
) -> None:
    """Keep a cluster until a signal ends this process.

    Parameters
    ----------
    name
        Name of the profile.
    folder
        Where the folders of clusters are.
    scratch
        Folder for Dask's own files.
    on_start
        Told the address, once there is a scheduler.

    Raises
    ------
    PlanError
        It stands already, is of somebody else, or cannot be opened.
    """
    if isinstance(profile, AddressProfile):
        raise PlanError(
            f"The cluster {name} is a scheduler that is there already: nothing is to "
            "be started."
        )
    if there := find_standing(folder, name):
        raise PlanError(
            f"The cluster {name} stands already, at {there.address} (process "
            f"{there.pid} on {there.host}): `rewebb cluster stop {name}` ends it."
        )
    own = folder / name
    security = make_credentials(own)
    with open_cluster(
        profile, scratch=scratch, folder=folder, security=security
    ) as cluster:
        standing = Standing(
            name, profile.kind, cluster.address, socket.gethostname(), os.getpid()
        )
        draft = own / f"{_NAME}.new"
        draft.write_text(json.dumps(asdict(standing)))
        draft.replace(own / _NAME)
        try:
            on_start(cluster.address)
            threading.Event().wait()
        finally:
            (own / _NAME).unlink(missing_ok=True)


def find_standing(folder: Path, name: str) -> Standing | None:
    """Find the cluster of a name, if it stands; one that died on this host does not."""
    try:
        found = Standing(**json.loads((folder / name / _NAME).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return found if _is_alive(found) else None


def list_standing(folder: Path) -> list[Standing]:
    """List the clusters that stand, by name."""
    names = sorted(path.parent.name for path in folder.glob(f"*/{_NAME}"))
    return [found for name in names if (found := find_standing(folder, name))]


def stop_standing(folder: Path, name: str) -> Standing:
    """End a cluster, with all its workers, and wait until it is gone.

    Raises
    ------
    PlanError
        It does not stand, is on another host, or does not end.
    """
    found = find_standing(folder, name)
    if found is None:
        raise PlanError(f"No cluster {name} stands: see `rewebb cluster list`.")
    if found.host != socket.gethostname():
        raise PlanError(
            f"The cluster {name} was started on {found.host}: stop it there."
        )
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(found.pid)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_END_S)
        except psutil.TimeoutExpired as error:
            raise PlanError(f"The cluster {name} does not end: {error}") from error
    return found


def _is_alive(standing: Standing) -> bool:
    """Return whether a cluster may be there; other hosts cannot be asked."""
    if standing.host != socket.gethostname():
        return True
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(standing.pid)
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False
