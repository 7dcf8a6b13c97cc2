"""Local copies of the files of an archive, every version of them.

``raw/<program>/v1/<name>`` is the first version of a file; one that changed in the
archive under its name goes to ``v2``, and so on. Nothing is overwritten or removed.
Beside each file is what is known of it, ``<name>.json``, from which the database can
be made again; and what the archive said of a program when it was asked last, so that a
run can go on from what is here while the archive is away: with the same exposures as
last time, those that are not here included, so that none is lost without a word.
"""

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, TypeAdapter, ValidationError

from workers.content import file_sha256
from workers.outside import open_outside
from workers.transfer import Received

from ..errors import ArchiveError, FileNameError
from ..layout import LISTING_NAME, RAW
from ..models.exposures import FetchedFile, PoolFile
from ..names import check_file_name, check_folder, list_some
from .headers import HeaderValue
from .source import FileKind, RemoteFile
from .texts import read_text, write_texts

__all__ = [
    "Recollection",
    "Vault",
    "describe_unchecked",
    "find_records",
    "load_record",
]

_VERSION: Final = re.compile(r"v[1-9][0-9]*")
"""Folder of a version; what else there is beside them is not ours."""


@dataclass(frozen=True, slots=True)
class Recollection:
    """What is known of a program without asking."""

    asked_at: datetime | None
    """When the archive told; None if it never did, so that only copies are known."""
    files: tuple[RemoteFile, ...]
    """Every file that it listed."""
    headers: Mapping[str, dict[str, HeaderValue]] = field(default_factory=dict)
    """Primary headers of the raw files that are not here, by name."""
    pool: PoolFile | None = None
    """The newest pool of DMS."""


def _check_place(record: FetchedFile) -> FetchedFile:
    check_folder(record.folder)
    check_file_name(record.name)
    return record


_RECOLLECTION: Final = TypeAdapter(Recollection)
_RECORD: Final = TypeAdapter(Annotated[FetchedFile, AfterValidator(_check_place)])


class Vault:
    """Finds and adds local copies below the data folder, which is absolute.

    `remember` is told of every file that is added.
    """

    def __init__(
        self, data_dir: Path, remember: Callable[[FetchedFile], object]
    ) -> None:
        self._data_dir = data_dir
        self._remember = remember

    @property
    def data_dir(self) -> Path:
        """The data folder."""
        return self._data_dir

    def free_bytes(self) -> int:
        """Return how much room is left on the disk."""
        self._data_dir.mkdir(parents=True, exist_ok=True)
        return shutil.disk_usage(self._data_dir).free

    def has(self, file: RemoteFile) -> bool:
        """Return whether there is a copy of a file, of whatever version."""
        return bool(self._versions(file))

    def find(self, file: RemoteFile) -> FetchedFile | None:
        """Find the newest copy of a file.

        Raises
        ------
        ArchiveError
            The copy is there, but cannot be read, or somebody has changed its bytes.
        """
        versions = self._versions(file)
        if not versions:
            return None
        path = versions[max(versions)]
        try:
            return self._look(path, file)
        except OSError as error:
            raise ArchiveError(f"{path} cannot be read: {error.strerror}") from error

    def _look(self, path: Path, file: RemoteFile) -> FetchedFile:
        record_path = _name_record(path)
        if not record_path.is_file():
            # Its fetching died after its publication: it had passed the checks, or it
            # were not there, but nobody remembers which.
            adopted = self._describe(path, file, file_sha256(path))
            # Who fetched it may have recorded it, while it was read.
            if not record_path.is_file():
                return self._save(adopted)
        record = load_record(record_path)
        status = path.stat()
        if (status.st_size, status.st_mtime_ns) == (record.size_bytes, record.mtime_ns):
            return record
        return self._save(_check_touched(path, record))

    def locate(self, record: FetchedFile) -> Path:
        """Return the path of a copy."""
        return self._data_dir / record.folder / record.name

    def read_begin(self, record: FetchedFile, size_bytes: int) -> bytes:
        """Read the first bytes of a copy."""
        with open_outside(self.locate(record)) as stream:
            return stream.read(size_bytes)

    def remember(self, program: str, known: Recollection) -> None:
        """Keep what the archive has said of a program."""
        text = _RECOLLECTION.dump_json(known, indent=1).decode()
        write_texts(self._folder(program), {LISTING_NAME: text + "\n"})

    def recall(self, program: str) -> Recollection:
        """Recall what the archive said last; if that is lost, list the copies alone."""
        path = self._folder(program) / LISTING_NAME
        if path.is_file():
            try:
                return _RECOLLECTION.validate_json(read_text(path))
            except ValidationError:
                pass  # of another version of Rewebb, or damaged: the copies tell less
        records = map(load_record, find_records(self._data_dir, program))
        by_version = sorted(records, key=lambda record: record.version)
        newest = {record.name: record for record in by_version}
        files = (_to_remote_file(record) for record in newest.values())
        return Recollection(None, tuple(file for file in files if file))

    def path_of_next(self, file: RemoteFile) -> Path:
        """Name the place of the next version of a file."""
        number = max(self._versions(file), default=0) + 1
        return self._folder(file.program) / f"v{number}" / check_file_name(file.name)

    def add(self, file: RemoteFile, received: Received, *, source: str) -> FetchedFile:
        """Record a file that was received at the place of its next version.

        Bytes that are here already are no new version, whatever the archive says; and
        a date that was another one for them says nothing of them any more.
        """
        same = self._find_same(file, received)
        found = same or self._describe(received.path, file, received.sha256)
        is_dated = same is None or same.modified == received.modified
        return self._save(
            replace(
                found,
                source=source,
                uri=file.uri,
                entity=received.entity,
                modified=received.modified if is_dated else None,
                checks=received.checks,
            )
        )

    def forget_entity(self, record: FetchedFile) -> FetchedFile:
        """Record that the ETag of a file says nothing of its bytes."""
        return self._save(replace(record, entity=None))

    def _find_same(self, file: RemoteFile, received: Received) -> FetchedFile | None:
        """Find an older version with the same bytes, and keep that one alone."""
        number = _version_of(received.path)
        older = {n: path for n, path in self._versions(file).items() if n < number}
        if not older:
            return None
        record = self._look(older[max(older)], file)
        if record.sha256 != received.sha256:
            return None
        received.path.unlink()
        return record

    def _describe(self, path: Path, file: RemoteFile, sha256: str) -> FetchedFile:
        """Describe a file at its place, of unknown source."""
        status = path.stat()
        return FetchedFile(
            name=file.name,
            program=file.program,
            version=_version_of(path),
            folder=str(path.parent.relative_to(self._data_dir)),
            source="unknown",
            uri=file.uri,
            size_bytes=status.st_size,
            mtime_ns=status.st_mtime_ns,
            sha256=sha256,
            entity=None,
            modified=None,
            fetched_at=datetime.now(UTC),
            checks=(),
        )

    def _save(self, record: FetchedFile) -> FetchedFile:
        path = _name_record(self.locate(record))
        text = _RECORD.dump_json(record, indent=1).decode()
        write_texts(path.parent, {path.name: text + "\n"})
        self._remember(record)
        return record

    def _versions(self, file: RemoteFile) -> dict[int, Path]:
        """Find the versions of a file by their numbers."""
        found = self._folder(file.program).glob(f"v*/{check_file_name(file.name)}")
        return {
            _version_of(path): path
            for path in found
            if _VERSION.fullmatch(path.parent.name)
        }

    def _folder(self, program: str) -> Path:
        return self._data_dir / RAW / check_file_name(program)


def describe_unchecked(copies: Mapping[str, FetchedFile], why: str) -> tuple[str, ...]:
    """Describe which copies, if any, are used that were not compared."""
    if not copies:
        return ()
    fetched = {one.fetched_at.astimezone(UTC) for one in copies.values()}
    days = sorted({f"{time:%Y-%m-%d}" for time in fetched})
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    told = (
        f"{why}; used the copies here, verified on {when}, without asking whether the "
        f"archive has changed them: {list_some(sorted(copies))}"
    )
    return (told,)


def find_records(data_dir: Path, program: str = "*") -> Iterator[Path]:
    """Find what is known of every local copy, or of those of a program."""
    for path in sorted((data_dir / RAW).glob(f"{program}/v*/*.json")):
        # Associations of DMS are JSON too, and so is what a killed fetch leaves.
        if not path.name.startswith(".") and path.with_suffix("").is_file():
            yield path


def load_record(path: Path) -> FetchedFile:
    """Read what is known of a local copy; an error if that cannot be."""
    try:
        return _RECORD.validate_json(read_text(path))
    except (ValidationError, FileNameError) as error:
        raise ArchiveError(
            f"{path} is no record of a file: {error}; remove it, and it is made again."
        ) from error


def _name_record(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _version_of(path: Path) -> int:
    return int(path.parent.name.removeprefix("v"))


def _check_touched(path: Path, record: FetchedFile) -> FetchedFile:
    """Take a file that was only touched; refuse one with other bytes."""
    sha256, status = file_sha256(path), path.stat()
    if sha256 == record.sha256:
        return replace(record, mtime_ns=status.st_mtime_ns)
    raise ArchiveError(
        f"{path} is not what was fetched on {record.fetched_at:%Y-%m-%d}: expected "
        f"sha256 {record.sha256} ({record.size_bytes} bytes), got {sha256} "
        f"({status.st_size} bytes); move it away, and it is fetched again."
    )


def _to_remote_file(record: FetchedFile) -> RemoteFile | None:
    """Say of a copy what its archive said of the file; None for what no run uses."""
    suffix = record.name.rpartition(".")[0].rpartition("_")[2]
    if suffix not in {FileKind.UNCAL, FileKind.MSA}:
        return None
    return RemoteFile(
        name=record.name,
        uri=record.uri,
        kind=FileKind(suffix),
        size_bytes=record.size_bytes,
        program=record.program,
        observation=record.name[7:10],
    )
