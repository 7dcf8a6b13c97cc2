"""What a bundle holds, and how its members are named.

    manifest.json               every other member, with its size and sha256
    ro-crate-metadata.json      the same for others, as RO-Crate 1.1
    README.md                   how to use it
    jobs/<fingerprint>.json     the record of a job that succeeded, complete
    inputs/<sha256>/<name>      what jobs read that no job of the bundle makes
    associations/<fingerprint>/<name>   the association of a job, to be read
    recipes/<sha256>.toml       the recipe, with all that it extends, to be read
    installed/<sha256>.json     what was installed where the jobs ran, and the machine
    installed/<sha256>.txt      the packages of it, as pip takes them
    crds/...                    a CRDS cache with what the jobs used, and no more

It is a zip file, uncompressed, which every system opens.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, TypeAdapter, ValidationError

from ..errors import BundleError, FileNameError
from ..names import check_file_name, check_folder

__all__ = [
    "CRATE",
    "CRDS",
    "ENVIRONMENTS",
    "INPUTS",
    "JOBS",
    "MANIFEST",
    "Manifest",
    "Member",
    "RemoteInput",
    "parse_manifest",
    "to_text",
]

MANIFEST: Final = "manifest.json"
"""The manifest."""

CRATE: Final = "ro-crate-metadata.json"
"""The metadata of the crate."""

ENVIRONMENTS: Final = "installed"
"""Folder of what was installed."""

JOBS: Final = "jobs"
"""Folder of the records of jobs."""

INPUTS: Final = "inputs"
"""Folder of the inputs."""

CRDS: Final = "crds"
"""The CRDS cache."""

_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Member:
    """A file of a bundle."""

    path: str
    """Its place in the bundle."""
    size_bytes: int
    """Its size."""
    sha256: str
    """Hash of its bytes."""


@dataclass(frozen=True, slots=True)
class RemoteInput:
    """An input that is not in the bundle, but in an archive."""

    name: str
    """Bare file name."""
    size_bytes: int
    """Its size."""
    sha256: str
    """Hash of its bytes."""
    source: str
    """The archive."""
    uri: str
    """Its name there."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a bundle holds."""

    made_at: datetime
    """UTC."""
    made_with: str
    """Version of Rewebb."""
    about: str
    """What it was asked for, in words."""
    asked: tuple[str, ...]
    """Fingerprints of the jobs that it was asked for; the others make what these
    read."""
    members: tuple[Member, ...]
    """Every member but the manifest itself."""
    remote: tuple[RemoteInput, ...] = ()
    """What is to be fetched first."""
    kind: Literal["rewebb-bundle"] = "rewebb-bundle"
    """What this file is."""
    version: Literal[1] = 1
    """Version of the shape of bundles."""


def to_text(manifest: Manifest) -> bytes:
    """Write a manifest."""
    return _adapter().dump_json(manifest, indent=1)


def parse_manifest(text: bytes, *, source: str) -> Manifest:
    """Read a manifest, all of whose names are safe.

    Raises
    ------
    BundleError
        It is not one.
    """
    try:
        return _adapter().validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "its text"
        raise BundleError(
            f"{source} is not a bundle that can be replayed: {MANIFEST}: {where}: "
            f"{first['msg']}."
        ) from error


@cache
def _adapter() -> TypeAdapter[Manifest]:
    return TypeAdapter(Annotated[Manifest, AfterValidator(_check)])


def _check(manifest: Manifest) -> Manifest:
    """Refuse names that lead elsewhere, and sizes and hashes that are none."""
    files: tuple[Member | RemoteInput, ...] = (*manifest.members, *manifest.remote)
    try:
        for member in manifest.members:
            check_folder(member.path)
        for file in manifest.remote:
            check_file_name(file.name)
    except FileNameError as error:
        raise ValueError(str(error)) from error
    paths = {member.path for member in manifest.members}
    if len(paths) != len(manifest.members) or MANIFEST in paths:
        raise ValueError("a member is listed twice")
    if any(file.size_bytes < 0 for file in files):
        raise ValueError("a size is negative")
    if not all(_SHA256.fullmatch(file.sha256) for file in files):
        raise ValueError("a sha256 is none")
    return manifest
