"""How much memory a job will need.

The estimate is linear in the bytes that the job reads, with coefficients by stage
and EXP_TYPE in ``config/memory.toml``; measured there, refined from attempts later.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources

from .contract import Stage

__all__ = ["estimate_bytes"]


def estimate_bytes(stage: Stage, *, exp_type: str, input_bytes: int) -> int:
    """Estimate the peak resident memory of a job, in bytes.

    Parameters
    ----------
    stage, exp_type
        What runs on what; an EXP_TYPE without coefficients of its own takes those
        named ``default``.
    input_bytes
        Size of all files that the job reads.
    """
    by_type = _coefficients()[stage]
    terms = by_type.get(exp_type, by_type["default"])
    return int(terms["base_bytes"] + terms["per_input_byte"] * input_bytes)


@cache
def _coefficients() -> Mapping[str, Mapping[str, Mapping[str, float]]]:
    text = resources.files("config").joinpath("memory.toml").read_text()
    return tomllib.loads(text)
