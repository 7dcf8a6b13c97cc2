"""What an archive said of a program when it was asked last, kept beside the copies.

So a run can go on from what is here while the archive is away: with the same exposures
as last time, those that are not here included, so that none is lost without a word.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from flows.models.exposures import FetchedFile, PoolFile

from .headers import HeaderValue
from .source import FileKind, RemoteFile
from .texts import read_text, write_texts

__all__ = ["Recollection", "describe_unchecked", "recall", "remember"]

_NAME: Final = "listing.json"
"""Name of the file, in the folder of the program."""

_SHOWN: Final = 3
"""How many names a note lists."""


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


_RECOLLECTION: Final = TypeAdapter(Recollection)


def remember(folder: Path, known: Recollection) -> None:
    """Keep what an archive has said of a program, in its folder of copies.

    Raises
    ------
    ArchiveError
        The folder cannot be written to.
    """
    text = _RECOLLECTION.dump_json(known, indent=1).decode()
    write_texts(folder, {_NAME: text + "\n"})


def recall(folder: Path, records: Iterable[FetchedFile]) -> Recollection:
    """Recall what an archive said last; if that is lost, list the copies alone."""
    path = folder / _NAME
    if path.is_file():
        try:
            return _RECOLLECTION.validate_json(read_text(path))
        except ValidationError:
            pass  # of another version of Rewebb, or damaged: the copies tell less
    return Recollection(
        None,
        tuple(
            RemoteFile(
                name=record.name,
                uri=record.uri,
                kind=FileKind(suffix),
                size_bytes=record.size_bytes,
                program=record.program,
                observation=record.name[7:10],
            )
            for record in records
            if (suffix := record.name.rpartition(".")[0].rpartition("_")[2])
            in {FileKind.UNCAL, FileKind.MSA}
        ),
    )


def describe_unchecked(copies: Mapping[str, FetchedFile], why: str) -> tuple[str, ...]:
    """Describe which copies, if any, are used that were not compared."""
    if not copies:
        return ()
    names = sorted(copies)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    fetched = {one.fetched_at.astimezone(UTC) for one in copies.values()}
    days = sorted({f"{time:%Y-%m-%d}" for time in fetched})
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    told = (
        f"{why}; used the copies here, verified on {when}, without asking whether the "
        f"archive has changed them: {', '.join(names[:_SHOWN])}{more}"
    )
    return (told,)
