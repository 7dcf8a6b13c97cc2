"""`rewebb recipes`: what can be chosen, and whether it can be used."""

import tomllib
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from .options import AsJson, DataDir
from .output import (
    FAILED,
    print_json,
    print_rows,
    say,
)

if TYPE_CHECKING:
    from pathlib import Path

    from config.recipe import Recipe
    from workers.contract import CodeSpecs

__all__ = [
    "check",
    "diff",
    "list_packaged",
    "recipes_app",
    "schema",
    "show_recipe",
]

recipes_app = typer.Typer(no_args_is_help=True, help="How programs can be reprocessed.")

_Name = Annotated[
    str, typer.Argument(help="Name or path of a recipe.", metavar="NAME|FILE")
]


@recipes_app.command("list")
def list_packaged(*, as_json: AsJson = False) -> None:
    """List the packaged recipes; --recipe also takes the path of your own file."""
    from config.recipe import load_recipe
    from config.recipe_texts import list_recipes

    found = [load_recipe(name) for name in list_recipes()]
    if as_json:
        print_json([{"name": one.name, "title": one.title} for one in found])
    else:
        print_rows(("recipe", "title"), [(one.name, one.title) for one in found])


@recipes_app.command("show")
def show_recipe(recipe: _Name, *, as_json: AsJson = False) -> None:
    """Print a recipe with all that it extends, and where each value comes from.

    What is printed is a recipe that extends nothing; edit a copy to make your own.
    """
    from config.recipe import load_recipe

    loaded = load_recipe(recipe)
    if as_json:
        print_json(loaded)
        return
    for line in loaded.text.splitlines():
        if not line.startswith("#:schema"):  # it is beside the packaged file only
            say(line)


@recipes_app.command("check")
def check(recipe: _Name, *, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Check a recipe against the pipelines of the workers, without a program.

    Exit code 1 when the workers would refuse it, 2 when it is no recipe, or names a
    file that was not put into the data folder.
    """
    from config.recipe import load_recipe
    from config.settings import load_settings

    from ..planning import find_problems
    from ..run import find_brought

    loaded = load_recipe(recipe)
    find_brought(loaded, load_settings(data_dir=data_dir).data_dir)
    specs = _find_specs(data_dir)
    problems = find_problems(loaded, specs)
    version = specs.versions["jwst"]
    if as_json:
        print_json({"recipe": loaded.name, "jwst": version, "problems": problems})
    elif problems:
        for problem in problems:
            say(problem)
    else:
        say(f"The recipe {loaded.name} can be used with jwst {version}.")
    if problems:
        raise typer.Exit(FAILED)


@recipes_app.command("diff")
def diff(one: _Name, other: _Name, *, as_json: AsJson = False) -> None:
    """Show in what two recipes differ, with all that they extend.

    Exit code 1 when they differ.
    """
    from config.recipe import load_recipe

    first, second = _flatten(load_recipe(one)), _flatten(load_recipe(other))
    names = [*first, *(name for name in second if name not in first)]
    found = {
        name: (first.get(name), second.get(name))
        for name in names
        if first.get(name) != second.get(name)
    }
    if as_json:
        print_json({name: {one: a, other: b} for name, (a, b) in found.items()})
    elif found:
        rows = [(name, a or "-", b or "-") for name, (a, b) in found.items()]
        print_rows(("value", one, other), rows)
    else:
        say(f"{one} and {other} say the same.")
    if found:
        raise typer.Exit(FAILED)


@recipes_app.command("schema")
def schema() -> None:
    """Print the JSON Schema of recipes, with which editors complete and check them."""
    from config.recipe import make_schema

    print_json(make_schema())


def _flatten(recipe: "Recipe") -> Mapping[str, str]:
    """Write down each value of a recipe but why it is set, by dotted key.

    Parameter sets of two recipes are the same if they are for the same stage and
    exposures, edits if they have the same number.
    """
    from config.extending import list_values

    tree = tomllib.loads(recipe.text)
    sets, edits = tree.pop("parameters", []), tree.pop("edits", [])
    values = {
        name: str(value)
        for name, value in list_values(tree)
        if not name.endswith(".why")
    }
    for given, raw in zip(recipe.parameters, sets, strict=True):
        chosen = {key: raw[key] for key in ("pipeline", "steps") if key in raw}
        for name, value in list_values(chosen):
            values[f"{given.describe()}: {name}"] = str(value)
    for number, edit in enumerate(edits, 1):
        for name, value in list_values(edit):
            if name != "why":
                values[f"edits.{number}.{name}"] = str(value)
    return values


def _find_specs(data_dir: "Path | None") -> "CodeSpecs":
    """Find what the pipelines accept: kept, of a child, or of the workers elsewhere."""
    from config.clusters import LocalProfile
    from config.settings import load_settings

    from ..run import Shared, ask_specs, find_specs

    settings = load_settings(data_dir=data_dir)
    folder = settings.data_dir
    if isinstance(settings.find_profile(), LocalProfile):
        return find_specs(folder, ask_specs)
    with Shared(settings, read_only=True) as shared, shared.open_cluster() as cluster:
        ask = partial(ask_specs, lambda: cluster)
        return find_specs(folder, ask, is_foreign=True)
