"""Parameters by one name each."""

from collections.abc import Mapping
from typing import Any

__all__ = ["flatten_parameters"]


def flatten_parameters(
    parameters: Mapping[str, Any], where: str = ""
) -> dict[str, object]:
    """Flatten parameters to dotted names, those of steps to ``step.parameter``."""
    flat: dict[str, object] = {}
    for name, value in parameters.items():
        path = f"{where}.{name}".removeprefix(".").removeprefix("steps.")
        if isinstance(value, Mapping):
            flat |= flatten_parameters(value, path)
        else:
            flat[path] = value
    return flat
