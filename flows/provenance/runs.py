"""Runs: who asked for what, how far each job is, how it ended."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from operator import attrgetter

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from ..errors import DatabaseError, UnknownRecordError
from ..models.records import (
    Entry,
    ExportWithdrawn,
    JobsChanged,
    JobsPlanned,
    RunEnded,
    RunExported,
    RunHistory,
    RunNoted,
    RunResolved,
)
from ..models.runs import UNFINISHED, Export, JobState, Run, RunJob, RunState
from .insertion import insert_missing, upsert
from .records import Records, interrupt
from .rows import to_record, to_records, to_values
from .schema import (
    SQLAttempt,
    SQLRecipe,
    SQLRun,
    SQLRunExport,
    SQLRunJob,
    SQLRunNote,
)
from .sessions import Sessions, Tables, batches, reads, select_in

__all__ = ["Runs", "load_runs"]

_DONE = (JobState.SUCCEEDED, JobState.REUSED)
_LISTED = 10

_VANISHED = "Its orchestrator vanished; found by the next run of the program."


class Runs(Tables):
    """Runs and the states of their jobs.

    What is written is told to the records of the data folder first, if there are any.
    """

    def __init__(self, sessions: Sessions, records: Records | None = None) -> None:
        super().__init__(sessions)
        self._records = records

    def _tell(self, run_id: str, *entries: Entry) -> None:
        if self._records is not None:
            self._records.append(run_id, entries)

    def start_run(self, run: Run) -> None:
        """Record that a run began; to do it again changes nothing.

        Raises
        ------
        DatabaseError
            There is another run of this id, or it has ended.
        """
        if self._records is not None:
            self._records.begin(run)
        self._sessions.write(lambda session: _start_run(session, run))

    def set_context(self, run_id: str, context: str) -> None:
        """Record the context of a run, once it is resolved."""
        self._tell(run_id, RunResolved(context))
        statement = update(SQLRun).where(SQLRun.id == run_id).values(context=context)
        self._sessions.write(lambda session: session.execute(statement))

    def set_notes(self, run_id: str, notes: Sequence[str]) -> None:
        """Record what a run told its user; what was recorded before is dropped."""
        self._tell(run_id, RunNoted(tuple(notes)))
        self._sessions.write(lambda session: _set_notes(session, run_id, notes))

    def finish_run(
        self, run_id: str, state: RunState, message: str | None, *, now: datetime
    ) -> None:
        """Record how a run ended; its jobs that are not over are interrupted.

        Raises
        ------
        UnknownRecordError
            There is no such run.
        """
        self._tell(run_id, RunEnded(state, message, now))
        statement = (
            update(SQLRun)
            .where(SQLRun.id == run_id)
            .values(state=state, message=message, finished_at=now)
            .returning(SQLRun.id)
        )

        def work(session: Session) -> str | None:
            _interrupt_jobs(session, [run_id], now)
            return session.scalar(statement)

        if not self._sessions.write(work):
            raise UnknownRecordError(f"The database holds no run {run_id}.")

    def set_jobs(self, run_id: str, jobs: Sequence[RunJob]) -> None:
        """Record the jobs of a run; those recorded before are dropped."""
        self._tell(run_id, JobsPlanned(tuple(jobs)))
        self._sessions.write(lambda session: _set_jobs(session, run_id, jobs))

    def update_jobs(self, run_id: str, jobs: Sequence[RunJob]) -> None:
        """Record the new states of some jobs of a run, in one transaction."""
        self._tell(run_id, JobsChanged(tuple(jobs)))
        values = _job_values(run_id, jobs)
        self._sessions.write(lambda session: upsert(session, SQLRunJob, values))

    @reads
    def list_runs(
        self,
        session: Session,
        program: str | None = None,
        *,
        limit: int | None = 50,
        states: Iterable[RunState] = (),
        before: datetime | None = None,
    ) -> tuple[Run, ...]:
        """List the newest runs, newest first; None lists all.

        Parameters
        ----------
        states
            Only runs in one of these; of any if there are none.
        before
            Only runs that started before this time.
        """
        query = select(SQLRun).order_by(SQLRun.started_at.desc(), SQLRun.id)
        if program is not None:
            query = query.where(SQLRun.program == program)
        if wanted := tuple(states):
            query = query.where(SQLRun.state.in_(wanted))
        if before is not None:
            query = query.where(SQLRun.started_at < before)
        return load_runs(session, session.scalars(query.limit(limit)).all())

    def get_run(self, run_id: str) -> Run:
        """Return a run, by the beginning of its id.

        Raises
        ------
        UnknownRecordError
            No run or several begin so.
        """
        found = self.find_runs(run_id)
        if len(found) == 1:
            return found[0]
        count = "several runs" if found else "no run"
        listed = ": " * bool(found) + ", ".join(f"{r.id} of {r.program}" for r in found)
        raise UnknownRecordError(
            f"The database holds {count} whose id begins with {run_id!r}{listed}."
        )

    @reads
    def find_runs(self, session: Session, beginning: str) -> tuple[Run, ...]:
        """Find the runs whose ids begin so, newest first; of many the first few."""
        begins = SQLRun.id.startswith(beginning, autoescape=True)
        query = select(SQLRun).where(begins).order_by(SQLRun.started_at.desc())
        return load_runs(session, session.scalars(query.limit(_LISTED)).all())

    @reads
    def get_run_jobs(self, session: Session, run_id: str) -> tuple[RunJob, ...]:
        """Return the jobs of a run, in the order of stages, then by name."""
        query = select(SQLRunJob).where(SQLRunJob.run_id == run_id)
        jobs = to_records(RunJob, session.scalars(query))
        return tuple(sorted(jobs, key=attrgetter("key")))

    @reads
    def find_last_use(
        self, session: Session, fingerprint: str
    ) -> tuple[Run, RunJob] | None:
        """Find the newest run that made or reused the products of a job."""
        query = (
            select(SQLRun, SQLRunJob)
            .where(SQLRun.id == SQLRunJob.run_id)
            .where(SQLRunJob.fingerprint == fingerprint)
            .where(SQLRunJob.state.in_(_DONE))
            .order_by(SQLRun.started_at.desc(), SQLRun.id)
            .limit(1)
        )
        found = session.execute(query).tuples().first()
        if found is None:
            return None
        (run,) = load_runs(session, [found[0]])
        return run, to_record(RunJob, found[1])

    def interrupt_dead_runs(self, program: str, *, now: datetime) -> tuple[str, ...]:
        """Mark the runs of a program that nobody is running any more; give their ids.

        Call it with the lease of the program in hand, before a run is started: it
        takes every RUNNING run for dead.
        """
        dead = select(SQLRun.id).where(
            SQLRun.program == program, SQLRun.state == RunState.RUNNING
        )
        ended = RunEnded(RunState.INTERRUPTED, _VANISHED, now)

        def work(session: Session) -> tuple[str, ...]:
            ids = session.scalars(dead).all()
            for run_id in ids:
                self._tell(run_id, ended)
            statement = update(SQLRun).where(SQLRun.id.in_(ids))
            session.execute(
                statement.values(
                    state=ended.state, finished_at=ended.at, message=ended.message
                )
            )
            _interrupt_jobs(session, ids, now)
            return tuple(ids)

        return self._sessions.write(work)

    def record_export(self, run_id: str, export: Export) -> None:
        """Record where products of a run are published, in the place of older words."""
        self._tell(run_id, RunExported(export))
        values = to_values(SQLRunExport, export, run_id=run_id)
        self._sessions.write(lambda session: upsert(session, SQLRunExport, [values]))

    def withdraw_export(self, run_id: str, target: str) -> None:
        """Record that what was published of a run does not count any more.

        Raises
        ------
        UnknownRecordError
            It is not recorded that anything was.
        """
        targets = [export.target for export in self.list_exports().get(run_id, ())]
        if target not in targets:
            raise UnknownRecordError(
                f"No export of the run {run_id} to {target} is recorded; it has "
                f"{', '.join(targets) or 'none'}."
            )
        self._tell(run_id, ExportWithdrawn(target))
        statement = delete(SQLRunExport).where(
            SQLRunExport.run_id == run_id, SQLRunExport.target == target
        )
        self._sessions.write(lambda session: session.execute(statement))

    @reads
    def list_exports(self, session: Session) -> Mapping[str, Sequence[Export]]:
        """List where runs are published, by their ids, and then by target."""
        query = select(SQLRunExport).order_by(SQLRunExport.target)
        exports = defaultdict[str, list[Export]](list)
        for row in session.scalars(query):
            exports[row.run_id].append(to_record(Export, row))
        return exports

    def restore(self, history: RunHistory) -> None:
        """Record a run as its journal tells of it, in the place of what is known.

        One that the journal leaves RUNNING is INTERRUPTED: call it only if nobody runs
        it.
        """
        run, jobs = history.run, history.jobs
        if run.state is RunState.RUNNING:
            at = history.last_at
            run = replace(
                run, state=RunState.INTERRUPTED, message=_VANISHED, finished_at=at
            )
            jobs = tuple(interrupt(job, at) for job in jobs)

        def work(session: Session) -> None:
            _keep_recipe(session, run)
            upsert(session, SQLRun, [to_values(SQLRun, run)])
            _set_notes(session, run.id, run.notes)
            _set_jobs(session, run.id, jobs)
            _set_exports(session, run.id, history.exports)

        self._sessions.write(work)

    @reads
    def find_attempts(self, session: Session, run_id: str) -> Mapping[str, str]:
        """Find the attempts that a run made, with the jobs that they were at."""
        query = (
            select(SQLAttempt.id, SQLAttempt.fingerprint)
            .where(SQLAttempt.run_id == run_id)
            .order_by(SQLAttempt.finished_at, SQLAttempt.id)
        )
        return dict(session.execute(query).tuples().all())

    def claim_attempts(self, run_id: str, attempts: Iterable[str]) -> None:
        """Record which run made attempts that are recorded."""
        statement = update(SQLAttempt).values(run_id=run_id)

        def work(session: Session) -> None:
            for batch in batches(attempts):
                session.execute(statement.where(SQLAttempt.id.in_(batch)))

        self._sessions.write(work)


def _keep_recipe(session: Session, run: Run) -> None:
    recipe = {"sha256": run.recipe_sha256, "text": run.recipe_text}
    # Runs of older versions did not keep it; what a hash is of is always the same.
    (upsert if run.recipe_text else insert_missing)(session, SQLRecipe, [recipe])


def _set_notes(session: Session, run_id: str, notes: Sequence[str]) -> None:
    session.execute(delete(SQLRunNote).where(SQLRunNote.run_id == run_id))
    upsert(session, SQLRunNote, _to_notes(run_id, notes))


def _set_jobs(session: Session, run_id: str, jobs: Sequence[RunJob]) -> None:
    session.execute(delete(SQLRunJob).where(SQLRunJob.run_id == run_id))
    if jobs:
        session.execute(insert(SQLRunJob), _job_values(run_id, jobs))


def _set_exports(session: Session, run_id: str, exports: Iterable[Export]) -> None:
    session.execute(delete(SQLRunExport).where(SQLRunExport.run_id == run_id))
    values = [to_values(SQLRunExport, each, run_id=run_id) for each in exports]
    upsert(session, SQLRunExport, values)


def _start_run(session: Session, run: Run) -> None:
    known = session.get(SQLRun, run.id)
    if known is None:
        _keep_recipe(session, run)
        session.execute(insert(SQLRun), [to_values(SQLRun, run)])
        upsert(session, SQLRunNote, _to_notes(run.id, run.notes))
    elif load_runs(session, [known]) != (run,):
        raise DatabaseError(
            f"The run {run.id} cannot start: the database has one of this id, which "
            f"began at {known.started_at:%Y-%m-%d %H:%M:%S} UTC and is {known.state}."
        )


def load_runs(session: Session, rows: Sequence[SQLRun]) -> tuple[Run, ...]:
    """Load runs with their recipes and notes, in a few queries for all."""
    hashes = {row.recipe_sha256 for row in rows}
    recipes = select_in(session, select(SQLRecipe), SQLRecipe.sha256, hashes)
    texts = {recipe.sha256: recipe.text for recipe in recipes}
    query = select(SQLRunNote).order_by(SQLRunNote.position)
    notes = defaultdict[str, list[str]](list)
    for note in select_in(session, query, SQLRunNote.run_id, {r.id for r in rows}):
        notes[note.run_id].append(note.text)
    return tuple(
        to_record(
            Run,
            row,
            recipe_text=texts[row.recipe_sha256],
            notes=tuple(notes[row.id]),
        )
        for row in rows
    )


def _to_notes(run_id: str, notes: Sequence[str]) -> Sequence[Mapping[str, object]]:
    return [
        {"run_id": run_id, "position": position, "text": note}
        for position, note in enumerate(notes)
    ]


def _job_values(run_id: str, jobs: Sequence[RunJob]) -> Sequence[Mapping[str, object]]:
    return [to_values(SQLRunJob, job, run_id=run_id) for job in jobs]


def _interrupt_jobs(session: Session, run_ids: Sequence[str], now: datetime) -> None:
    session.execute(
        update(SQLRunJob)
        .where(SQLRunJob.run_id.in_(run_ids), SQLRunJob.state.in_(UNFINISHED))
        .values(state=JobState.INTERRUPTED, updated_at=now)
    )
