"""VOTables: written as text, since what is asked for often should be quick.

https://www.ivoa.net/documents/VOTable/
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from fastapi.responses import Response

__all__ = ["VOTABLE", "Cell", "Field", "Info", "Link", "Param", "write_votable"]

VOTABLE: Final = "application/x-votable+xml"
"""Type of media of VOTables."""

_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML holds."""

Cell = str | int | float | tuple[float, float] | None
"""What is in a cell of a table."""


@dataclass(frozen=True, slots=True)
class Field:
    """A column."""

    name: str
    """Its name, which is its id as well."""
    kind: str = "char"
    """Data type: char, int, long, double; ``double:2`` is a pair."""
    unit: str = ""
    """Its unit."""
    ucd: str = ""
    """What it is, by its UCD."""
    utype: str = ""
    """What it is in a data model."""
    meaning: str = ""
    """What it is, in words."""


@dataclass(frozen=True, slots=True)
class Info:
    """Something that is said of a table."""

    name: str
    """What it is about."""
    value: str
    """What is said in a word."""
    text: str = ""
    """The same in a sentence."""


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter of a service."""

    name: str
    """Its name."""
    meaning: str
    """What it means."""
    value: str = ""
    """Its default."""


@dataclass(frozen=True, slots=True)
class Link:
    """A service that takes a column of the table."""

    standard: str
    """Identifier of its protocol."""
    url: str
    """Where it is."""
    parameter: str
    """Its parameter that takes the column."""
    column: str
    """The column."""


def write_votable(
    fields: Sequence[Field],
    rows: Iterable[Mapping[str, Cell]],
    *,
    infos: Sequence[Info] = (),
    params: Sequence[Param] = (),
    link: Link | None = None,
    kind: str = VOTABLE,
) -> Response:
    """Write a table, and what is said of it.

    Parameters
    ----------
    rows
        Cells by the name of their column; what is not there is null.
    infos
        What is said of the table; without fields it is all that is written.
    params
        Parameters of the service that made it.
    link
        A service for its rows.
    kind
        Type of media.
    """
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">',
        '<RESOURCE type="results">',
        *(_write_info(info) for info in infos),
        *(_write_param(param) for param in params),
        *(_write_table(fields, rows) if fields else ()),
        "</RESOURCE>",
        *(_write_link(link) if link else ()),
        "</VOTABLE>",
    ]
    return Response("\n".join(lines), media_type=kind)


def _write_info(info: Info) -> str:
    name, value = _quote(info.name), _quote(info.value)
    return f"<INFO name={name} value={value}>{_escape(info.text)}</INFO>"


def _write_param(param: Param) -> str:
    key = _quote(param.name.replace(":", "_"))
    return (
        f'<PARAM name={_quote(param.name)} ID={key} datatype="char" arraysize="*" '
        f"value={_quote(param.value)}><DESCRIPTION>{_escape(param.meaning)}"
        "</DESCRIPTION></PARAM>"
    )


def _write_table(
    fields: Sequence[Field], rows: Iterable[Mapping[str, Cell]]
) -> Iterator[str]:
    yield "<TABLE>"
    for field in fields:
        yield _write_field(field)
    yield "<DATA><TABLEDATA>"
    for row in rows:
        cells = (f"<TD>{_write_cell(row.get(field.name))}</TD>" for field in fields)
        yield f"<TR>{''.join(cells)}</TR>"
    yield "</TABLEDATA></DATA></TABLE>"


def _write_field(field: Field) -> str:
    kind, _, length = field.kind.partition(":")
    given = {
        "name": field.name,
        "ID": field.name,
        "datatype": kind,
        "arraysize": length or ("*" if kind == "char" else ""),
        "unit": field.unit,
        "ucd": field.ucd,
        "utype": field.utype,
    }
    attributes = " ".join(f"{name}={_quote(one)}" for name, one in given.items() if one)
    if not field.meaning:
        return f"<FIELD {attributes}/>"
    said = _escape(field.meaning)
    return f"<FIELD {attributes}><DESCRIPTION>{said}</DESCRIPTION></FIELD>"


def _write_cell(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case float():
            return repr(cell) if isfinite(cell) else ""
        case tuple():
            return " ".join(map(repr, cell))
        case _:
            return _escape(str(cell))


def _write_link(link: Link) -> Iterator[str]:
    yield '<RESOURCE type="meta" utype="adhoc:service">'
    for name, value in (("standardID", link.standard), ("accessURL", link.url)):
        yield (
            f'<PARAM name="{name}" datatype="char" arraysize="*" '
            f"value={_quote(value)}/>"
        )
    yield '<GROUP name="inputParams">'
    yield (
        f'<PARAM name={_quote(link.parameter)} datatype="char" arraysize="*" value="" '
        f"ref={_quote(link.column)}/>"
    )
    yield "</GROUP></RESOURCE>"


def _escape(text: str) -> str:
    return escape(_FORBIDDEN.sub("", text))


def _quote(text: str) -> str:
    return quoteattr(_FORBIDDEN.sub("", text))
