"""Two processes write at once, and somebody reads all the while."""

import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from outcomes import make_chain, make_run, make_run_job
from sqlalchemy import Engine, text

from flows.models.runs import JobState, RunJob, RunState
from flows.provenance import Database, compare, make_engine
from workers.contract import FileHash, Outcome

CHAINS = 6
"""Each of five jobs; the writers record them all, in other orders."""


def write(database: Database, seed: int) -> None:
    """Do what a run does: record outcomes, some at once, and what jobs came to."""
    draw = random.Random(seed)  # noqa: S311  # nothing secret
    outcomes = [one for n in range(CHAINS) for one in make_chain(f"raw{n}")]
    outcomes = [
        replace(one, attempt=f"{one.attempt}-of-{number}")
        for number, one in enumerate(outcomes)
    ]
    draw.shuffle(outcomes)
    run = make_run(f"run-{seed}")
    database.runs.start_run(run)
    database.runs.set_jobs(run.id, [_to_job(one) for one in outcomes])
    while outcomes:
        some = [outcomes.pop() for _ in range(draw.randint(1, 4)) if outcomes]
        database.jobs.record_outcomes(some)
        database.runs.update_jobs(run.id, [_to_job(one, is_done=True) for one in some])
        hashes = [FileHash(one.attempt, 9, 7, one.attempt, "content") for one in some]
        database.files.remember_files(hashes)
    database.runs.finish_run(run.id, RunState.SUCCEEDED, "done", now=run.started_at)


def _to_job(outcome: Outcome, *, is_done: bool = False) -> RunJob:
    job = outcome.job
    state = JobState.SUCCEEDED if is_done else JobState.DUE
    made = make_run_job(job.fingerprint, state)
    return replace(made, stage=job.stage, fingerprint=job.fingerprint)


@contextmanager
def writing(url: str, seed: int) -> Iterator[subprocess.Popen[str]]:
    """Start a process that writes once a line comes."""
    command = [sys.executable, "-W", "error", __file__, url, str(seed)]
    support = Path(__file__).parents[1] / "support"
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(support)},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process


def test_two_writers_lose_nothing_while_somebody_reads(
    database_url: str, engine: Engine, database: Database
) -> None:
    write(database, 0)
    count = text("SELECT count(*) FROM run_job")
    with (
        writing(database_url, 1) as other,
        engine.connect().execution_options(**_isolated(engine)) as reader,
        reader.begin(),
    ):
        before = reader.scalar(count)
        assert other.stdin is not None
        print("go", file=other.stdin, flush=True)
        write(database, 2)
        # Both come to their ends while this transaction is open, and are not seen.
        assert other.wait(timeout=300) == 0
        assert reader.scalar(count) == before
    with Database.open("sqlite://") as alone:
        for seed in range(3):
            write(alone, seed)
        assert [*compare(database.rows, alone.rows)] == []
    assert count_deadlocks(engine) == 0


def _isolated(engine: Engine) -> dict[str, str]:
    """Read as our own readers do."""
    is_sqlite = engine.dialect.name == "sqlite"
    return {} if is_sqlite else {"isolation_level": "REPEATABLE READ"}


def count_deadlocks(engine: Engine) -> int:
    """Count the times that two waited for each other, which SQLite cannot."""
    if engine.dialect.name == "sqlite":
        return 0
    query = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    with engine.connect() as connection:
        return int(connection.scalar(text(query)) or 0)


if __name__ == "__main__":
    _engine = make_engine(sys.argv[1])
    print("ready", flush=True)
    sys.stdin.readline()
    write(Database(_engine), int(sys.argv[2]))
    _engine.dispose()
