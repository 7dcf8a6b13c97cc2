"""Looks at what runs need, before any of them: `doctor` judges what is found."""

import os
import platform
import re
import shutil
import socket
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from importlib import metadata
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from config.clusters import AddressProfile
from config.errors import ConfigError
from config.settings import Settings
from workers.errors import WorkerError
from workers.installed import describe_environment, find_lock
from workers.references.looking import look_at_cache
from workers.rehearsal import Rehearsal, RehearsalRequest, rehearse
from workers.trees import remove_tree

from ..errors import RewebbError
from ..execution import find_standing
from ..factory import find_crds_cache, get_clusters_folder, make_mast, make_source
from ..layout import CLUSTERS, get_database_url
from ..provenance import HEAD, find_revision
from . import doctor
from .doctor import Check, CheckState

__all__ = ["examine"]

_PATIENCE_S: Final = 5.0
"""How long a server may take to say that it is there."""

_TOGETHER: Final = ("rewebb", "jwst", "prefect", "distributed")
"""What must go together with all that each requires."""

_NEEDED: Final[Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "slurm": (("sbatch", "squeue", "scancel"), ("dask-jobqueue",)),
    "pbs": (("qsub", "qstat", "qdel"), ("dask-jobqueue",)),
    "ssh": (("ssh",), ()),
    "kubernetes": ((), ("kr8s",)),
}
"""Commands and packages that kinds of clusters need here."""

_REMEDIES: Final = {
    "crds": "mend CRDS_PATH and CRDS_SERVER_URL; `rewebb refs sync` fills a cache",
    "folder": "mend the permissions of the data folder, or make room",
    "database": "start its server, or mend REWEBB_DATABASE_URL",
    "cluster": "mend REWEBB_CLUSTER, or [clusters.NAME] in your own rewebb.toml",
}
"""What to do where something could not even be looked at."""

_PINNED: Final = re.compile(r"^\w[^\\\n]*==[^\\\n]*", re.MULTILINE)
"""A requirement of the lock, before its hashes."""

_MAST: Final = "mast"
_SAMPLE: Final = "sample"


def examine(settings: Settings) -> Iterator[Check]:
    """Look at what runs with these settings need; nothing is left behind.

    Servers are asked, and may be away: then it takes some seconds for each.
    """
    software = _find_software()
    yield doctor.judge_versions(software)
    yield doctor.judge_lock(software)
    prefect = _look_at_prefect()
    yield doctor.judge_prefect(prefect)
    yield _guard("crds", lambda: _examine_cache(settings))
    yield from _examine_archive(settings)
    data_dir = settings.data_dir.absolute()
    yield doctor.judge_disk(_look_at_disk(data_dir))
    yield _guard("folder", lambda: doctor.judge_folder(_rehearse(data_dir)))
    yield _guard("database", lambda: _examine_database(settings))
    yield _guard("cluster", lambda: doctor.judge_cluster(_look_at_cluster(settings)))
    offsets = {**_ask_servers(settings, prefect.url), **_ask_folder(data_dir)}
    yield doctor.judge_clocks(offsets)


def _guard(name: str, work: Callable[[], Check]) -> Check:
    """Make a check of what could not be looked at; the message says what to mend."""
    try:
        return work()
    except (RewebbError, ConfigError, WorkerError, OSError) as error:
        return Check(name, CheckState.FAILED, str(error), _REMEDIES[name])


def _find_software() -> doctor.Software:
    wanted = [text for name in _TOGETHER for text in metadata.requires(name) or ()]
    return doctor.Software(
        python=platform.python_version(),
        python_wanted=metadata.metadata("rewebb")["Requires-Python"],
        installed=describe_environment().distributions,
        wanted=tuple(text for text in wanted if _is_wanted(text)),
        locked=_read_lock(),
    )


def _is_wanted(text: str) -> bool:
    marker = Requirement(text).marker
    return marker is None or marker.evaluate({"extra": ""})


def _read_lock() -> dict[str, str] | None:
    lock = find_lock()
    if lock is None:
        return None
    pinned = filter(_is_wanted, _PINNED.findall(lock.read_text()))
    found = (Requirement(text) for text in pinned)
    return {canonicalize_name(one.name): str(one.specifier)[2:] for one in found}


def _look_at_prefect() -> doctor.Prefect:
    from prefect import __version__, get_client  # two seconds
    from prefect.exceptions import PrefectException
    from prefect.settings import (
        PREFECT_API_REQUEST_TIMEOUT,
        PREFECT_CLIENT_MAX_RETRIES,
        get_current_settings,
        temporary_settings,
    )

    url = get_current_settings().api.url
    if url is None:
        return doctor.Prefect(None, __version__)
    brief = {PREFECT_API_REQUEST_TIMEOUT: _PATIENCE_S, PREFECT_CLIENT_MAX_RETRIES: 0}
    try:
        with temporary_settings(brief), get_client(sync_client=True) as client:
            return doctor.Prefect(url, __version__, server=client.api_version())
    except (httpx.HTTPError, PrefectException, RuntimeError, ValueError) as error:
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        return doctor.Prefect(url, __version__, error=said)


def _examine_cache(settings: Settings) -> Check:
    if settings.archive == _SAMPLE:
        said = "the archive sample has a cache of its own"
        return Check("crds", CheckState.OK, said)
    server = settings.crds_server_url
    root = find_crds_cache(settings)
    return doctor.judge_cache(
        look_at_cache(root, settings.crds_context, server), server
    )


def _examine_archive(settings: Settings) -> Iterator[Check]:
    archive = settings.archive
    if archive == _MAST:
        try:
            found = _look_at_mast(settings)
        except RewebbError as error:  # of the token, or its block
            remedy = "make a new one at https://auth.mast.stsci.edu/token"
            yield Check("token", CheckState.FAILED, str(error), remedy)
            return
        yield doctor.judge_archive(found.url, found.error)
        yield doctor.judge_token(found)
    elif archive is None or archive == _SAMPLE:
        yield doctor.judge_archive(archive)
    else:
        yield doctor.judge_archive(archive, _try_source(settings))


def _look_at_mast(settings: Settings) -> doctor.MastLook:
    source = make_mast(settings, is_hasty=True)
    look = doctor.MastLook(settings.mast_url, source.has_token)
    try:
        return doctor.MastLook(look.url, look.has_token, user=source.whoami())
    except RewebbError as error:
        return doctor.MastLook(look.url, look.has_token, error=str(error))


def _try_source(settings: Settings) -> str:
    """Return why a folder or mirror cannot be used, as far as can be told at once."""
    try:
        make_source(settings)
    except RewebbError as error:
        return str(error)
    folder = Path(settings.archive or "")
    if "://" not in str(settings.archive) and not os.access(folder, os.R_OK | os.X_OK):
        return f"the folder {folder.absolute()} is not there, or cannot be read"
    return ""


def _look_at_disk(data_dir: Path) -> doctor.Disk:
    there = next(path for path in (data_dir, *data_dir.parents) if path.exists())
    status = os.statvfs(there)
    return doctor.Disk(
        folder=str(there),
        is_writable=there.is_dir() and os.access(there, os.W_OK | os.X_OK),
        free_bytes=status.f_bavail * status.f_frsize,
        free_files=status.f_favail if status.f_files else None,
    )


def _rehearse(data_dir: Path) -> Rehearsal | None:
    """Try what jobs need of the data folder, if it is there."""
    if not data_dir.is_dir():
        return None
    folder = data_dir / CLUSTERS / f"check-{uuid.uuid4().hex[:8]}"
    folder.mkdir(parents=True)
    try:
        marker = folder / "marker"
        marker.touch()
        return rehearse(RehearsalRequest(str(data_dir), None, str(marker)))
    finally:
        remove_tree(folder, below=data_dir / CLUSTERS)


def _examine_database(settings: Settings) -> Check:
    url = get_database_url(settings)
    where = "the database" if settings.database_url else url.removeprefix("sqlite:///")
    return doctor.judge_database(where, find_revision(url), HEAD)


def _look_at_cluster(settings: Settings) -> doctor.ClusterLook:
    name, profile = settings.cluster, settings.find_profile()
    standing = find_standing(get_clusters_folder(settings), name)
    address = standing.address if standing else ""
    if isinstance(profile, AddressProfile):
        address = profile.address
    commands, packages = _NEEDED.get(profile.kind, ((), ()))
    missing = [command for command in commands if shutil.which(command) is None]
    missing += set(packages) - set(describe_environment().distributions)
    error = _connect(address) if address else ""
    return doctor.ClusterLook(name, profile.kind, address, tuple(missing), error)


def _connect(address: str) -> str:
    """Return why nobody listens at the address of a scheduler."""
    try:
        parts = urlsplit(address)
        place = (parts.hostname or "", parts.port or 0)
        socket.create_connection(place, timeout=_PATIENCE_S).close()
    except (OSError, ValueError) as error:  # the latter of a port of six digits
        return str(error)
    return ""


def _ask_servers(settings: Settings, prefect: str | None) -> dict[str, float]:
    """Tell how far this clock is ahead of those of servers that answer."""
    mast = settings.mast_url if settings.archive == _MAST else None
    crds = None if settings.archive == _SAMPLE else settings.crds_server_url
    offsets = {}
    for who, url in (("MAST", mast), ("CRDS", crds), ("Prefect", prefect)):
        begun_s = time.time()
        # Without a date, or an answer, there is nothing to compare with.
        with suppress(httpx.HTTPError, httpx.InvalidURL, KeyError, ValueError):
            if url is not None:
                answer = httpx.get(url, timeout=_PATIENCE_S)
                said = parsedate_to_datetime(answer.headers["Date"])
                offsets[who] = _find_offset(begun_s, said.timestamp())
    return offsets


def _ask_folder(data_dir: Path) -> dict[str, float]:
    """Tell how far this clock is ahead of that of the data folder, which NFS has."""
    begun_s = time.time()
    with suppress(OSError), tempfile.TemporaryFile(dir=data_dir) as file:
        written_s = os.fstat(file.fileno()).st_mtime
        return {"the data folder": _find_offset(begun_s, written_s)}
    return {}


def _find_offset(begun_s: float, said_s: float) -> float:
    """Return how far this clock is ahead, at least: the other said it in between.

    Servers say whole seconds.
    """
    return max(begun_s - said_s - 1, 0.0) or min(time.time() - said_s, 0.0)
