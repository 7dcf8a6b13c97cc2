"""Lines of a recipe, as a user would write them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from config.brought import BroughtFile
from config.edits import RecipeEdit
from config.extending import to_toml
from config.known_issues import Fragment
from config.recipe import ParameterSet

__all__ = ["list_wanted", "to_fragment_lines", "to_recipe_lines"]


def to_recipe_lines(
    associations: Mapping[str, object],
    parameters: Sequence[tuple[ParameterSet, Mapping[str, Any]]],
    changes: Sequence[RecipeEdit | BroughtFile] = (),
) -> tuple[str, ...]:
    """Write down what a recipe chooses and sets, in the tables of one.

    Parameters
    ----------
    parameters
        Each set for what it is of, with the parameters to write: those of the
        pipeline by name, those of its steps under ``steps``.
    changes
        Edits, and files that a user brings, with what to fill in.
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
    for change in changes:
        table = "files" if isinstance(change, BroughtFile) else "edits"
        text = to_toml({table: [_list_given(change)]}, {})
        lines += [*text.splitlines(), ""]
    return tuple(lines[:-1])


def to_fragment_lines(fragment: Fragment) -> tuple[str, ...]:
    """Write down all that a fragment asks for."""
    made = fragment.associations
    choices = made.model_dump(mode="json", exclude_unset=True) if made else {}
    return to_recipe_lines(
        choices,
        [(given, list_wanted(given)) for given in fragment.parameters],
        [*fragment.edits, *fragment.files],
    )


def _list_given(change: RecipeEdit | BroughtFile) -> Mapping[str, object]:
    """List the values of an edit or a file, its name first."""
    given = change.model_dump(mode="json", exclude_unset=True)
    return {"edit": change.edit, **given} if hasattr(change, "edit") else given


def list_wanted(given: ParameterSet) -> Mapping[str, Any]:
    """List the parameters of a set, those of steps under ``steps``."""
    return {**given.pipeline, **({"steps": given.steps} if given.steps else {})}


def _flatten(table: Mapping[str, object], before: str = "") -> Iterator[str]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{before}{name}.")
        else:
            yield f"{before}{name} = {json.dumps(value, ensure_ascii=False)}"
