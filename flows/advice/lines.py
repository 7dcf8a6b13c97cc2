"""Lines of a recipe, as a user would write them."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from config.edits import RecipeEdit
from config.known_issues import Fragment
from config.recipe import ParameterSet

__all__ = ["list_wanted", "to_fragment_lines", "to_recipe_lines"]


def to_recipe_lines(
    associations: Mapping[str, object],
    parameters: Sequence[tuple[ParameterSet, Mapping[str, Any]]],
    edits: Iterable[RecipeEdit] = (),
) -> tuple[str, ...]:
    """Write down choices, parameters and edits in the tables of a recipe.

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
    for edit in edits:
        values = edit.model_dump(mode="json", exclude_defaults=True)
        lines += ["[[edits]]", *_flatten({"edit": edit.name} | values), ""]
    return tuple(lines[:-1])


def to_fragment_lines(fragment: Fragment) -> tuple[str, ...]:
    """Write down all that a fragment asks for."""
    made = fragment.associations
    choices = made.model_dump(mode="json", exclude_unset=True) if made else {}
    wanted = [(given, list_wanted(given)) for given in fragment.parameters]
    return to_recipe_lines(choices, wanted, fragment.edits)


def list_wanted(given: ParameterSet) -> Mapping[str, Any]:
    """List the parameters of a set, those of steps under ``steps``."""
    return {**given.pipeline, **({"steps": given.steps} if given.steps else {})}


def _flatten(table: Mapping[str, object], before: str = "") -> Iterator[str]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{before}{name}.")
        else:
            yield f"{before}{name} = {json.dumps(value, ensure_ascii=False)}"
