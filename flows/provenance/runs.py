"""Runs: who asked for what, how far each job is, how it ended."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import attrgetter

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from ..errors import DatabaseError, UnknownRecordError
from ..models.runs import JobState, Run, RunJob, RunState
from .rows import to_record, to_records, to_values
from .schema import SQLRecipe, SQLRun, SQLRunJob, SQLRunNote
from .sessions import Tables, insert_missing, reads, select_in, upsert

__all__ = ["Runs"]

_UNFINISHED = (JobState.DUE, JobState.RUNNING)
_DONE = (JobState.SUCCEEDED, JobState.REUSED)
_LISTED = 10


class Runs(Tables):
    """Runs and the states of their jobs."""

    def start_run(self, run: Run) -> None:
        """Record that a run began; to do it again changes nothing.

        Raises
        ------
        DatabaseError
            There is another run of this id, or it has ended.
        """
        self._sessions.write(lambda session: _start_run(session, run))

    def set_context(self, run_id: str, context: str) -> None:
        """Record the context of a run, once it is resolved."""
        statement = update(SQLRun).where(SQLRun.id == run_id).values(context=context)
        self._sessions.write(lambda session: session.execute(statement))

    def set_notes(self, run_id: str, notes: Sequence[str]) -> None:
        """Record what a run told its user; what was recorded before is dropped."""
        rows = _to_notes(run_id, notes)

        def work(session: Session) -> None:
            session.execute(delete(SQLRunNote).where(SQLRunNote.run_id == run_id))
            upsert(session, SQLRunNote, rows)

        self._sessions.write(work)

    def finish_run(
        self, run_id: str, state: RunState, message: str | None, *, now: datetime
    ) -> None:
        """Record how a run ended; its jobs that are not over are interrupted.

        Raises
        ------
        UnknownRecordError
            There is no such run.
        """
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

        def work(session: Session) -> None:
            session.execute(delete(SQLRunJob).where(SQLRunJob.run_id == run_id))
            if jobs:
                session.execute(insert(SQLRunJob), _job_values(run_id, jobs))

        self._sessions.write(work)

    def update_jobs(self, run_id: str, jobs: Sequence[RunJob]) -> None:
        """Record the new states of some jobs of a run, in one transaction."""
        values = _job_values(run_id, jobs)
        self._sessions.write(lambda session: upsert(session, SQLRunJob, values))

    @reads
    def list_runs(
        self, session: Session, program: str | None = None, *, limit: int = 50
    ) -> tuple[Run, ...]:
        """List the newest runs, newest first."""
        query = select(SQLRun).order_by(SQLRun.started_at.desc(), SQLRun.id)
        if program is not None:
            query = query.where(SQLRun.program == program)
        return _load_runs(session, session.scalars(query.limit(limit)).all())

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
        return _load_runs(session, session.scalars(query.limit(_LISTED)).all())

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
        (run,) = _load_runs(session, [found[0]])
        return run, to_record(RunJob, found[1])

    def interrupt_dead_runs(self, program: str, *, now: datetime) -> tuple[str, ...]:
        """Mark the runs of a program that nobody is running any more; give their ids.

        Call it with the lease of the program in hand, before a run is started: it
        takes every RUNNING run for dead.
        """
        statement = (
            update(SQLRun)
            .where(SQLRun.program == program, SQLRun.state == RunState.RUNNING)
            .values(
                state=RunState.INTERRUPTED,
                finished_at=now,
                message="Its orchestrator vanished; found by the next run of the "
                "program.",
            )
            .returning(SQLRun.id)
        )

        def work(session: Session) -> tuple[str, ...]:
            dead = session.scalars(statement).all()
            _interrupt_jobs(session, dead, now)
            return tuple(dead)

        return self._sessions.write(work)


def _start_run(session: Session, run: Run) -> None:
    known = session.get(SQLRun, run.id)
    if known is None:
        recipe = {"sha256": run.recipe_sha256, "text": run.recipe_text}
        # Runs of older versions did not keep it; what a hash is of is always the same.
        (upsert if run.recipe_text else insert_missing)(session, SQLRecipe, [recipe])
        session.execute(insert(SQLRun), [to_values(SQLRun, run)])
        upsert(session, SQLRunNote, _to_notes(run.id, run.notes))
    elif _load_runs(session, [known]) != (run,):
        raise DatabaseError(
            f"The run {run.id} cannot start: the database has one of this id, which "
            f"began at {known.started_at:%Y-%m-%d %H:%M:%S} UTC and is {known.state}."
        )


def _load_runs(session: Session, rows: Sequence[SQLRun]) -> tuple[Run, ...]:
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
        .where(SQLRunJob.run_id.in_(run_ids), SQLRunJob.state.in_(_UNFINISHED))
        .values(state=JobState.INTERRUPTED, updated_at=now)
    )
