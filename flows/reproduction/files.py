"""Where the files are now that recorded jobs have read: inputs, and those of CRDS."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from config.settings import Settings
from workers.content import file_sha256
from workers.contract import Input, Job, ReferenceFile

from ..layout import BROUGHT_FILES
from ..provenance import Database

__all__ = [
    "FindInput",
    "MissingFileError",
    "RecordedFiles",
    "check_cached",
    "find_cache",
    "find_cached",
    "list_cached",
]

FindInput = Callable[[Input], Path]
"""Finds an input, verified; raises `MissingFileError`."""

_MAPPINGS: Final = (".pmap", ".imap", ".rmap")


class MissingFileError(Exception):
    """A file that a job needs is gone or was changed; it says which, and what to do."""


class RecordedFiles:
    """The inputs of recorded jobs: where they were, or where the same bytes are now."""

    def __init__(self, database: Database, data_dir: Path) -> None:
        self._database = database
        self._data_dir = data_dir

    def find(self, file: Input) -> Path:
        """Find an input with its bytes of then.

        Raises
        ------
        MissingFileError
            It is nowhere.
        """
        seen = ""
        for path in dict.fromkeys(self._list_places(file)):
            try:
                found = file_sha256(path)
            except OSError:
                continue
            if found == file.sha256:
                return path
            seen = seen or f"{path} has sha256 {found} now"
        raise MissingFileError(
            f"the input {file.name} with sha256 {file.sha256} is gone "
            f"({seen or f'it was {file.path}'}): {self._advise(file)}"
        )

    def _list_places(self, file: Input) -> Iterator[Path]:
        yield Path(file.path)
        yield self._data_dir / BROUGHT_FILES / file.sha256 / file.name
        for product in self._database.jobs.find_products(sha256=file.sha256):
            yield self._data_dir / product.folder / product.product.name
        fetched = self._database.files.find_fetched([file.sha256])
        for copy in fetched.values():
            yield self._data_dir / copy.folder / copy.name

    def _advise(self, file: Input) -> str:
        if self._database.jobs.find_products(sha256=file.sha256):
            return "`--chain` makes it again, too"
        fetched = self._database.files.find_fetched([file.sha256]).get(file.sha256)
        if fetched is not None:
            return f"fetch {fetched.uri} from {fetched.source} again, to where it was"
        return "bring it back to where it was"


def find_cache(job: Job, settings: Settings) -> Path:
    """Find the CRDS cache that a job was made with; if it is gone, that of today."""
    then = Path(job.crds_path)
    if then.is_dir() or settings.crds_path is None:
        return then
    return settings.crds_path.absolute()


def list_cached(job: Job) -> tuple[ReferenceFile, ...]:
    """List the files of CRDS that a job used: mappings, references, parameters."""
    used = [use.file for use in job.references if use.file]
    used += [use.file for use in job.pars]
    return tuple(dict.fromkeys([*job.mappings, *used]))


def find_cached(crds_path: Path, name: str) -> Path | None:
    """Find a file of a CRDS cache, however its references are laid out."""
    if name.endswith(_MAPPINGS):
        places = [crds_path / "mappings" / "jwst" / name]
    else:
        folder = crds_path / "references" / "jwst"
        places = [folder / name, *folder.glob(f"*/{name}")]
    return next((path for path in places if path.is_file()), None)


def check_cached(job: Job, crds_path: Path) -> None:
    """Check that what a job used of CRDS is in a cache.

    Of mappings the bytes are compared, too; the job does that of references itself.

    Raises
    ------
    MissingFileError
        A file is not there, or a mapping has other bytes.
    """
    for file in list_cached(job):
        path = find_cached(crds_path, file.name)
        if path is None:
            raise MissingFileError(
                f"the CRDS file {file.name} with sha1 {file.sha1} is not in "
                f"{crds_path}: `rewebb refs sync --context {job.context}` brings it"
            )
        if file.name.endswith(_MAPPINGS):
            found = hashlib.sha1(path.read_bytes()).hexdigest()  # noqa: S324  # of CRDS
            if found != file.sha1:
                raise MissingFileError(
                    f"{path} is not the mapping that was used: expected sha1 "
                    f"{file.sha1}, got {found}; `rewebb refs verify --repair` fetches "
                    "it again"
                )
