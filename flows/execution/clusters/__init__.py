"""Clusters by their profiles, one opener a kind."""

import logging
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import assert_never

import dask
from distributed.security import Security

from config.clusters import (
    AddressProfile,
    ClusterProfile,
    KubernetesProfile,
    LocalProfile,
    PbsProfile,
    SlurmProfile,
    SshProfile,
)

from ..cluster import Cluster
from ..policy import POLICY
from .address import open_address
from .batch import open_batch
from .kubernetes import open_kubernetes
from .local import open_local
from .ssh import open_ssh

__all__ = ["open_cluster"]


@contextmanager
def open_cluster(
    profile: ClusterProfile,
    *,
    scratch: Path,
    folder: Path | None = None,
    security: Security | None = None,
    tell: Callable[[str], object] = lambda _: None,
) -> Iterator[Cluster]:
    """Open the cluster of a run; another thread may close it.

    Parameters
    ----------
    scratch
        Folder for Dask's own files.
    folder
        Where folders of clusters are made, for what their workers read and say; by
        default `scratch`. All nodes must see it.
    security
        Credentials of a cluster that is started here; made for it by default.
    tell
        Told, in one line, that the cluster waits for workers, and that they are there.

    Raises
    ------
    PlanError
        The scheduler does not answer, or has another policy; or workers cannot be
        started.
    """
    logging.getLogger("distributed").setLevel(logging.WARNING)
    # That the scheduler is gone is told by us.
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
    security = security or Security.temporary()
    with (
        dask.config.set(POLICY),
        _open(profile, scratch, folder or scratch, security) as cluster,
    ):
        cluster.tell = tell
        yield cluster


def _open(
    profile: ClusterProfile, scratch: Path, folder: Path, security: Security
) -> AbstractContextManager[Cluster]:
    match profile:
        case LocalProfile():
            return open_local(profile, scratch=scratch, security=security)
        case AddressProfile():
            return open_address(profile)
        case SlurmProfile() | PbsProfile():
            place = folder / f"{profile.kind}-{uuid.uuid4().hex[:8]}"
            return open_batch(profile, folder=place, scratch=scratch, security=security)
        case SshProfile():
            return open_ssh(profile, scratch=scratch, security=security)
        case KubernetesProfile():
            return open_kubernetes(profile, scratch=scratch, security=security)
    assert_never(profile)
