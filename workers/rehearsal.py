"""What a node is asked before jobs run on it: whether it can do what they need."""

import os
import resource
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from .job_layout import SCRATCH
from .versions import calibration_versions

__all__ = ["Rehearsal", "RehearsalRequest", "rehearse"]

_BLOCK_BYTES = 1 << 20

_BLOCKS = 64
"""Written to measure how fast scratch is."""


@dataclass(frozen=True, slots=True)
class RehearsalRequest:
    """What a node is to try."""

    data_dir: str
    """The data folder."""
    crds_path: str | None
    """The CRDS cache, if one is set."""
    marker: str
    """A file below the data folder, which is to be linked beside itself."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a node can do; an error is in words, and empty where there is none."""

    host: str
    """Its name."""
    now_s: float
    """Its clock, in seconds since 1970."""
    memory_bytes: int
    """Memory that it gives its processes."""
    cores: int
    """Processors that it gives them."""
    versions: Mapping[str, str]
    """Its calibration code."""
    link: str
    """Name of the hard link that it has made to the marker."""
    link_error: str
    """Why it could not."""
    crds_error: str
    """Why it cannot read the CRDS cache."""
    scratch_mb_s: float
    """How fast it writes to scratch, to the disk itself."""
    scratch_error: str
    """Why it cannot write there."""


def rehearse(request: RehearsalRequest) -> Rehearsal:
    """Try what jobs need, and tell what came of it."""
    link, link_error = _link(Path(request.marker))
    speed, scratch_error = _write(Path(request.data_dir) / SCRATCH)
    return Rehearsal(
        host=socket.gethostname(),
        now_s=time.time(),
        memory_bytes=_find_memory(),
        cores=len(os.sched_getaffinity(0)),
        versions=calibration_versions(),
        link=link,
        link_error=link_error,
        crds_error=_read_crds(request.crds_path),
        scratch_mb_s=speed,
        scratch_error=scratch_error,
    )


def _link(marker: Path) -> tuple[str, str]:
    link = marker.with_name(f"{marker.name}-{socket.gethostname()}-{os.getpid()}")
    try:
        link.hardlink_to(marker)
    except OSError as error:
        return "", str(error)
    return link.name, ""


def _read_crds(path: str | None) -> str:
    """Read the first mapping of the cache."""
    if path is None:
        return ""
    mappings = Path(path) / "mappings" / "jwst"
    try:
        first = min(mappings.iterdir(), default=None)
        if first is None:
            return f"{mappings} is empty"
        first.read_bytes()
    except OSError as error:
        return str(error)
    return ""


def _write(scratch: Path) -> tuple[float, str]:
    """Write a file to scratch; return MB a second, and what went wrong."""
    path = scratch / f"rehearsal-{socket.gethostname()}-{os.getpid()}"
    block = os.urandom(_BLOCK_BYTES)
    begun_s = time.monotonic()
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as stream:
            for _ in range(_BLOCKS):
                stream.write(block)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        return 0.0, str(error)
    finally:
        with suppress(OSError):
            path.unlink()
    took_s = max(time.monotonic() - begun_s, 1e-6)
    return _BLOCKS * _BLOCK_BYTES / 1e6 / took_s, ""


def _find_memory() -> int:
    """Find the memory of the node, or that of a control group or limit."""
    found = [psutil.virtual_memory().total]
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):
            found.append(int(Path("/sys/fs/cgroup", name).read_text()))
    limit, _ = resource.getrlimit(resource.RLIMIT_RSS)
    if limit != resource.RLIM_INFINITY:
        found.append(limit)
    least: int = min(found)
    return least
