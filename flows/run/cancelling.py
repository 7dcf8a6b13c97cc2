"""Cancel a run of another process or host, through the row of its lease."""

import time
from datetime import UTC, datetime, timedelta

from ..errors import RunStateError
from ..models.runs import Run, RunState
from ..provenance import Database
from .lease import is_alive

__all__ = ["cancel_run"]

_PATIENCE = timedelta(seconds=60)
"""How long is waited for a run to end; its jobs end in ten seconds."""

_PAUSE_S = 0.5


def cancel_run(
    database: Database, run: Run, *, by: str, patience: timedelta = _PATIENCE
) -> Run:
    """Ask the orchestrator of a run to stop, wait until it has, and give its record.

    It may still be RUNNING if it does not come to look.

    Parameters
    ----------
    by
        Who cancels it.

    Raises
    ------
    RunStateError
        It is over, or nobody runs it any more.
    """
    _refuse_over(run)
    lease = database.leases.get_lease(run.program)
    now = datetime.now(UTC)
    if lease is None or lease.expires_at <= now or not is_alive(lease.host, lease.pid):
        whom = f" (process {lease.pid} on {lease.host})" if lease else ""
        raise RunStateError(
            f"The run {run.id} of program {run.program} has no process any more{whom}: "
            f"there is nothing to cancel; `rewebb run {run.program}` clears what it "
            "left, and goes on."
        )
    database.leases.cancel_lease(run.program, owner=lease.owner, by=by)
    end_s = time.monotonic() + patience.total_seconds()
    while time.monotonic() < end_s:
        found = database.runs.get_run(run.id)
        if found.state is not RunState.RUNNING:
            return found
        time.sleep(_PAUSE_S)
    return database.runs.get_run(run.id)


def _refuse_over(run: Run) -> None:
    if run.state is not RunState.RUNNING:
        raise RunStateError(
            f"The run {run.id} of program {run.program} is {run.state} already: only "
            "one that is RUNNING can be cancelled; see `rewebb runs`."
        )
