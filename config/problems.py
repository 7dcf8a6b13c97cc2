"""What pydantic finds wrong, in one line."""

from typing import Any

from pydantic import ValidationError

__all__ = ["list_problems"]


def list_problems(error: ValidationError) -> str:
    """List what is wrong, by dotted name, with what was given."""
    return "; ".join(
        f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
        f"{_tell_given(problem['input'])}"
        for problem in error.errors()
    )


def _tell_given(given: Any) -> str:
    return f", got {given!r}" if isinstance(given, bool | int | float | str) else ""
