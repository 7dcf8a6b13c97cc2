"""Numbers of JSON files that were fitted, which differ in their last digits."""

import pytest

__all__ = ["approximate", "flatten"]


def flatten(content: object, place: str = "") -> dict[str, object]:
    """Return what is in a nested document, by its place."""
    if isinstance(content, dict):
        pairs = [*content.items()]
    elif isinstance(content, list):
        pairs = [*enumerate(content), ("length", len(content))]
    else:
        return {place: content}
    flat = [flatten(each, f"{place}/{key}") for key, each in pairs]
    return {name: leaf for each in flat for name, leaf in each.items()}


def approximate(content: object, *, rel: float, abs_: float) -> dict[str, object]:
    """Flatten what is expected of a nested document whose numbers are nearly so."""
    return {
        place: pytest.approx(leaf, rel=rel, abs=abs_)
        if isinstance(leaf, float)
        else leaf
        for place, leaf in flatten(content).items()
    }
