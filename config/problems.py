"""What pydantic finds wrong, in one line."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

__all__ = ["list_problems"]


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
    if problem["type"] != "extra_forbidden":
        return f"{where}: {problem['msg']}{_tell_given(problem['input'])}"
    close = get_close_matches(str(problem["loc"][-1]), keys, n=1)
    hint = f"did you mean `{keys[close[0]]}`?" if close else f"known: {', '.join(keys)}"
    return f"unknown key `{where}`; {hint}"


def _tell_given(given: Any) -> str:
    return f", got {given!r}" if isinstance(given, bool | int | float | str) else ""
