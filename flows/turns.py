"""Turns at an archive, which the flow runs of a site take by a limit of Prefect.

`archive_connections` counts the requests of one process. How many flow runs may ask an
archive at a time, on however many hosts, says the global concurrency limit
``rewebb-archive`` of Prefect, if somebody has made it.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

import httpx
from prefect import get_client
from prefect.client.schemas.responses import GlobalConcurrencyLimitResponse
from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectNotFound
from prefect.settings import (
    PREFECT_API_REQUEST_TIMEOUT,
    PREFECT_CLIENT_MAX_RETRIES,
    temporary_settings,
)

from config.settings import Settings

from .factory import is_far_away
from .logs import get_logger

__all__ = ["take_turn"]

_LIMIT: Final = "rewebb-archive"
"""Name of the limit: how many flow runs ask an archive at a time."""

_BRIEF: Final = {PREFECT_API_REQUEST_TIMEOUT: 5.0, PREFECT_CLIENT_MAX_RETRIES: 0}
"""How long the server is asked: a run goes on without it."""


@contextmanager
def take_turn(settings: Settings) -> Iterator[None]:
    """Wait for a turn at the archive of settings, and keep it during the block.

    A folder needs none. Where Prefect knows no such limit, or is away, nobody waits.
    The turn of a process that was killed ends by itself after five minutes.
    """
    limit = _find_limit() if is_far_away(settings) else None
    if limit is None or not limit.active:
        yield
        return
    if limit.active_slots >= limit.limit:
        get_logger().info("archive.full", limit=_LIMIT, flow_runs=limit.limit)
    turn = ExitStack()
    try:
        turn.enter_context(concurrency(_LIMIT, lease_duration=300))
    except ConcurrencySlotAcquisitionError as error:
        get_logger().warning("archive.unlimited", limit=_LIMIT, why=str(error))
    try:
        yield
    finally:
        try:
            turn.close()
        except httpx.HTTPError as error:  # it ends by itself
            get_logger().warning("archive.turn_kept", limit=_LIMIT, why=str(error))


def _find_limit() -> GlobalConcurrencyLimitResponse | None:
    try:
        with temporary_settings(_BRIEF), get_client(sync_client=True) as client:
            return client.read_global_concurrency_limit_by_name(_LIMIT)
    except (ObjectNotFound, httpx.HTTPError):
        return None
