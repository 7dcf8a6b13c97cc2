"""Listings: programs, observations and runs, counted without loading their rows."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Text, case, func, literal, select
from sqlalchemy.orm import InstrumentedAttribute, Session
from sqlalchemy.sql.elements import ColumnElement

from workers.contract import Stage, Status

from ..models.listings import ListedObservation, ListedProgram, RunCounts, SkyPlace
from ..models.runs import JobState, Run, RunJob
from .rows import to_record, to_records
from .runs import load_runs
from .schema import (
    SQLAttempt,
    SQLJob,
    SQLProduct,
    SQLProductFacts,
    SQLProgram,
    SQLReferenceUse,
    SQLRun,
    SQLRunJob,
)
from .sessions import Tables, reads, select_in

__all__ = ["Listings"]


class Listings(Tables):
    """What is recorded, by program."""

    @reads
    def list_programs(
        self, session: Session, *, after: str = "", limit: int = 100
    ) -> tuple[ListedProgram, ...]:
        """List the programs that were run, by id, each with its newest run."""
        counts = (
            select(SQLRun.program, func.count(), func.max(SQLRun.started_at))
            .where(SQLRun.program > after)
            .group_by(SQLRun.program)
            .order_by(SQLRun.program)
            .limit(limit)
        )
        counted = session.execute(counts).tuples().all()
        ids = [program for program, _, _ in counted]
        last = _find_last(session, counted)
        rows = session.scalars(select(SQLProgram).where(SQLProgram.id.in_(ids)))
        known = {row.id: row for row in rows}
        return tuple(
            ListedProgram(
                program=program,
                title=known[program].title if program in known else "",
                investigator=(
                    known[program].principal_investigator if program in known else ""
                ),
                runs=count,
                last=last[program],
            )
            for program, count, _ in counted
        )

    @reads
    def list_observations(
        self, session: Session, program: str
    ) -> tuple[ListedObservation, ...]:
        """List the observations of a program that jobs were attempted of."""
        observation = _to_observation(SQLJob.name)
        query = (
            select(
                *(observation, SQLJob.stage, SQLJob.exp_type),
                func.count(SQLJob.name.distinct()),
            )
            .where(SQLJob.program == program)
            .group_by(observation, SQLJob.stage, SQLJob.exp_type)
        )
        jobs = defaultdict[str, dict[Stage, int]](dict)
        kinds = defaultdict[str, set[str]](set)
        for key, stage, kind, count in session.execute(query).tuples():
            jobs[key][stage] = jobs[key].get(stage, 0) + count
            kinds[key].add(kind)
        return tuple(
            ListedObservation(
                id=key,
                jobs={stage: jobs[key][stage] for stage in Stage if stage in jobs[key]},
                exp_types=tuple(sorted(kinds[key])),
            )
            for key in sorted(jobs)
        )

    @reads
    def count_jobs(
        self, session: Session, run_ids: Iterable[str]
    ) -> Mapping[str, RunCounts]:
        """Count the jobs of runs, and say what their attempts took."""
        ids = tuple(run_ids)
        own = SQLRunJob.run_id
        query = (
            select(own, SQLRunJob.stage, SQLRunJob.state, func.count())
            .add_columns(func.max(SQLRunJob.updated_at))
            .where(own.in_(ids))
            .group_by(own, SQLRunJob.stage, SQLRunJob.state)
        )
        rows = session.execute(query).tuples().all()
        took = _find_elapsed(session, ids)
        found: dict[str, RunCounts] = {}
        for run_id in ids:
            states = defaultdict[Stage, dict[JobState, int]](dict)
            for _, stage, state, count, _ in (row for row in rows if row[0] == run_id):
                states[stage][state] = count
            found[run_id] = RunCounts(
                states={stage: states[stage] for stage in Stage if stage in states},
                elapsed_s=took.get(run_id, {}),
                updated_at=max((r[4] for r in rows if r[0] == run_id), default=None),
            )
        return found

    @reads
    def list_run_jobs(
        self,
        session: Session,
        run_id: str,
        *,
        states: Iterable[JobState] = (),
        after: str = "",
        limit: int = 200,
    ) -> tuple[RunJob, ...]:
        """List jobs of a run by key: those after a key, and in one of some states."""
        query = select(SQLRunJob).where(SQLRunJob.run_id == run_id)
        query = query.where(SQLRunJob.key > after)
        if wanted := tuple(states):
            query = query.where(SQLRunJob.state.in_(wanted))
        query = query.order_by(SQLRunJob.key).limit(limit)
        return to_records(RunJob, session.scalars(query))

    @reads
    def list_contexts(self, session: Session) -> tuple[str, ...]:
        """List the contexts that runs were made in, by number."""
        contexts = session.scalars(select(SQLRun.context).distinct())
        return tuple(sorted(contexts, key=lambda name: (len(name), name)))

    @reads
    def list_sky(self, session: Session, *, limit: int) -> tuple[SkyPlace, ...]:
        """List where products are on the sky, those of a target of a program as one."""
        facts = SQLProductFacts
        query = (
            select(
                *(SQLJob.program, facts.target),
                *(func.avg(facts.ra_deg), func.avg(facts.dec_deg), func.count()),
            )
            .join(SQLJob, SQLJob.fingerprint == facts.fingerprint)
            .where(facts.ra_deg.is_not(None), facts.dec_deg.is_not(None))
            # What lies on both sides of 0 h is two places, not one at 12 h.
            .group_by(SQLJob.program, facts.target, facts.ra_deg > 180)
            .order_by(SQLJob.program, facts.target)
            .limit(limit)
        )
        return tuple(SkyPlace(*row) for row in session.execute(query).tuples())

    @reads
    def find_makers(
        self, session: Session, fingerprints: Iterable[str]
    ) -> Mapping[str, tuple[str, RunJob]]:
        """Find the runs that made what jobs made, each with the job as it saw it.

        Of several, which is rare, it is the newest.
        """
        query = (
            select(SQLRunJob)
            .where(SQLRunJob.fingerprint.in_(tuple(fingerprints)))
            .where(SQLRunJob.state == JobState.SUCCEEDED)
            .order_by(SQLRunJob.updated_at)
        )
        return {
            row.fingerprint or "": (row.run_id, to_record(RunJob, row))
            for row in session.scalars(query)
        }

    @reads
    def find_sources(
        self, session: Session, sha256s: Iterable[str]
    ) -> Mapping[str, str]:
        """Find the jobs that made files, by the sha256 of each."""
        rows = select_in(session, select(SQLProduct), SQLProduct.sha256, sha256s)
        return {row.sha256: row.fingerprint for row in rows}

    @reads
    def find_newer_references(
        self, session: Session, fingerprint: str
    ) -> Mapping[str, str]:
        """Find what the newest job of the stage and name of a job has taken instead.

        That is by type of reference, and of those that differ.
        """
        job = session.get(SQLJob, fingerprint)
        if job is None:
            return {}
        newest = session.scalar(
            select(SQLJob.references_sha256)
            .join(SQLAttempt, SQLAttempt.fingerprint == SQLJob.fingerprint)
            .where(SQLJob.stage == job.stage, SQLJob.name == job.name)
            .where(SQLAttempt.is_stored)
            .order_by(SQLAttempt.finished_at.desc(), SQLAttempt.id)
            .limit(1)
        )
        if newest is None or newest == job.references_sha256:
            return {}
        use = SQLReferenceUse
        taken = defaultdict[str, dict[str, str]](dict)
        query = select(use.set_sha256, use.reftype, use.name, use.sha1)
        query = query.where(use.set_sha256.in_([newest, job.references_sha256]))
        for key, reftype, name, sha1 in session.execute(query).tuples():
            taken[key][reftype] = f"{name} {sha1}" if name else "N/A"
        before = taken[job.references_sha256]
        return {
            reftype: one.partition(" ")[0]
            for reftype, one in taken[newest].items()
            if before.get(reftype) != one
        }


def _find_last(
    session: Session, counted: Sequence[tuple[str, int, object]]
) -> Mapping[str, Run]:
    """Find the newest run of programs, in one query for all."""
    programs = [program for program, _, _ in counted]
    times = {at for _, _, at in counted}
    query = select(SQLRun).where(SQLRun.program.in_(programs))
    query = query.where(SQLRun.started_at.in_(times)).order_by(SQLRun.started_at)
    runs = load_runs(session, session.scalars(query).all())
    return {run.program: run for run in runs}


def _find_elapsed(
    session: Session, run_ids: Sequence[str]
) -> Mapping[str, Mapping[Stage, float]]:
    query = (
        select(SQLAttempt.run_id, SQLJob.stage, func.avg(SQLAttempt.elapsed_s))
        .join(SQLJob, SQLJob.fingerprint == SQLAttempt.fingerprint)
        .where(SQLAttempt.run_id.in_(run_ids))
        .where(SQLAttempt.status == Status.SUCCEEDED)
        .group_by(SQLAttempt.run_id, SQLJob.stage)
    )
    found = defaultdict[str, dict[Stage, float]](dict)
    for run_id, stage, elapsed_s in session.execute(query).tuples():
        found[run_id or ""][stage] = float(elapsed_s)
    return found


def _to_observation(name: InstrumentedAttribute[str]) -> ColumnElement[str]:
    """Take ``o007`` or ``c1001`` of the name of a job: ``jw02736007001_...``."""
    return case(
        (func.substr(name, 8, 2) == "-o", func.substr(name, 9, 4, type_=Text())),
        (func.substr(name, 8, 1) == "-", func.substr(name, 9, 5, type_=Text())),
        else_=literal("o") + func.substr(name, 8, 3, type_=Text()),
    )
