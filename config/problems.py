"""What pydantic finds wrong, in one line."""

from pydantic import ValidationError

__all__ = ["list_problems"]


def list_problems(error: ValidationError) -> str:
    """List what is wrong, by dotted name."""
    return "; ".join(
        f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
        for problem in error.errors()
    )
