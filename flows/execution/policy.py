"""What Rewebb relies on of every Dask scheduler and worker.

It is set where we start them. A scheduler that others started is asked.
"""

from collections.abc import Callable
from typing import Any, Final

import dask
from distributed import Client

from ..errors import PlanError

__all__ = ["POLICY", "check_policy"]

POLICY: Final[dict[str, object]] = {
    "distributed.scheduler.allowed-failures": 0,
    "distributed.scheduler.no-workers-timeout": None,
    "distributed.scheduler.worker-ttl": None,
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.worker.daemon": False,
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.admin.tick.limit": "1h",
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}
"""Workers may have children; memory is watched by `workers.run`; a lost worker is
counted by us, not by Dask; a blocked event loop is normal on a busy node; no workers
for a while is no error; pages that need no password show nothing. Stealing is left on:
it moves jobs that wait at a worker, never one that has begun."""

_FAILURES: Final = "distributed.scheduler.allowed-failures"

_CAUTIONS: Final = {
    "distributed.scheduler.worker-ttl": "gives up a worker that is silent for {}, as "
    "one on a busy node may be",
    "distributed.scheduler.no-workers-timeout": "gives up jobs that have had no worker "
    "for {}",
}
"""What is said of a scheduler that has other values than ours, but can be used."""

_ADVICE: Final = (
    "start it with `rewebb cluster scheduler`, or with {} in the configuration of Dask"
)


def check_policy(client: Client, address: str) -> tuple[str, ...]:
    """Ask a scheduler that others started how it is set, and return cautions.

    Raises
    ------
    PlanError
        It would run a job again and again that kills its worker.
    """
    try:
        asked = {name: _ask(client, name) for name in (_FAILURES, *_CAUTIONS)}
    # It has no such setting, or takes no functions (`distributed.scheduler.pickle`).
    except (KeyError, ValueError) as error:
        return (
            f"the Dask scheduler {address} does not say how it is set ({error}): "
            + _ADVICE.format(f"{_FAILURES} = 0"),
        )
    if failures := asked[_FAILURES]:
        raise PlanError(
            f"The Dask scheduler {address} has {_FAILURES} = {failures}: a job that "
            f"kills its worker would run {int(failures) + 1} times on each try; "
            f"{_ADVICE.format(f'{_FAILURES} = 0')}."
        )
    return tuple(
        f"the Dask scheduler {address} {said.format(asked[name])}: "
        + _ADVICE.format(f"{name} = null")
        for name, said in _CAUTIONS.items()
        if asked[name] is not None
    )


def _ask(client: Client, name: str) -> Any:
    ask: Callable[..., Any] = dask.config.get  # every scheduler has it
    return client.run_on_scheduler(ask, name)
