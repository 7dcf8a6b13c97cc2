"""Writes the page of the packaged recipes for users from their files.

    python tools/write_recipes.py

A test compares the page with what this makes.
"""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path

from config.edits import OF_RECIPE, parse_edit
from config.extending import list_values
from config.recipe import ParameterSet, load_recipe
from config.recipe_texts import RecipeText, collect_texts, list_recipes

__all__ = ["MODES", "PAGE", "make_page"]

PAGE = Path(__file__).parents[1] / "docs" / "user" / "packaged-recipes.md"

MODES = (
    *("official", "nirspec-ifu", "nirspec-mos", "nirspec-bots", "nirspec-fs"),
    *("miri-mrs", "miri-lrs"),
)
"""The recipes that come first; the others follow by name."""

HEAD = """\
# Packaged recipes

What each packaged recipe sets, and which known issue, notebook or page advises it. This
page is made from `config/recipes/*.toml` by `tools/write_recipes.py`.

`official` is exactly the operations pipeline. The recipes named after a mode hold
today's best advice for it: what the [known issues](known-issues.md) recommend for all
data of the mode, and what the official notebooks set
([jwst-pipeline-notebooks](https://github.com/spacetelescope/jwst-pipeline-notebooks) at
`4ef7477` of 2026-08-20, for jwst 3.0.0; cells are counted from 0). What the notebooks
leave to the context (fits of `clean_flicker_noise`, `picture_frame`, ...) is left to it
here, too. Advice that depends on the source (faint, extended, very bright) is in no
recipe: `rewebb advise PROGRAM --recipe NAME` lists what remains.

`rewebb recipes show NAME` prints a recipe with all that it extends.
"""


def make_page() -> str:
    """Make the page: a table of what its own file sets for each recipe."""
    others = [name for name in list_recipes() if name not in MODES]
    sections = ("\n".join(_describe(name)) for name in (*MODES, *others))
    return "\n".join([HEAD, *sections])


def _describe(name: str) -> Iterator[str]:
    own = collect_texts(name)[-1]
    recipe = load_recipe(name)
    yield f"## {name}\n"
    yield f"{recipe.title}.\n"
    if extended := own.tree.get("extends"):
        links = (f"[{each}](#{each})" for each in extended)
        yield f"It extends {' and '.join(links)}.\n"
    if recipe.jwst.describe() != "jwst":
        yield f"It is for {recipe.jwst.describe()}.\n"
    yield "| of | sets | why |"
    yield "|---|---|---|"
    yield from _list_rows(own)
    yield ""


def _list_rows(own: RecipeText) -> Iterator[str]:
    tree = tomllib.loads(own.text)
    for table in ("associations", "products"):
        if given := tree.get(table):
            yield _to_row(table, given, given.get("why", ""))
    for given in tree.get("parameters", ()):
        of = ParameterSet.model_validate(given)
        chosen = {key: given[key] for key in ("pipeline", "steps") if key in given}
        yield _to_row(of.describe(), chosen, of.why)
    for given in tree.get("edits", ()):
        edit = parse_edit(given["edit"], given)
        does = {name: given[name] for name in given if name not in OF_RECIPE}
        yield _to_row(f"copies of {edit.match.describe()}", does, edit.why)


def _to_row(of: str, given: dict[str, object], why: str) -> str:
    lines = [
        f"`{name} = {json.dumps(value)}`"
        for name, value in list_values(given)
        if name != "why"
    ]
    return f"| {of} | {'<br>'.join(lines)} | {why} |"


if __name__ == "__main__":
    PAGE.write_text(make_page())
