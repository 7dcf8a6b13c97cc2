"""Records as notebooks show them: tables of HTML, in which all text is escaped."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Final

__all__ = ["tell_fields", "tell_rows"]

_MOST: Final = 200
"""Rows of a table that are shown."""


def tell_fields(title: str, fields: Mapping[str, object]) -> str:
    """Make a table of one record, a line a field; what is empty is left out."""
    lines = (
        f"<tr><th>{_tell(name)}</th><td>{_tell(value)}</td></tr>"
        for name, value in fields.items()
        if value not in (None, "", ())
    )
    return f"<table><caption>{_tell(title)}</caption>{''.join(lines)}</table>"


def tell_rows(
    title: str, names: Sequence[str], rows: Sequence[Sequence[object]]
) -> str:
    """Make a table of many records, a line each; says how many are not shown."""
    head = "".join(f"<th>{_tell(name)}</th>" for name in names)
    lines = (
        f"<tr>{''.join(f'<td>{_tell(value)}</td>' for value in row)}</tr>"
        for row in rows[:_MOST]
    )
    left = len(rows) - _MOST
    more = f"<p>and {left} more</p>" if left > 0 else ""
    return (
        f"<table><caption>{_tell(title)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table>{more}"
    )


def _tell(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S} UTC"
    return "-" if value is None else escape(str(value))
