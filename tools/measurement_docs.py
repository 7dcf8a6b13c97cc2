"""Write docs/user/measurements.md from config/measurements.toml."""

from collections.abc import Iterator
from pathlib import Path

from config.measurements import MeasurementKind, list_measurements

__all__ = ["DOC", "make_text"]

DOC = Path(__file__).parents[1] / "docs" / "user" / "measurements.md"

_MARK = "<!-- What follows is made by tools/measurement_docs.py. -->\n"


def make_text() -> str:
    """Make the text of the page: the head that it has, then what is measured."""
    head, mark, _ = DOC.read_text().partition(_MARK)
    sections = (_describe(*each) for each in list_measurements().items())
    return head + mark + "\n" + "\n".join(sections)


def _describe(name: str, kind: MeasurementKind) -> str:
    return "\n".join(_list_lines(name, kind))


def _list_lines(name: str, kind: MeasurementKind) -> Iterator[str]:
    suffixes = ", ".join(f"`{suffix}`" for suffix in kind.suffixes)
    numbers = [f"{v.unit} (ideal: {v.ideal:g})" for v in kind.values]
    yield f"## {name}\n"
    yield f"{kind.definition}\n"
    yield f"- of: {suffixes}; {kind.match.describe()}"
    yield f"- in: {', '.join(numbers)}"
    yield f"- source: {kind.source}\n"


if __name__ == "__main__":
    DOC.write_text(make_text())
