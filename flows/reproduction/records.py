"""Jobs as they are recorded, in the order in which they can be made again."""

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from graphlib import TopologicalSorter

from workers.contract import Outcome, Status
from workers.installed import Environment

from ..errors import UnknownRecordError
from ..provenance import Database

__all__ = ["RecordedJob", "find_environment", "find_records", "link"]


@dataclass(frozen=True, slots=True)
class RecordedJob:
    """A job that succeeded, and which of its inputs are to be made again, too."""

    key: str
    """Its stage and name; with the begin of its fingerprint where several share them.
    """
    outcome: Outcome
    """Its success, with the job."""
    made_by: Mapping[str, str]
    """Keys of the jobs that make its inputs, by the sha256 of the input as it was."""


def find_records(
    database: Database, fingerprints: Iterable[str], *, chain: bool
) -> tuple[RecordedJob, ...]:
    """Find jobs in the database, producers first.

    Parameters
    ----------
    chain
        Whether to find also those that made what they read, from the raw files on.

    Raises
    ------
    UnknownRecordError
        A job never succeeded.
    """
    wanted = dict.fromkeys(fingerprints)
    if chain:
        uses = database.jobs.find_lineage(wanted)
        wanted |= dict.fromkeys(sorted(use.fingerprint for use in uses))
    return link([_find_success(database, fingerprint) for fingerprint in wanted])


def find_environment(database: Database, outcome: Outcome) -> Environment | None:
    """Find what was installed where a job ran, if that is recorded."""
    with suppress(UnknownRecordError):
        return database.environments.get(outcome.environment_sha256)
    return None


def link(outcomes: Iterable[Outcome]) -> tuple[RecordedJob, ...]:
    """Order jobs, producers first, each with those that make what it reads."""
    by_fingerprint = {outcome.job.fingerprint: outcome for outcome in outcomes}
    names = Counter(map(_name, by_fingerprint.values()))
    keys = {
        fingerprint: _name(outcome)
        if names[_name(outcome)] == 1
        else f"{_name(outcome)}@{fingerprint[:8]}"
        for fingerprint, outcome in by_fingerprint.items()
    }
    makers = {
        product.sha256: fingerprint
        for fingerprint, outcome in by_fingerprint.items()
        for product in outcome.products
    }
    read = {
        fingerprint: {
            file.sha256: makers[file.sha256]
            for file in outcome.job.inputs
            if file.sha256 in makers
        }
        for fingerprint, outcome in by_fingerprint.items()
    }
    order = TopologicalSorter({one: [*made.values()] for one, made in read.items()})
    return tuple(
        RecordedJob(
            keys[one],
            by_fingerprint[one],
            {sha256: keys[maker] for sha256, maker in read[one].items()},
        )
        for one in order.static_order()
    )


def _name(outcome: Outcome) -> str:
    return f"{outcome.job.stage}:{outcome.job.name}"


def _find_success(database: Database, fingerprint: str) -> Outcome:
    record = database.jobs.get_job(fingerprint)
    done = [
        attempt.outcome
        for attempt in record.attempts
        if attempt.outcome.status is Status.SUCCEEDED
    ]
    if not done:
        job = record.job
        raise UnknownRecordError(
            f"{job.stage}:{job.name} never succeeded, so there is nothing that it "
            f"could be compared with; see `rewebb show {fingerprint[:16]}`."
        )
    with_products = [outcome for outcome in done if outcome.products]
    return (with_products or done)[-1]
