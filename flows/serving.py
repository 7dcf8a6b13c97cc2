"""The flows, served on this host by a runner of Prefect."""

from pathlib import Path
from typing import Final

from prefect import serve
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Cron
from prefect.types.entrypoint import EntrypointType

from .errors import PlanError
from .reprocess import reprocess_program
from .watch import watch_archive

__all__ = ["check_cron", "serve_flows"]

_NAME: Final = "rewebb"

_KIND: Final = EntrypointType.MODULE_PATH
"""How runs find the flows: a path of a file would not be a module of its package."""


def check_cron(cron: str) -> None:
    """Refuse what is no schedule.

    Raises
    ------
    PlanError
        It is none.
    """
    try:
        Cron(cron, timezone="UTC")
    except ValueError as error:
        raise PlanError(
            f"The schedule {cron!r} is none: expected five fields as cron has them, "
            "such as '0 3 * * *', minute, hour, day of month, month, day of week."
        ) from error


def serve_flows(subscriptions: Path | None, *, cron: str, at_once: int) -> None:
    """Serve the flows until a signal ends this process.

    Parameters
    ----------
    subscriptions
        What is watched; None watches nothing.
    cron
        When the archive is looked at, in UTC.
    at_once
        Flow runs at a time.
    """
    deployments = [
        RunnerDeployment.from_flow(reprocess_program, _NAME, entrypoint_type=_KIND)
    ]
    if subscriptions is not None:
        watch = RunnerDeployment.from_flow(
            watch_archive,
            _NAME,
            schedule=Cron(cron, timezone="UTC"),
            parameters={"subscriptions": str(subscriptions.absolute())},
            concurrency_limit=1,
            entrypoint_type=_KIND,
        )
        deployments.append(watch)
    serve(
        *deployments,
        limit=at_once,
        print_starting_message=False,
        pause_on_shutdown=False,
    )
