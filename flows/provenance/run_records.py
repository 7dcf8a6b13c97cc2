"""Runs as rows and back; no database in sight."""

from collections.abc import Iterable, Mapping

from workers.contract import Caveat, CaveatKind, Stage

from ..models import JobState, Run, RunJob, RunState
from .schema import SQLRun, SQLRunJob

__all__ = ["from_run", "run_job_values", "to_run", "to_run_job"]


def from_run(run: Run) -> SQLRun:
    """Make the row of a run."""
    return SQLRun(
        id=run.id,
        program=run.program,
        recipe_name=run.recipe_name,
        recipe_sha256=run.recipe_sha256,
        context=run.context,
        environment=run.environment,
        request=run.request,
        requested_by=run.requested_by,
        started_at=run.started_at,
        finished_at=run.finished_at,
        state=run.state.value,
        message=run.message,
    )


def to_run(row: SQLRun) -> Run:
    """Make a run of its row."""
    return Run(
        id=row.id,
        program=row.program,
        recipe_name=row.recipe_name,
        recipe_sha256=row.recipe_sha256,
        context=row.context,
        environment=row.environment,
        request=row.request,
        requested_by=row.requested_by,
        started_at=row.started_at,
        finished_at=row.finished_at,
        state=RunState(row.state),
        message=row.message,
    )


def run_job_values(
    run_id: str, jobs: Iterable[RunJob]
) -> tuple[Mapping[str, object], ...]:
    """Make the values of the rows of a run's jobs, for insertion in bulk."""
    return tuple(
        {
            "run_id": run_id,
            "key": job.key,
            "stage": job.stage.value,
            "name": job.name,
            "fingerprint": job.fingerprint,
            "state": job.state.value,
            "why": job.why,
            "blocked_by": job.blocked_by,
            "caveats": [(said.kind.value, said.message) for said in job.caveats],
            "updated_at": job.updated_at,
        }
        for job in jobs
    )


def to_run_job(row: SQLRunJob) -> RunJob:
    """Make a job of a run of its row."""
    return RunJob(
        stage=Stage(row.stage),
        name=row.name,
        state=JobState(row.state),
        updated_at=row.updated_at,
        why=row.why,
        fingerprint=row.fingerprint,
        blocked_by=tuple(row.blocked_by),
        caveats=tuple(Caveat(CaveatKind(kind), said) for kind, said in row.caveats),
    )
