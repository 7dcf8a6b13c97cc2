"""Opens bundles of strangers: nothing is kept of one that is not whole and safe.

Members become regular files with the bytes that the manifest promises, in a folder of
their own, whatever the zip file says of links, modes and sizes. Records of jobs may
name neither paths nor code.
"""

import hashlib
import json
import re
import shutil
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from workers.contract import CONTENT_VERSION, Job, Outcome, Status
from workers.errors import TreeError
from workers.installed import Environment
from workers.trees import remove_tree

from ..errors import BundleError, FileNameError, IdError, OutcomeError
from ..names import check_file_name, check_program
from ..planning import take_fingerprint
from ..provenance import load_environment, parse_outcome
from .manifest import ENVIRONMENTS, JOBS, MANIFEST, Manifest, Member, parse_manifest

__all__ = ["load_bundled_environment", "load_outcomes", "unpack"]

_MOST_MANIFEST_BYTES: Final = 1 << 28
_CHUNK_BYTES: Final = 1 << 22

_DAMAGED: Final = (zipfile.BadZipFile, zlib.error, EOFError, struct.error, RuntimeError)
"""What the library raises of files that are no zip files, or no whole ones; the last of
encrypted members."""

_FINGERPRINT: Final = re.compile("[0-9a-f]{64}")

_NAMES_CODE: Final = re.compile(r"override_.*|user_.*|(pre|post)_hooks")
"""Parameters that name files, or code to run."""


def unpack(path: Path, place: Path) -> Manifest:
    """Unpack a bundle into a folder that is not there yet, every checksum verified.

    Raises
    ------
    BundleError
        The file is no bundle, is damaged or unsafe, or the folder cannot be written.
        Then nothing is left.
    """
    with _explained(path), zipfile.ZipFile(path) as archive:
        infos = _list_infos(archive, path)
        text = _read_manifest(archive, infos, path)
        manifest = parse_manifest(text, source=str(path))
        _check_members(manifest, infos, path)
        _check_room(manifest, place, path)
        making = place.with_name(f".making-{place.name}")
        remove_tree(making, below=making.parent)
        try:
            making.mkdir(parents=True)
            (making / MANIFEST).write_bytes(text)
            for member in manifest.members:
                _unpack_one(archive, infos[member.path], member, making, path)
            making.rename(place)
        finally:
            with suppress(TreeError):
                remove_tree(making, below=making.parent)
    return manifest


def load_outcomes(place: Path, manifest: Manifest) -> tuple[Outcome, ...]:
    """Load the records of the jobs of an unpacked bundle.

    Raises
    ------
    BundleError
        One is not the record of a success, or names what it must not.
    """
    names = [m.path for m in manifest.members if m.path.startswith(f"{JOBS}/")]
    outcomes = tuple(_load_outcome(place / name, name) for name in names)
    found = {outcome.job.fingerprint for outcome in outcomes}
    if missing := [one for one in manifest.asked if one not in found]:
        raise BundleError(f"The bundle has no record of the job {missing[0][:80]!r}.")
    if not outcomes:
        raise BundleError("The bundle has no record of any job.")
    return outcomes


def load_bundled_environment(place: Path, outcome: Outcome) -> Environment | None:
    """Load what was installed where a job ran, if a bundle has it.

    Raises
    ------
    BundleError
        It is not what its name says.
    """
    sha256 = outcome.environment_sha256
    path = place / ENVIRONMENTS / f"{sha256}.json"
    if not _FINGERPRINT.fullmatch(sha256) or not path.is_file():
        return None
    try:
        return load_environment(path)
    except OutcomeError as error:
        raise BundleError(f"The bundle is refused: {error}") from error


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Say in a sentence what is wrong with a file."""
    try:
        yield
    except _DAMAGED as error:
        raise BundleError(
            f"{path} is not a bundle, or was cut off or damaged: {error}; get it again."
        ) from error
    except OSError as error:
        said = error.strerror or error
        where = f" ({error.filename})" if error.filename else ""
        raise BundleError(f"{path} cannot be unpacked: {said}{where}.") from error


def _list_infos(archive: zipfile.ZipFile, path: Path) -> Mapping[str, zipfile.ZipInfo]:
    """List the members by name; each name once, and none compressed."""
    infos: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        if info.filename in infos:
            raise BundleError(f"{path} has two members {info.filename[:80]!r}.")
        if info.compress_type != zipfile.ZIP_STORED:
            raise BundleError(
                f"{path} has a compressed member, {info.filename[:80]!r}, which no "
                "bundle has."
            )
        infos[info.filename] = info
    return infos


def _read_manifest(
    archive: zipfile.ZipFile, infos: Mapping[str, zipfile.ZipInfo], path: Path
) -> bytes:
    info = infos.get(MANIFEST)
    if info is None:
        raise BundleError(f"{path} is not a bundle: it has no {MANIFEST}.")
    if info.file_size > _MOST_MANIFEST_BYTES:
        raise BundleError(f"{path} is not a bundle: its {MANIFEST} is far too large.")
    with archive.open(info) as stream:
        return stream.read(_MOST_MANIFEST_BYTES + 1)


def _check_members(
    manifest: Manifest, infos: Mapping[str, zipfile.ZipInfo], path: Path
) -> None:
    """Refuse a bundle that has other members than its manifest says."""
    listed = {member.path for member in manifest.members} | {MANIFEST}
    if missing := sorted(listed - infos.keys()):
        raise BundleError(f"{path} lacks {missing[0]}, which its manifest names.")
    if unknown := sorted(infos.keys() - listed):
        raise BundleError(
            f"{path} has a member that its manifest does not name: {unknown[0][:80]!r}."
        )


def _check_room(manifest: Manifest, place: Path, path: Path) -> None:
    there = next(folder for folder in place.parents if folder.exists())
    needed = sum(member.size_bytes for member in manifest.members)
    free = shutil.disk_usage(there).free
    if needed > free:
        raise BundleError(
            f"{path} needs {needed} bytes, and {there} has {free}; give another folder "
            "with --in."
        )


def _unpack_one(
    archive: zipfile.ZipFile,
    info: zipfile.ZipInfo,
    member: Member,
    place: Path,
    path: Path,
) -> None:
    """Write a member, no byte more than promised, and verify it."""
    target = place / member.path
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, left = hashlib.sha256(), member.size_bytes
    with archive.open(info) as source, target.open("xb") as file:
        while chunk := source.read(min(_CHUNK_BYTES, left + 1)):
            left -= len(chunk)
            if left < 0:
                break
            digest.update(chunk)
            file.write(chunk)
    if left or digest.hexdigest() != member.sha256:
        raise BundleError(
            f"{path} is damaged: {member.path} is not what its manifest says, "
            f"{member.size_bytes} bytes with sha256 {member.sha256}; get it again."
        )


def _load_outcome(path: Path, name: str) -> Outcome:
    try:
        outcome = parse_outcome(path.read_bytes(), source=f"member {name}")
        _check_job(outcome)
    except OutcomeError as error:
        raise BundleError(f"The bundle is refused: {error}") from error
    except (FileNameError, IdError, ValueError) as error:
        raise BundleError(f"The bundle is refused: {name}: {error}.") from error
    return outcome


def _check_job(outcome: Outcome) -> None:
    """Refuse a record that could lead out of its folder, run code, or is no success."""
    job = outcome.job
    if outcome.status is not Status.SUCCEEDED or not job.inputs:
        raise ValueError("it is not the record of a success")
    if not _FINGERPRINT.fullmatch(job.fingerprint):
        raise ValueError("its fingerprint is none")
    is_current = outcome.content_version == CONTENT_VERSION
    if is_current and take_fingerprint(job) != job.fingerprint:
        raise ValueError("it was changed: its fingerprint is not that of the job")
    check_program(job.program)
    for file_name in _list_names(job):
        check_file_name(file_name)
    for tree in (job.parameters, job.overrides):
        if wrong := next(_find_code(tree), None):
            raise ValueError(f"its parameter {wrong} names a file or code")


def _list_names(job: Job) -> Iterator[str]:
    """List every name of a record that becomes part of a path."""
    yield from (_fill(job.name), job.context)
    yield from (file.name for file in job.inputs)
    yield from (edit.file for edit in job.edits)
    yield from (file.name for file in job.mappings)
    yield from (use.file.name for use in job.references if use.file)
    yield from (use.file.name for use in job.pars)
    if job.association_name is not None:
        yield job.association_name
    if job.association is not None:
        yield from _list_members(json.loads(job.association))


def _list_members(association: Any) -> Iterator[str]:
    """List the files that an association names."""
    try:
        for product in association["products"]:
            yield _fill(product["name"])
            yield from (member["expname"] for member in product["members"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"its association has no {error}") from error


def _fill(name: str) -> str:
    """Put a source into the name of the products of many (``{source_id}``)."""
    return name.replace("{source_id}", "s000000001")


def _find_code(tree: Mapping[str, Any], where: str = "") -> Iterator[str]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _find_code(value, f"{where}{name}.")
        elif _NAMES_CODE.fullmatch(name) and value not in (None, "", [], "None"):
            yield f"{where}{name}"
