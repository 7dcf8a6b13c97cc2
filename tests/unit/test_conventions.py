"""What the linters do not hold."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLANES = ("flows", "workers", "config")
LAYOUTS = {"flows/layout.py", "workers/job_layout.py"}
ELSEWHERE = ("workers/sample/", "flows/cli/")
"""The sample has a folder of its own, and commands have such names."""
PLACES = {
    *("rewebb.db", "raw", "listing.json", "runs", "run.json", "damaged", "errors"),
    *("scratch", "dask", "store", "attempts", "job.log", "outcome.json"),
}
"""Names below the data folder."""


def _list_modules() -> list[str]:
    found = (path for plane in PLANES for path in ROOT.glob(f"{plane}/**/*.py"))
    names = (path.relative_to(ROOT).as_posix() for path in found)
    return sorted(name for name in names if "/migrations/" not in name)


MODULES = _list_modules()


@cache
def _parse(module: str) -> ast.Module:
    return ast.parse((ROOT / module).read_text())


def _list_texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """List the strings of a module that are not docstrings."""
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and id(node) not in said
        if is_text and isinstance(node.value, str):
            yield node.lineno, node.value


def test_only_the_layouts_name_what_is_below_the_data_folder() -> None:
    folders = tuple(f"{name}/" for name in PLACES)
    found = [
        f"{module}:{line}: {text!r}"
        for module in MODULES
        if module not in LAYOUTS and not module.startswith(ELSEWHERE)
        for line, text in _list_texts(_parse(module))
        if text in PLACES or text.startswith(folders)
    ]
    assert not found, f"take these names from {' or '.join(sorted(LAYOUTS))}"
