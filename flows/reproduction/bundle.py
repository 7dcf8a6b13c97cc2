"""Writes bundles: all that it takes to make products again, in one file.

The file is written beside its place and renamed when it is whole. Every byte is hashed
as it is copied, and compared with what was recorded when it was used.
"""

import hashlib
import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Final

from pydantic_core import to_json as to_json_bytes

from config.settings import Settings
from workers.contract import Input, Job, to_json
from workers.installed import describe_environment
from workers.outside import open_outside
from workers.publishing import replace, sync

from ..errors import BundleError
from ..factory import open_records
from ..models.exposures import FetchedFile
from ..provenance import Database
from .crate import describe_crate
from .files import MissingFileError, RecordedFiles, find_cache, find_cached, list_cached
from .manifest import (
    CRATE,
    CRDS,
    ENVIRONMENTS,
    INPUTS,
    JOBS,
    MANIFEST,
    Manifest,
    Member,
    RemoteInput,
    to_text,
)
from .records import RecordedJob, find_environment, find_records

__all__ = ["Bundled", "write_bundle"]

_CHUNK_BYTES: Final = 1 << 22

_CONFIG: Final = ("server_config", "bad_files.txt", "ref_cache_subdir_mode")
"""What CRDS needs without a server, below ``config/jwst`` of its cache."""

_RULES: Final = re.compile(r"[\w.-]+\.rmap")
"""Names of rules, in the text of a mapping."""

_README: Final = """\
# A bundle of Rewebb

It holds what it takes to make products of JWST spectroscopy again: raw files,
references and mappings of CRDS, parameters, associations, recipes, and the versions of
all packages. `manifest.json` has the sha256 of every file, `ro-crate-metadata.json`
describes them (https://w3id.org/ro/crate/1.1).

Install the packages of `installed/*.txt`, and then

    rewebb replay BUNDLE

makes the products again, without a network, and compares them with what was recorded.
"""


@dataclass(frozen=True, slots=True)
class Bundled:
    """A bundle that was written."""

    path: Path
    """The file."""
    size_bytes: int
    """Its size."""
    members: int
    """Files in it."""
    jobs: int
    """Jobs of which it has all that they need."""
    manifest_sha256: str
    """Hash of its manifest, to be handed on by another way: it vouches for the rest."""
    remote: tuple[RemoteInput, ...]
    """What is to be fetched before it can be replayed."""


def write_bundle(
    fingerprints: Iterable[str],
    settings: Settings,
    path: Path,
    *,
    about: str,
    by_uri: bool = False,
) -> Bundled:
    """Write a bundle of jobs, and of those that made what they read.

    Parameters
    ----------
    path
        Where it will be; nothing may be there.
    about
        What was asked for, in words.
    by_uri
        Whether to leave out what was fetched from an archive.

    Raises
    ------
    BundleError
        Something that a job read is gone or was changed, or the file cannot be written.
    UnknownRecordError
        A job is not recorded, or never succeeded.
    """
    if path.exists():
        raise BundleError(f"{path} is there already, and nothing is overwritten.")
    asked = tuple(dict.fromkeys(fingerprints))
    with open_records(settings) as database:
        packing = _Packing(database, settings, by_uri=by_uri)
        contents = packing.collect(find_records(database, asked, chain=True))
    written: list[Manifest] = []

    def write(draft: Path) -> None:
        with zipfile.ZipFile(draft, "x", allowZip64=True) as archive:
            written.append(_write_all(archive, contents, asked, about))
        sync(draft)

    try:
        replace(path.absolute(), write)
    except OSError as error:
        raise BundleError(
            f"The bundle {path} cannot be written, and was not: "
            f"{error.strerror or error}."
        ) from error
    (manifest,) = written
    return Bundled(
        path=path,
        size_bytes=path.stat().st_size,
        members=len(manifest.members) + 1,
        jobs=len(contents.records),
        manifest_sha256=hashlib.sha256(to_text(manifest)).hexdigest(),
        remote=contents.remote,
    )


@dataclass(frozen=True, slots=True)
class _Source:
    """What becomes a member."""

    path: str
    """Its place in the bundle."""
    file: Path | None = None
    """Where it is."""
    text: bytes = b""
    """What it is, if it is no file."""
    sha256: str = ""
    """What its sha256 must be, if that is recorded."""
    sha1: str = ""
    """Likewise."""


@dataclass(frozen=True, slots=True)
class _Contents:
    """What goes into a bundle."""

    records: Sequence[RecordedJob]
    sources: Sequence[_Source]
    remote: tuple[RemoteInput, ...]


class _Packing:
    """Collects what goes into a bundle."""

    def __init__(self, database: Database, settings: Settings, *, by_uri: bool) -> None:
        self._database = database
        self._settings = settings
        self._by_uri = by_uri
        self._files = RecordedFiles(database, settings.data_dir.absolute())

    def collect(self, records: Sequence[RecordedJob]) -> _Contents:
        """List the members, each once, and what is left to an archive."""
        leaves = {
            file.sha256: file
            for record in records
            for file in record.outcome.job.inputs
            if file.sha256 not in record.made_by
        }
        fetched = self._database.files.find_fetched(leaves) if self._by_uri else {}
        here = [file for sha256, file in leaves.items() if sha256 not in fetched]
        sources = [
            _Source("README.md", text=_README.encode()),
            *_list_environments(self._database, records),
            *self._list_recipes(records),
            *(source for record in records for source in _list_of_job(record)),
            *(source for file in here for source in self._list_input(file)),
            *self._list_crds([record.outcome.job for record in records]),
        ]
        remote = tuple(map(_to_remote, fetched.values()))
        return _Contents(records, _pick_once(sources), remote)

    def _list_input(self, file: Input) -> Iterator[_Source]:
        try:
            path = self._files.find(file)
        except MissingFileError as error:
            raise BundleError(f"The bundle cannot be made: {error}.") from error
        place = f"{INPUTS}/{file.sha256}/{file.name}"
        yield _Source(place, path, sha256=file.sha256)

    def _list_recipes(self, records: Iterable[RecordedJob]) -> Iterator[_Source]:
        for record in records:
            use = self._database.runs.find_last_use(record.outcome.job.fingerprint)
            if use is not None and use[0].recipe_text:
                text = use[0].recipe_text.encode()
                name = f"{hashlib.sha256(text).hexdigest()}.toml"
                yield _Source(f"recipes/{name}", text=text)

    def _list_crds(self, jobs: Iterable[Job]) -> Iterator[_Source]:
        for job in jobs:
            cache = find_cache(job, self._settings)
            for name in _CONFIG:
                path = cache / "config" / "jwst" / name
                if path.is_file():
                    yield _Source(f"{CRDS}/config/jwst/{name}", path)
            used = {file.name: file.sha1 for file in list_cached(job)}
            for name in (*used, *_list_rules(used, cache)):
                found = find_cached(cache, name)
                if found is None:
                    raise BundleError(
                        f"The bundle cannot be made: the CRDS file {name} is not in "
                        f"{cache}; `rewebb refs sync` brings it."
                    )
                place = found.relative_to(cache).as_posix()
                yield _Source(f"{CRDS}/{place}", found, sha1=used.get(name, ""))


def _list_rules(used: Iterable[str], cache: Path) -> Iterator[str]:
    """List all rules of the instruments, which CRDS loads although it selects none."""
    for name in used:
        path = find_cached(cache, name) if name.endswith(".imap") else None
        if path is not None:
            yield from sorted({*_RULES.findall(path.read_text())} - {*used})


def _list_of_job(record: RecordedJob) -> Iterator[_Source]:
    job = record.outcome.job
    text = to_json(record.outcome).encode()
    yield _Source(f"{JOBS}/{job.fingerprint}.json", text=text)
    if job.association and job.association_name:
        place = f"associations/{job.fingerprint}/{job.association_name}"
        yield _Source(place, text=job.association.encode())


def _list_environments(
    database: Database, records: Iterable[RecordedJob]
) -> Iterator[_Source]:
    """List what was installed where jobs ran, also as pip takes it; else what is here.

    Jobs of older versions of Rewebb did not record it.
    """
    found = [find_environment(database, record.outcome) for record in records]
    known = [one for one in found if one is not None] or [describe_environment()]
    for environment in known:
        place = f"{ENVIRONMENTS}/{environment.sha256}"
        text = json.dumps(asdict(environment), indent=1, sort_keys=True)
        yield _Source(f"{place}.json", text=text.encode())
        packages = environment.distributions.items()
        lines = (f"{name}=={version}\n" for name, version in packages)
        yield _Source(f"{place}.txt", text="".join(lines).encode())


def _to_remote(file: FetchedFile) -> RemoteInput:
    return RemoteInput(file.name, file.size_bytes, file.sha256, file.source, file.uri)


def _pick_once(sources: Iterable[_Source]) -> tuple[_Source, ...]:
    """Drop what several jobs have in common; refuse two files of one name."""
    picked: dict[str, _Source] = {}
    for source in sources:
        known = picked.setdefault(source.path, source)
        if source.sha1 and not known.sha1:
            picked[source.path] = source
        elif known.sha1 and source.sha1 and known.sha1 != source.sha1:
            raise BundleError(
                f"The bundle cannot be made: its jobs used two different files "
                f"{Path(source.path).name}, with sha1 {known.sha1} and {source.sha1}; "
                "make a bundle of each."
            )
    return tuple(picked.values())


def _write_all(
    archive: zipfile.ZipFile,
    contents: _Contents,
    asked: tuple[str, ...],
    about: str,
) -> Manifest:
    made_at = datetime.now(UTC)
    members = [_write(archive, source, made_at) for source in contents.sources]
    crate = describe_crate(
        [record.outcome for record in contents.records],
        *(members, contents.remote),
        about=about,
        made_at=made_at,
    )
    text = to_json_bytes(crate, indent=1)
    members.append(_write(archive, _Source(CRATE, text=text), made_at))
    manifest = Manifest(
        *(made_at, metadata.version("rewebb"), about, asked),
        *(tuple(members), contents.remote),
    )
    _write(archive, _Source(MANIFEST, text=to_text(manifest)), made_at)
    return manifest


def _write(archive: zipfile.ZipFile, source: _Source, made_at: datetime) -> Member:
    """Copy a file, or a text, and hash it on the way."""
    info = zipfile.ZipInfo(source.path, made_at.timetuple()[:6])
    info.external_attr = 0o644 << 16
    sha256, sha1, size_bytes = hashlib.sha256(), hashlib.sha1(), 0  # noqa: S324  # of CRDS
    with archive.open(info, "w", force_zip64=True) as target:
        for chunk in _read(source):
            for digest in (sha256, sha1):
                digest.update(chunk)
            size_bytes += len(chunk)
            target.write(chunk)
    for wanted, digest in ((source.sha256, sha256), (source.sha1, sha1)):
        if wanted and digest.hexdigest() != wanted:
            raise BundleError(
                f"The bundle cannot be made: {source.file} was changed since a job "
                f"used it: expected {digest.name} {wanted}, got {digest.hexdigest()}."
            )
    return Member(source.path, size_bytes, sha256.hexdigest())


def _read(source: _Source) -> Iterator[bytes]:
    if source.file is None:
        yield source.text
        return
    with open_outside(source.file) as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            yield chunk
