"""Lines of a recipe, as a user would write them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from config.recipe import ParameterSet

__all__ = ["to_recipe_lines"]


def to_recipe_lines(
    associations: Mapping[str, object],
    parameters: Sequence[tuple[ParameterSet, Mapping[str, Any]]],
) -> tuple[str, ...]:
    """Write down choices of associations and parameters in the tables of a recipe.

    Parameters
    ----------
    parameters
        Each set for what it is of, with the parameters to write: those of the
        pipeline by name, those of its steps under ``steps``.
    """
    lines: list[str] = []
    if associations:
        lines += ["[associations]", *_flatten(associations), ""]
    for given, wanted in parameters:
        of = given.model_dump(
            mode="json", exclude_defaults=True, exclude={"pipeline", "steps"}
        )
        pipeline = {name: v for name, v in wanted.items() if name != "steps"}
        steps = wanted.get("steps", {})
        lines += ["[[parameters]]", *_flatten(of)]
        lines += [*_flatten(pipeline, "pipeline."), *_flatten(steps, "steps."), ""]
    return tuple(lines[:-1])


def _flatten(table: Mapping[str, object], before: str = "") -> Iterator[str]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{before}{name}.")
        else:
            yield f"{before}{name} = {json.dumps(value, ensure_ascii=False)}"
