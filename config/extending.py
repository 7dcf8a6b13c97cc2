"""Recipes that extend recipes: how their tables are joined, and written down."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

__all__ = ["join_recipes", "list_values", "to_toml"]

_OF_THE_FILE = frozenset({"title", "extends"})
"""Keys that belong to a file and are not passed on."""


def join_recipes(
    parts: Iterable[tuple[str, Mapping[str, Any]]],
) -> tuple[dict[str, Any], dict[str, str]]:
    """Join recipes, each over those before it.

    Tables are joined key by key. An array of tables (``[[parameters]]``) follows the
    one before; any other value, a plain or empty list too, takes its place.

    Parameters
    ----------
    parts
        Names and contents.

    Returns
    -------
    tuple
        The contents, and which recipe each value comes from, by dotted key; tables of
        an array are numbered from 1.
    """
    joined: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for name, tree in parts:
        own = {key: value for key, value in tree.items() if key not in _OF_THE_FILE}
        _join(joined, own, name, "", origins)
        joined["title"] = tree.get("title")
    return joined, origins


def _join(
    into: dict[str, Any],
    new: Mapping[str, Any],
    name: str,
    where: str,
    origins: dict[str, str],
) -> None:
    for key, value in new.items():
        path = f"{where}{_to_key(key)}"
        if isinstance(value, Mapping):
            _join(into.setdefault(key, {}), value, name, f"{path}.", origins)
        elif _is_tables(value):
            before = into.get(key, [])
            into[key] = [*before, *value]
            for number in range(len(before) + 1, len(into[key]) + 1):
                origins[f"{path}.{number}"] = name
        else:
            for known in [k for k in origins if k == path or k.startswith(f"{path}.")]:
                del origins[known]
            into[key] = value
            origins[path] = name


def _is_tables(value: object) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(one, Mapping) for one in value)
    )


def to_toml(tree: Mapping[str, Any], origins: Mapping[str, str]) -> str:
    """Write a joined recipe as TOML, each value with the recipe that it comes from."""
    return "\n".join(_write(tree, "", origins)).strip() + "\n"


def _write(
    table: Mapping[str, Any], where: str, origins: Mapping[str, str]
) -> Iterator[str]:
    inner = {k: v for k, v in table.items() if isinstance(v, Mapping) or _is_tables(v)}
    for key, value in table.items():
        if key not in inner:
            path = f"{where}{_to_key(key)}"
            yield f"{_to_key(key)} = {_to_text(value)}{_tell(origins, path)}"
    for key, value in inner.items():
        path = f"{where}{_to_key(key)}"
        if isinstance(value, Mapping):
            yield f"\n[{path}]"
            yield from _write(value, f"{path}.", origins)
            continue
        for number, one in enumerate(value, 1):
            yield f"\n[[{path}]]{_tell(origins, f'{path}.{number}')}"
            for name, given in list_values(one):
                yield f"{name} = {_to_text(given)}"


def list_values(
    table: Mapping[str, Any], where: str = ""
) -> Iterator[tuple[str, object]]:
    """List the values of a table and of its tables, by dotted key."""
    for key, value in table.items():
        name = f"{where}{_to_key(key)}"
        if isinstance(value, Mapping) and value:
            yield from list_values(value, f"{name}.")
        else:
            yield name, value


def _tell(origins: Mapping[str, str], path: str) -> str:
    return f"  # from {origins[path]}" if path in origins else ""


def _to_key(key: str) -> str:
    is_bare = key.isascii() and key.replace("-", "_").isidentifier()
    return key if is_bare or (key.isascii() and key.isalnum()) else _quote(key)


def _to_text(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return _quote(value)
        case int() | float():
            return repr(value)
        case list():
            return f"[{', '.join(map(_to_text, value))}]"
        case Mapping():
            pairs = (f"{_to_key(k)} = {_to_text(v)}" for k, v in value.items())
            return f"{{ {', '.join(pairs)} }}" if value else "{}"
        case _:  # dates and times
            return str(value)


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
