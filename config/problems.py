"""What pydantic finds wrong, in one line."""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

__all__ = ["list_problems"]

_WORDS = {
    "dict_type": "expected a table",
    "mapping_type": "expected a table",
    "model_attributes_type": "expected a table",
    "model_type": "expected a table",
    "tuple_type": "expected a list",
}
"""What is said of errors whose messages are about Python."""


def list_problems(error: ValidationError, keys: Mapping[str, str]) -> str:
    """List what is wrong, by dotted name, with what was given.

    Parameters
    ----------
    keys
        Where each key belongs, dotted, to suggest one for a key that is unknown.
    """
    return "; ".join(_describe(problem, keys) for problem in error.errors())


def _describe(problem: Any, keys: Mapping[str, str]) -> str:
    # Tables of an array are numbered from 1.
    numbered = (p + 1 if isinstance(p, int) else p for p in problem["loc"])
    where = ".".join(map(str, numbered))
    if problem["type"].startswith("union_tag_"):
        return _describe_tag(where, problem["ctx"])
    if problem["type"] != "extra_forbidden":
        said = _WORDS.get(problem["type"], problem["msg"].removeprefix("Value error, "))
        place = f"{where}: " if where else ""
        return f"{place}{said}{_tell_given(problem['input'])}"
    *table, key = (part for part in problem["loc"] if not isinstance(part, int))
    close = get_close_matches(str(key), keys, n=1)
    if close:
        return f"unknown key `{where}`; did you mean `{keys[close[0]]}`?"
    # The model of several, such as an edit, is part of the place and of no key.
    beside = _list_beside(table, keys) or _list_beside(table[:-1], keys)
    return f"unknown key `{where}`; known: {', '.join(beside or keys)}"


def _describe_tag(where: str, context: Mapping[str, str]) -> str:
    """Describe a table without the key that says what it is, or with an unknown one."""
    key = context["discriminator"].strip("'")
    if "tag" not in context:
        return f"{where}: expected the key `{key}`"
    known = re.findall("'([^']+)'", context["expected_tags"])
    close = get_close_matches(context["tag"], known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
    return f"{where}: unknown {key} {context['tag']!r}; {hint}"


def _list_beside(table: Sequence[str], keys: Mapping[str, str]) -> list[str]:
    return [name for name in keys if keys[name] == ".".join([*table, name])]


def _tell_given(given: Any) -> str:
    return f", got {given!r}" if isinstance(given, bool | int | float | str) else ""
