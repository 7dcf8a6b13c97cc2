"""Which runs are under way."""

from datetime import UTC, datetime

from ..models.runs import Lease, RunState
from ..provenance import Database
from ..run import is_alive

__all__ = ["find_living_runs", "is_held"]


def find_living_runs(database: Database) -> frozenset[str]:
    """Find the runs that somebody is running, by id."""
    held = {lease.program for lease in database.leases.list_leases() if is_held(lease)}
    return frozenset(
        run.id
        for program in held
        for run in database.runs.list_runs(program)
        if run.state is RunState.RUNNING
    )


def is_held(lease: Lease) -> bool:
    """Return whether whoever took a lease may still be at work."""
    now = datetime.now(UTC)
    return lease.expires_at > now and is_alive(lease.host, lease.pid)
