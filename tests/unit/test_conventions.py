"""What the linters do not hold: where names of paths are, `__all__`, and imports."""

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
    *("specs", "environments"),
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


def _list_defined(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        match node:
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
            ):
                yield name
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.Assign(targets=targets):
                yield from (each.id for each in targets if isinstance(each, ast.Name))


def _read_all(tree: ast.Module) -> set[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            if isinstance(target, ast.Name) and target.id == "__all__":
                return {*ast.literal_eval(node.value)}
    return set()


def test_all_lists_what_a_module_defines_for_others() -> None:
    wrong: dict[str, list[str]] = {}
    for module in MODULES:
        if not module.endswith("__init__.py"):
            tree = _parse(module)
            public = {name for name in _list_defined(tree) if not name.startswith("_")}
            if differing := sorted(public ^ _read_all(tree)):
                wrong[module] = differing
    assert not wrong, "list these names in __all__, or begin them with an underscore"


def test_imports_are_relative_within_a_plane_and_absolute_across() -> None:
    found = [
        f"{module}:{node.lineno}: from {node.module} import ..."
        for module in MODULES
        for node in ast.walk(_parse(module))
        if isinstance(node, ast.ImportFrom)
        and node.level == 0
        and str(node.module).partition(".")[0] == module.partition("/")[0]
    ]
    assert not found, "import relatively within a plane"
