"""Log events: a dotted name and facts, through the standard logger ``rewebb``.

Under Prefect they are on the page of the flow run (`PREFECT_LOGGING_EXTRA_LOGGERS`).
"""

import logging
from typing import cast

import structlog

__all__ = ["LOGGER", "get_logger"]

LOGGER = "rewebb"
"""Name of the standard logger."""


def get_logger(**bound: str) -> structlog.stdlib.BoundLogger:
    """Get a logger with ids bound once."""
    logger = structlog.wrap_logger(
        logging.getLogger(LOGGER),
        processors=[structlog.processors.KeyValueRenderer(key_order=["event"])],
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    return cast("structlog.stdlib.BoundLogger", logger.bind(**bound))
