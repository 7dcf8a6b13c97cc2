"""Write docs/operator/schema.md from the tables and views of the database."""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Column, Table

from flows.provenance import schema
from flows.provenance.schema import SQLBase
from flows.provenance.views import VIEWS

__all__ = ["DOC", "make_text"]

DOC = Path(__file__).parents[1] / "docs" / "operator" / "schema.md"

_MARK = "<!-- What follows is made by tools/schema_docs.py. -->\n"

_SUBJECTS = (
    *("runs", "jobs", "sets", "attempts", "environments", "observed"),
    *("measurements", "files", "remembered"),
)
"""Modules of the schema, in the order of the page."""

_TYPES = {
    "BIGINT": "integer",
    "BOOLEAN": "boolean",
    "DATETIME": "time",
    "FLOAT": "float",
    "TEXT": "text",
}


def make_text() -> str:
    """Make the text of the page: the head that it has, then the tables."""
    head, mark, _ = DOC.read_text().partition(_MARK)
    return head + mark + "\n" + "\n".join(_list_lines())


def _list_lines() -> Iterator[str]:
    modules = [getattr(schema, name) for name in _SUBJECTS]
    yield "## Diagram\n"
    yield "```mermaid"
    yield "erDiagram"
    for module in modules:
        for kind in _list_tables(module):
            yield from _draw(kind.__table__)
    yield "```\n"
    for module in modules:
        title, _, more = inspect.cleandoc(module.__doc__).partition("\n\n")
        yield f"## {title}\n"
        if more:
            yield f"{more}\n"
        for kind in _list_tables(module):
            yield from _describe(kind)
    yield "## Views\n"
    for name, view in VIEWS.items():
        yield f"### {name}\n"
        yield f"{view.meaning}\n"
        yield "| column | meaning |"
        yield "|---|---|"
        yield from (f"| {column} | {said} |" for column, said in view.columns.items())
        yield ""


def _list_tables(module: object) -> list[type[SQLBase]]:
    found = (getattr(module, name) for name in module.__all__)
    kinds = [each for each in found if issubclass(each, SQLBase)]
    return sorted(kinds, key=lambda kind: inspect.getsourcelines(kind)[1])


def _draw(table: Table) -> Iterator[str]:
    for key in sorted(table.foreign_key_constraints, key=lambda key: key.column_keys):
        columns = ", ".join(key.column_keys)
        yield f'    {table.name} }}o--|| {key.referred_table.name} : "{columns}"'


def _describe(kind: type[SQLBase]) -> Iterator[str]:
    table, meanings = kind.__table__, _read_meanings(kind)
    yield f"### {table.name}\n"
    yield f"{inspect.getdoc(kind)}\n"
    yield "| column | type | key | meaning |"
    yield "|---|---|---|---|"
    for column in table.columns:
        told = _TYPES[str(column.type.compile()).partition("(")[0]]
        told += " or null" * bool(column.nullable)
        keys = ", ".join(_list_keys(column))
        yield f"| {column.name} | {told} | {keys} | {meanings[column.name]} |"
    yield ""
    indexes = [", ".join(index.columns.keys()) for index in table.indexes]
    if indexes:
        yield f"Indexes: {'; '.join(sorted(indexes))}.\n"


def _list_keys(column: Column[object]) -> Iterator[str]:
    if column.primary_key:
        yield "primary"
    for key in sorted(column.foreign_keys, key=str):
        yield f"of {key.target_fullname}"


def _read_meanings(kind: type[SQLBase]) -> dict[str, str]:
    """Read the string below each column."""
    (body,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for node, after in zip(body.body, body.body[1:], strict=False):
        match node, after:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(said))),
            ):
                found[name] = " ".join(said.split())
    return found


if __name__ == "__main__":
    DOC.write_text(make_text())
