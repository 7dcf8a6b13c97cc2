"""The products that a job makes, by stage, mode and effective parameters.

What is known of it is data: ``config/products.toml``.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

from ..contract import Parameters, Stage

__all__ = ["list_endings", "list_expected"]

Row = Mapping[str, Any]
"""A row of the table; its head says what each key means."""


def list_expected(stage: Stage, exp_type: str, parameters: Parameters) -> list[Row]:
    """List the rows that are of a job; none where the mode is unknown.

    Rows of steps that are skipped are among them.
    """
    return [
        row
        for row in _read_table()
        if row["stage"] == stage
        and exp_type in row.get("exp_types", [exp_type])
        and _holds(row, parameters)
    ]


def list_endings(
    stage: Stage, exp_type: str, parameters: Parameters
) -> tuple[str, ...]:
    """List what follows the name of the job in the names of its products.

    Products of sources have names of their own, and are left out.
    """
    steps: Any = parameters.get("steps", {})
    rows = list_expected(stage, exp_type, parameters)
    made = (row for row in rows if not steps.get(row.get("step"), {}).get("skip"))
    return tuple(sorted({name for row in made for name in _iterate_endings(row)}))


def _iterate_endings(row: Row) -> Iterator[str]:
    if not row.get("per_source"):
        for suffix in row["suffixes"]:
            yield from (f"{part}_{suffix}" for part in row.get("parts", ()))
            if "parts" not in row:
                yield suffix


def _holds(row: Row, parameters: Parameters) -> bool:
    """Tell whether the parameters are those of one of the cases of a row."""
    steps: Any = parameters.get("steps", {})
    return any(
        all(
            steps.get(step, {}).get(name) in values
            for step, of_step in case.items()
            for name, values in of_step.items()
        )
        for case in row.get("when", [{}])
    )


@cache
def _read_table() -> Sequence[Row]:
    text = resources.files("config").joinpath("products.toml").read_text()
    table: Sequence[Row] = tomllib.loads(text)["expected"]
    return table
