"""The table "Where do I change ..." of the developers' docs leads somewhere."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOC = ROOT / "docs" / "developer" / "index.md"
ROWS = re.findall(r"^\| (.+) \| `(\S+)` \| `(\w+)` \|$", DOC.read_text(), re.MULTILINE)


def _list_names(path: Path) -> set[str]:
    """List what a module defines, at any depth, or the words of another file."""
    text = path.read_text()
    if path.suffix != ".py":
        return {*re.findall(r"\w+", text)}
    nodes = [*ast.walk(ast.parse(text))]
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    found = {node.name for node in nodes if isinstance(node, kinds)}
    stored = (n for n in nodes if isinstance(n, ast.Name))
    return found | {node.id for node in stored if isinstance(node.ctx, ast.Store)}


def test_there_are_many_rows_each_of_something_else() -> None:
    assert len(ROWS) >= 30
    assert len({what for what, *_ in ROWS}) == len(ROWS)


@pytest.mark.parametrize(("what", "file", "name"), ROWS, ids=lambda text: text)
def test_a_row_leads_to_a_name_in_a_file(what: str, file: str, name: str) -> None:
    row = f"the row {what!r} of {DOC.relative_to(ROOT)}"
    assert (ROOT / file).is_file(), f"{row}: there is no {file}; name the new place"
    assert name in _list_names(ROOT / file), f"{row}: {file} does not define {name}"
