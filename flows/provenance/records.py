"""Records: what no outcome holds, kept as files so that the database can be made again.

    runs/<program>/<time>-<run>.jsonl   the journal of a run, beside its folder
    measured/<ab>/<fingerprint>/<product>.json   the numbers of a product
    seen/<hash>.json    hashes of raw files and of files of CRDS caches

A journal has one entry a line, written before the database is. A run that is killed
leaves it complete but for its last line, which then is cut off.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

from pydantic import Field, TypeAdapter

from workers.outside import read_outside
from workers.publishing import publish
from workers.publishing import replace as replace_file

from ..errors import DataFolderError, RecordError
from ..layout import (
    JOURNALS,
    MEASURED,
    SEEN,
    get_journal_path,
    get_measured_path,
)
from ..models.measurements import MeasuredProduct
from ..models.records import (
    AttemptMade,
    Entry,
    ExportWithdrawn,
    JobsChanged,
    JobsPlanned,
    RunBegan,
    RunEnded,
    RunExported,
    RunHistory,
    RunNoted,
    RunResolved,
    SeenFiles,
    SeenReferences,
)
from ..models.runs import UNFINISHED, Export, JobState, Run, RunJob
from ..names import check_file_name

__all__ = ["Records", "interrupt", "load_journal", "load_measured", "load_seen"]

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_Record = TypeVar("_Record")

_MOST_BYTES: Final = 1 << 30
"""More than the journal of any run has."""


class Records:
    """Keeps and finds the records of a data folder."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir.absolute()
        self._journals: dict[str, Path] = {}

    def begin(self, run: Run) -> None:
        """Begin the journal of a run; one that has begun stays as it is.

        Raises
        ------
        DataFolderError
            It cannot be written.
        """
        path = self._data_dir / get_journal_path(run)
        self._journals[run.id] = path
        text = _to_lines([RunBegan(run)])
        try:
            publish(path, lambda draft: draft.write_bytes(text))
        except OSError as error:
            raise _unwritten(path, error) from error

    def append(self, run_id: str, entries: Iterable[Entry]) -> None:
        """Add to the journal of a run; a run of an older version has none.

        Raises
        ------
        DataFolderError
            It cannot be written.
        """
        path = self._find_journal(run_id)
        if path is None:
            return
        try:
            _append(path, _to_lines(entries))
        except OSError as error:
            raise _unwritten(path, error) from error

    def write(self, history: RunHistory) -> None:
        """Write the whole journal of a run that has none."""
        path = self._data_dir / get_journal_path(history.run)
        text = _to_lines(_to_entries(history))
        publish(path, lambda draft: draft.write_bytes(text))

    def has_journal(self, run: Run) -> bool:
        """Return whether there is a journal of a run."""
        return (self._data_dir / get_journal_path(run)).is_file()

    def find_journals(self) -> tuple[Path, ...]:
        """Find the journals of all runs, by program and time."""
        return tuple(sorted(self._data_dir.glob(JOURNALS)))

    def keep_measured(self, measured: MeasuredProduct) -> None:
        """Keep the numbers of a product, in the place of older ones."""
        check_file_name(measured.product)
        place = get_measured_path(measured.fingerprint, measured.product)
        text = _to_text(measured).encode()
        replace_file(self._data_dir / place, lambda draft: draft.write_bytes(text))

    def find_measured(self) -> tuple[Path, ...]:
        """Find the numbers of all products."""
        return tuple(sorted((self._data_dir / MEASURED).glob("*/*/*.json")))

    def keep_seen(self, seen: SeenFiles | SeenReferences) -> None:
        """Keep hashes of files that were read."""
        text = _to_text(seen).encode()
        name = f"{hashlib.sha256(text).hexdigest()[:32]}.json"
        publish(self._data_dir / SEEN / name, lambda draft: draft.write_bytes(text))

    def find_seen(self) -> tuple[Path, ...]:
        """Find all such hashes."""
        return tuple(sorted((self._data_dir / SEEN).glob("*.json")))

    def _find_journal(self, run_id: str) -> Path | None:
        known = self._journals.get(run_id)
        if known is not None:
            return known
        for path in self._data_dir.glob(JOURNALS):
            # The name has the beginning of the id; the first line has all of it.
            if path.stem.endswith(f"-{run_id[:8]}") and _is_of(path, run_id):
                return self._journals.setdefault(run_id, path)
        return None


def load_journal(path: Path) -> tuple[RunHistory, tuple[str, ...]]:
    """Read what a journal tells of its run, and say which lines cannot be read.

    A last line that was not written whole is left out without a word.

    Raises
    ------
    RecordError
        It does not say which run it is of.
    """
    entries: list[Entry] = []
    damaged: list[str] = []
    text = _read(path)
    for number, line in enumerate(text[: text.rfind(b"\n") + 1].splitlines(), 1):
        try:
            entries.append(_entry_adapter().validate_python(json.loads(line)))
        except (ValueError, RecursionError) as error:
            why = str(error).partition("\n")[0]
            damaged.append(f"{path}: line {number} cannot be read: {why}")
    if not entries or not isinstance(entries[0], RunBegan):
        raise RecordError(f"{path} does not begin with the beginning of a run.")
    return _tell(entries), tuple(damaged)


def load_measured(path: Path) -> MeasuredProduct:
    """Read the numbers of a product.

    Raises
    ------
    RecordError
        They cannot be read.
    """
    return _load(path, _measured_adapter())


def load_seen(path: Path) -> SeenFiles | SeenReferences:
    """Read hashes of files that were read.

    Raises
    ------
    RecordError
        They cannot be read.
    """
    return _load(path, _seen_adapter())


def _to_entries(history: RunHistory) -> tuple[Entry, ...]:
    """Turn what is known of a run into the entries of its journal."""
    run = history.run
    entries: list[Entry] = [RunBegan(run), JobsPlanned(history.jobs)]
    told = {outcome.attempt: outcome for outcome in history.outcomes}
    entries += [AttemptMade(key, told.get(key)) for key in history.attempts]
    if run.finished_at is not None:
        entries.append(RunEnded(run.state, run.message, run.finished_at))
    entries += map(RunExported, history.exports)
    return tuple(entries)


def _tell(entries: Sequence[Entry]) -> RunHistory:
    """Say what a run came to by its journal."""
    begun = entries[0]
    assert isinstance(begun, RunBegan)
    run = begun.run
    jobs: dict[str, RunJob] = {}
    attempts: dict[str, AttemptMade] = {}
    for entry in entries[1:]:
        match entry:
            case RunBegan():
                pass  # it began once
            case RunResolved():
                run = replace(run, context=entry.context)
            case RunNoted():
                run = replace(run, notes=entry.notes)
            case JobsPlanned():
                jobs = {job.key: job for job in entry.jobs}
            case JobsChanged():
                jobs |= {job.key: job for job in entry.jobs}
            case AttemptMade():
                attempts[entry.attempt] = entry
            case RunEnded():
                run = replace(
                    run,
                    state=entry.state,
                    message=entry.message,
                    finished_at=entry.at,
                )
                jobs = {key: interrupt(job, entry.at) for key, job in jobs.items()}
    left = (made.outcome for made in attempts.values())
    return RunHistory(
        run=run,
        jobs=tuple(jobs[key] for key in sorted(jobs)),
        attempts=tuple(attempts),
        outcomes=tuple(outcome for outcome in left if outcome is not None),
        last_at=_find_last(run, jobs.values()),
        exports=_tell_exports(entries),
    )


def _tell_exports(entries: Iterable[Entry]) -> tuple[Export, ...]:
    """Say where a run is published by its journal."""
    exports: dict[str, Export] = {}
    for entry in entries:
        if isinstance(entry, RunExported):
            exports[entry.export.target] = entry.export
        elif isinstance(entry, ExportWithdrawn):
            exports.pop(entry.target, None)
    return tuple(exports.values())


def interrupt(job: RunJob, at: datetime) -> RunJob:
    """Say of a job that was not over that its run is."""
    if job.state not in UNFINISHED:
        return job
    return replace(job, state=JobState.INTERRUPTED, updated_at=at)


def _find_last(run: Run, jobs: Iterable[RunJob]) -> datetime:
    known = (run.finished_at, run.started_at, *(job.updated_at for job in jobs))
    return max(at for at in known if at is not None)


def _append(path: Path, text: bytes) -> None:
    """Add whole lines to a file, whoever else does; half a line there is cut off."""
    with path.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - 1))
        if end and file.read(1) != b"\n":
            whole = path.read_bytes().rfind(b"\n") + 1
            file.truncate(whole)
        file.seek(0, os.SEEK_END)
        file.write(text)


def _is_of(path: Path, run_id: str) -> bool:
    try:
        with path.open("rb") as file:
            began = _entry_adapter().validate_python(json.loads(file.readline()))
    except (OSError, ValueError):
        return False
    return isinstance(began, RunBegan) and began.run.id == run_id


def _read(path: Path) -> bytes:
    try:
        return read_outside(path, most_bytes=_MOST_BYTES)
    except OSError as error:
        raise RecordError(f"{path} cannot be read: {error.strerror}.") from error


def _load(path: Path, adapter: TypeAdapter[_Record]) -> _Record:
    text = _read(path)
    try:
        return adapter.validate_python(json.loads(text))
    except (ValueError, RecursionError) as error:
        why = " ".join(str(error).split("\n")[:3])
        raise RecordError(f"{path} is not a record: {why}.") from error


def _to_lines(entries: Iterable[Entry]) -> bytes:
    return "".join(_to_text(entry) + "\n" for entry in entries).encode()


def _to_text(record: "DataclassInstance") -> str:
    return json.dumps(asdict(record), default=datetime.isoformat, separators=(",", ":"))


def _unwritten(path: Path, error: OSError) -> DataFolderError:
    return DataFolderError(
        f"The record {path} of the run cannot be written: {error.strerror or error}; "
        "without it the database could not be made again."
    )


@cache
def _entry_adapter() -> TypeAdapter[Entry]:
    return TypeAdapter(Annotated[Entry, Field(discriminator="kind")])


@cache
def _measured_adapter() -> TypeAdapter[MeasuredProduct]:
    return TypeAdapter(MeasuredProduct)


@cache
def _seen_adapter() -> TypeAdapter[SeenFiles | SeenReferences]:
    return TypeAdapter(SeenFiles | SeenReferences)
