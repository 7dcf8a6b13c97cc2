"""Log events: a dotted name and facts, through the standard logger ``rewebb``.

Those of a run are on the page of its flow run, too: see `flows.page`.
"""

import logging
from typing import cast

import structlog
from stamina.instrumentation import RetryDetails

__all__ = ["LOGGER", "get_logger", "log_retry"]

LOGGER = "rewebb"
"""Name of the standard logger."""


def get_logger(**bound: str) -> structlog.stdlib.BoundLogger:
    """Get a logger with ids bound once."""
    logger = structlog.wrap_logger(
        logging.getLogger(LOGGER),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.KeyValueRenderer(key_order=["event"]),
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    return cast("structlog.stdlib.BoundLogger", logger.bind(**bound))


def log_retry(details: RetryDetails) -> None:
    """Log that something is to be tried again; a hook of `stamina`.

    Without it `stamina` prints to standard output, which may be for JSON.
    """
    get_logger().warning(
        "retry.scheduled",
        cause=str(details.caused_by),
        number=details.retry_num,
        wait_s=round(details.wait_for, 1),
    )
