"""Make the database again from what the data folder holds.

What is recorded already stays or is put right; nothing is deleted. The order matters:
runs come before the attempts that they made, and what lies in the store after what does
not.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from workers.contract import Outcome
from workers.job_layout import get_store_folder

from ..archive import find_records, load_record
from ..errors import (
    ArchiveError,
    DatabaseAwayError,
    DatabaseError,
    OutcomeError,
    RecordError,
)
from ..layout import (
    DAMAGED_OUTCOMES,
    FAILED_OUTCOMES,
    REMOVED_OUTCOMES,
    STORED_OUTCOMES,
)
from ..models.records import RunHistory, SeenFiles, SeenReferences
from ..models.runs import Export, Run
from ..provenance import (
    Database,
    Records,
    find_environments,
    load_environment,
    load_journal,
    load_measured,
    load_outcome,
    load_seen,
)
from .living import find_living_runs

__all__ = ["Listener", "Rebuilt", "rebuild"]

Listener = Callable[[str, int, int], object]
"""Told what is recorded, how many of it are by now, and how many there are."""

_OUTCOMES = (DAMAGED_OUTCOMES, REMOVED_OUTCOMES, STORED_OUTCOMES, FAILED_OUTCOMES)
"""Where outcomes are; of two successes of a job that of the store comes last."""


_AT_ONCE = 200
"""Outcomes that are recorded in one transaction."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What was recorded."""

    outcomes: int
    """Outcomes that attempts have left."""
    fetched: int
    """Files that were fetched."""
    runs: int
    """Runs."""
    measured: int
    """Products that were measured."""
    damaged: tuple[str, ...]
    """Records that cannot be read, each with why."""


def rebuild(
    data_dir: Path, database: Database, listener: Listener = lambda *_: None
) -> Rebuilt:
    """Record all that the data folder holds, but runs that somebody is running.

    Runs that have no journal, since an older version ran them, get one.

    Parameters
    ----------
    database
        It keeps no records itself: what it is told comes from them.

    Raises
    ------
    DatabaseAwayError
        The database cannot be used.
    """
    work = _Rebuilding(data_dir.absolute(), database, listener)
    return work.do()


class _Rebuilding:
    """One rebuild, with what was found damaged so far."""

    def __init__(self, data_dir: Path, database: Database, listener: Listener) -> None:
        self._data_dir = data_dir
        self._database = database
        self._listener = listener
        self._records = Records(data_dir)
        self._damaged: list[str] = []
        self._made: dict[str, Sequence[str]] = {}

    def do(self) -> Rebuilt:
        """Record everything."""
        living = find_living_runs(self._database)
        runs = self._each(
            "journals of runs",
            self._records.find_journals(),
            lambda path: self._restore_run(path, living),
        )
        outcomes = [
            path
            for pattern in _OUTCOMES
            for path in sorted(self._data_dir.glob(pattern))
        ]
        recorded = self._record_outcomes(outcomes)
        for run_id, attempts in self._made.items():
            self._database.runs.claim_attempts(run_id, attempts)
        self._each(
            "what was installed",
            tuple(find_environments(self._data_dir)),
            lambda path: self._database.environments.record(load_environment(path)),
        )
        fetched = self._each(
            "fetched files",
            tuple(find_records(self._data_dir)),
            lambda path: self._database.files.remember_fetched(load_record(path)),
        )
        measured = self._each(
            "measured products",
            self._records.find_measured(),
            lambda path: self._database.measurements.record(load_measured(path)),
        )
        self._remember_seen()
        self._write_journals()
        return Rebuilt(recorded, fetched, runs, measured, tuple(self._damaged))

    def _each(
        self, what: str, paths: Sequence[Path], record: Callable[[Path], object]
    ) -> int:
        """Record each of some files, name those that cannot be, and count the rest.

        Nobody is told of what has no name.
        """
        count = 0
        for number, path in enumerate(paths, 1):
            try:
                record(path)
                count += 1
            except DatabaseAwayError:
                raise
            except (ArchiveError, DatabaseError, OutcomeError, RecordError) as error:
                named = "" if str(path) in str(error) else f"{path}: "
                self._damaged.append(f"{named}{error}")
            if what:
                self._listener(what, number, len(paths))
        return count

    def _restore_run(self, path: Path, living: frozenset[str]) -> None:
        history, damaged = load_journal(path)
        self._damaged += damaged
        run = history.run
        if run.id in living:
            return
        self._database.runs.restore(history)
        for outcome in history.outcomes:
            self._database.jobs.record_outcome(outcome, run_id=run.id)
        self._made[run.id] = history.attempts

    def _record_outcomes(self, paths: Sequence[Path]) -> int:
        """Record outcomes, many in one transaction."""
        count = 0
        for start in range(0, len(paths), _AT_ONCE):
            part = paths[start : start + _AT_ONCE]
            count += self._record_part(part)
            self._listener("outcomes", start + len(part), len(paths))
        return count

    def _record_part(self, paths: Sequence[Path]) -> int:
        """Record outcomes in one transaction; if that cannot be, one by one."""
        loaded: dict[Path, Outcome] = {}

        def load(path: Path) -> None:
            loaded[path] = self._load_outcome(path)

        def record(path: Path) -> None:
            self._database.jobs.record_outcome(loaded[path])

        self._each("", paths, load)
        try:
            self._database.jobs.record_outcomes([*loaded.values()])
        except DatabaseAwayError:
            raise
        except DatabaseError:
            return self._each("", [*loaded], record)
        return len(loaded)

    def _load_outcome(self, path: Path) -> Outcome:
        outcome = load_outcome(path)
        place = get_store_folder(outcome.job.fingerprint)
        is_stored = path.is_relative_to(self._data_dir / place.parts[0])
        if is_stored and path.parent != self._data_dir / place:
            raise OutcomeError(f"The outcome {path} belongs to the folder {place}.")
        return outcome

    def _remember_seen(self) -> None:
        """Remember hashes, in the order in which they were taken."""
        seen: dict[Path, SeenFiles | SeenReferences] = {}

        def load(path: Path) -> None:
            seen[path] = load_seen(path)

        def remember(path: Path) -> None:
            one = seen[path]
            files = self._database.files
            if isinstance(one, SeenFiles):
                files.remember_files(one.files)
            else:
                files.remember_references(
                    one.files, crds_path=one.crds_path, now=one.at
                )

        self._each("hashes", self._records.find_seen(), load)
        self._each("hashes", sorted(seen, key=lambda path: seen[path].at), remember)

    def _write_journals(self) -> None:
        """Write the journals of runs of older versions, which kept none."""
        exports = self._database.runs.list_exports()
        for run in self._database.runs.list_runs(limit=None):
            if not self._records.has_journal(run) and run.finished_at is not None:
                self._records.write(self._recall(run, exports.get(run.id, ())))

    def _recall(self, run: Run, exports: Iterable[Export]) -> RunHistory:
        database = self._database
        made = database.runs.find_attempts(run.id)
        outcomes = {
            attempt.outcome.attempt: attempt.outcome
            for fingerprint in sorted(set(made.values()))
            for attempt in database.jobs.get_job(fingerprint).attempts
        }
        lost = (outcomes[key] for key in made if not outcomes[key].folder)
        return RunHistory(
            run=run,
            jobs=database.runs.get_run_jobs(run.id),
            attempts=tuple(made),
            outcomes=tuple(lost),
            last_at=run.started_at,
            exports=tuple(exports),
        )
