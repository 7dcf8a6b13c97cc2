"""The files that users have brought, kept below the data folder by their content.

``brought/<sha256>/<kind>-<first digits>.<ending>`` is the file, and ``put.json`` beside
it what is known of it. Nothing is overwritten but a file that has become another.
"""

import hashlib
import os
import re
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, cast

from pydantic import AfterValidator, TypeAdapter, ValidationError

from config.brought import BroughtKind
from workers.content import file_sha256
from workers.contract import BroughtReport
from workers.outside import open_outside, read_outside
from workers.publishing import replace as replace_file

from ..errors import ArchiveError, DataFolderError
from ..layout import BROUGHT_FILES
from ..models.brought import FILE_NAME, PutFile

__all__ = ["BroughtFiles"]

_RECORD_NAME: Final = "put.json"
"""What is known of a file, beside it."""

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
"""Names of the folders; what else there is beside them is not ours."""

_MOST_BYTES: Final = 1 << 28
"""Size that no such file reaches: a mask of a detector has 4 MiB to 32 MiB."""

_RECORD_BYTES: Final = 1 << 16
"""Size that no record reaches."""

_STARTS: Final = ((b"SIMPLE  =", "fits"), (b"#ASDF", "asdf"))
"""How files begin, and how their names end then; else it must be JSON."""


def _check_names(record: PutFile) -> PutFile:
    if not FILE_NAME.fullmatch(record.file) or not _SHA256.fullmatch(record.sha256):
        raise ValueError(f"refused the name {record.file!r}")
    return record


_RECORD: Final = TypeAdapter(Annotated[PutFile, AfterValidator(_check_names)])


class BroughtFiles:
    """Keeps and finds files that users bring, below the data folder."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir.absolute() / BROUGHT_FILES

    def put(
        self, source: Path, check: Callable[[Path], BroughtReport], *, now: datetime
    ) -> tuple[PutFile, bool]:
        """Keep a copy of a file, and say whether it is new.

        What is checked is the copy, which nobody else can change. One that is here
        already stays as it is.

        Parameters
        ----------
        check
            Checks the copy, and says what it is.

        Raises
        ------
        ArchiveError
            The file cannot be read, or is too large.
        DataFolderError
            The data folder cannot be written.
        WorkerError
            The file cannot be used, by `check`.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(
                dir=self._folder, prefix=".putting-"
            ) as folder:
                draft, sha256 = self._copy(source, Path(folder))
                known = self._load(sha256)
                if known is not None and self._explain_damage(known) is None:
                    return known, False
                made = _describe(source, sha256, draft, check(draft), now)
                return self._keep(made, draft), True
        except OSError as error:
            raise DataFolderError(
                f"{source.name} cannot be kept in {self._folder}: {error.strerror}"
            ) from error

    def find(self, sha256: str) -> PutFile | None:
        """Find a file, verified byte by byte; None if there is none.

        Raises
        ------
        ArchiveError
            It is not the file any more that was put here.
        """
        found = self._load(sha256)
        if found is not None and (damage := self._explain_damage(found)):
            raise ArchiveError(
                f"The file {found.path} is not the one that was put there as "
                f"{found.brought_as}: {damage}; put it again with `rewebb put "
                f"{found.brought_as}`."
            )
        return found

    def list_all(self) -> tuple[PutFile, ...]:
        """List what is kept, the newest last; files are not verified."""
        if not self._folder.is_dir():
            return ()
        names = (path.name for path in self._folder.iterdir())
        found = (self._load(name) for name in names)
        return tuple(sorted(filter(None, found), key=lambda one: one.put_at))

    def _copy(self, source: Path, folder: Path) -> tuple[Path, str]:
        """Copy a file, and hash what is copied."""
        try:
            with open_outside(source) as stream:
                data = stream.read(_MOST_BYTES + 1)
        except OSError as error:
            raise ArchiveError(f"{source} cannot be read: {error.strerror}") from error
        if len(data) > _MOST_BYTES:
            raise ArchiveError(
                f"{source} is larger than {_MOST_BYTES} bytes: it is no file of a kind "
                "that is put"
            )
        endings = (end for start, end in _STARTS if data.startswith(start))
        draft = folder / f"brought.{next(endings, 'json')}"
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        return draft, hashlib.sha256(data).hexdigest()

    def _keep(self, made: PutFile, draft: Path) -> PutFile:
        """Move a file into its place, and then its record, if its bytes are right."""
        folder = self._folder / made.sha256
        folder.mkdir(exist_ok=True)
        path = folder / made.file
        found = file_sha256(draft)
        if found != made.sha256:
            raise DataFolderError(
                f"{made.brought_as} was not written as it is to {self._folder}: "
                f"expected sha256 {made.sha256}, got {found}; look at the disk"
            )
        draft.replace(path)
        text = _RECORD.dump_json(made, indent=1, exclude={"path", "mtime_ns"})
        replace_file(folder / _RECORD_NAME, lambda path: path.write_bytes(text))
        return replace(made, path=path, mtime_ns=path.stat().st_mtime_ns)

    def _load(self, sha256: str) -> PutFile | None:
        """Load what is known of a file; None if nothing is that can be read."""
        if not _SHA256.fullmatch(sha256):
            return None
        path = self._folder / sha256 / _RECORD_NAME
        try:
            record = _RECORD.validate_json(read_outside(path, most_bytes=_RECORD_BYTES))
            placed = path.with_name(record.file)
            return replace(record, path=placed, mtime_ns=placed.stat().st_mtime_ns)
        except (OSError, ValidationError):
            return None

    def _explain_damage(self, found: PutFile) -> str | None:
        """Explain why a file is not the one that was put, and it alone."""
        place = self._folder.resolve() / found.sha256 / found.file
        if found.path.resolve() != place:
            return "it is a link to elsewhere"
        try:
            sha256 = file_sha256(found.path)
        except OSError as error:
            return str(error.strerror)
        return None if sha256 == found.sha256 else f"its sha256 is {sha256}"


def _describe(
    source: Path, sha256: str, draft: Path, report: BroughtReport, now: datetime
) -> PutFile:
    return PutFile(
        sha256=sha256,
        kind=cast("BroughtKind", report.kind),
        file=f"{report.kind}-{sha256[:16]}{draft.suffix}",
        brought_as=source.name,
        about=report.about,
        size_bytes=draft.stat().st_size,
        put_at=now,
        span_um=report.span_um,
        shape=report.shape,
    )
