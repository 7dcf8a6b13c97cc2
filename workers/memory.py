"""How much memory a job will need.

The estimate is linear in the bytes that the job reads, with coefficients by stage
and EXP_TYPE in ``config/memory.toml``, measured there. What attempts at the same job
took is known better.
"""

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources

from .contract import Stage, Status, Usage

__all__ = ["MARGIN", "estimate_bytes", "grow", "learn_bytes"]

MARGIN = 1.2
"""What is granted to a job over the peak that was seen of it: the same job on the same
data peaks within a few percent, on other nodes and with other references more apart."""

_FACTOR = 2
"""How much more a job is granted that ran out of memory."""


def estimate_bytes(stage: Stage, *, exp_type: str, input_bytes: int) -> int:
    """Estimate the peak resident memory of a job, in bytes.

    An EXP_TYPE without coefficients of its own takes those named ``default``.
    """
    by_type = _coefficients()[stage]
    terms = by_type.get(exp_type, by_type["default"])
    return int(terms["base_bytes"] + terms["per_input_byte"] * input_bytes)


def grow(*, granted_bytes: int, peak_bytes: int) -> int:
    """Return what a job needs that ran out of memory, with what it reached by then."""
    return max(_FACTOR * granted_bytes, int(MARGIN * peak_bytes))


def learn_bytes(attempts: Iterable[tuple[Status, Usage]]) -> int:
    """Return what the attempts at a job say that it needs; 0 when they say nothing.

    They are the newest first; those before the newest success say nothing new.
    """
    needed = 0
    for status, usage in attempts:
        granted_bytes, peak_bytes = usage.granted_bytes, usage.peak_bytes
        if status is Status.SUCCEEDED:
            return max(needed, int(MARGIN * peak_bytes))
        if status is Status.OUT_OF_MEMORY:
            more = grow(granted_bytes=granted_bytes, peak_bytes=peak_bytes)
            needed = max(needed, more)
    return needed


@cache
def _coefficients() -> Mapping[str, Mapping[str, Mapping[str, float]]]:
    text = resources.files("config").joinpath("memory.toml").read_text()
    return tomllib.loads(text)
