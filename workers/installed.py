"""What is installed where jobs run, and what the machine is.

It is kept once in the data folder by its hash, so that an outcome names it in 64
characters, and the database can be made again.
"""

import hashlib
import json
import os
import platform
import re
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib import metadata
from pathlib import Path

from packaging.utils import canonicalize_name

from .job_layout import get_environment_path
from .publishing import publish, sync

__all__ = [
    "CONTAINER",
    "Environment",
    "describe_environment",
    "find_lock",
    "hash_environment",
    "hash_software",
    "keep_environment",
]

CONTAINER = "CONTAINER_DIGEST"
"""Variable in which a site tells the digest of the image that a process runs in; no
process can find it out by itself."""

_LOCKS = (
    Path(__file__).parents[1] / "requirements.lock",
    Path(sys.prefix) / "requirements.lock",
)
"""Where the lock is that was installed from: of a checkout, and of an image."""

_FLAGS = re.compile(r"(avx|sse|ssse|asimd|sve)\w*|fma|f16c|bmi[12]|movbe|popcnt")
"""Flags of a processor, as Linux names them, that numpy, OpenBLAS or glibc choose their
code by."""


@dataclass(frozen=True, slots=True)
class Environment:
    """The software of a process, and its machine."""

    sha256: str
    """Hash of all the rest."""
    distributions: Mapping[str, str]
    """Version of everything that is installed."""
    lock_sha256: str
    """Hash of the requirements that were installed from; empty if not known."""
    python: str
    """Version of Python."""
    system: str
    """Operating system with its version, and the C library."""
    machine: str
    """Architecture of the processor."""
    cpu_flags: tuple[str, ...]
    """What numeric libraries choose their code by."""
    container: str
    """Digest of the image, as `CONTAINER` tells it; empty without."""


def keep_environment(data_dir: Path) -> str:
    """Keep the environment of this process in the data folder; give its hash.

    Raises
    ------
    OSError
        It cannot be written.
    """
    environment = describe_environment()
    text = json.dumps(asdict(environment), indent=1, sort_keys=True)
    path = data_dir / get_environment_path(environment.sha256)
    publish(path, lambda draft: _write(draft, text))
    return environment.sha256


def _write(path: Path, text: str) -> None:
    path.write_text(text)
    sync(path)


@cache
def describe_environment() -> Environment:
    """Describe the environment of this process."""
    environment = Environment(
        sha256="",
        distributions=_list_distributions(),
        lock_sha256=_hash(lock) if (lock := find_lock()) else "",
        python=platform.python_version(),
        system=platform.platform(),
        machine=platform.machine(),
        cpu_flags=_read_cpu_flags(Path("/proc/cpuinfo")),
        container=os.environ.get(CONTAINER, ""),
    )
    return replace(environment, sha256=hash_environment(environment))


def find_lock() -> Path | None:
    """Find the lock that was installed from, if it is here."""
    return next(filter(Path.is_file, _LOCKS), None)


def hash_environment(environment: Environment) -> str:
    """Hash all of an environment but its hash."""
    facts = {**asdict(environment), "sha256": ""}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def hash_software(environment: Environment) -> str:
    """Hash what is installed, and all of our own code: what may resolve otherwise.

    The code of a checkout has one version while it changes.
    """
    digest = hashlib.sha256(_hash_sources().encode())
    software = (environment.python, sorted(environment.distributions.items()))
    digest.update(json.dumps(software).encode())
    return digest.hexdigest()


@cache
def _hash_sources() -> str:
    digest = hashlib.sha256()
    root = Path(__file__).parents[1]
    for plane in ("config", "flows", "workers"):
        for path in sorted((root / plane).rglob("*.*")):
            if path.suffix in {".py", ".toml", ".json"}:
                digest.update(f"{path.relative_to(root)} {_hash(path)}\n".encode())
    return digest.hexdigest()


def _list_distributions() -> dict[str, str]:
    """List what can be imported; of two of a name the first is."""
    found: dict[str, str] = {}
    for each in metadata.distributions():
        # What a broken installation left has no name.
        if name := each.metadata["Name"]:
            found.setdefault(canonicalize_name(name), each.version)
    return dict(sorted(found.items()))


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read_cpu_flags(cpuinfo: Path) -> tuple[str, ...]:
    try:
        flags = re.search(
            r"^(flags|Features)\s*:(.*)$", cpuinfo.read_text(), re.MULTILINE
        )
    except OSError:
        return ()
    return tuple(sorted(filter(_FLAGS.fullmatch, flags[2].split()))) if flags else ()
