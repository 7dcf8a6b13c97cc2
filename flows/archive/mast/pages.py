"""All rows of a search, page by page, counted."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from flows.errors import ArchiveError

__all__ = ["Page", "Row", "read_pages"]

Row = Mapping[str, object]
"""Cells by column."""

_ROUNDS: Final = 3
"""So often all pages are asked for."""


@dataclass(frozen=True, slots=True)
class Page:
    """One answer to a search."""

    rows: Sequence[Row]
    """Its rows."""
    total: int
    """How many rows there are on all pages."""


def read_pages(ask: Callable[[int], Page], *, what: str) -> tuple[Row, ...]:
    """Read all pages; if rows are lost, doubled or changing, once more from the first.

    Parameters
    ----------
    ask
        Gives the page that begins with this row, counted from 0.
    what
        How messages call the search.

    Raises
    ------
    ArchiveError
        The pages never gave every row once.
    """
    problems = []
    for _ in range(_ROUNDS):
        rows, total = _read_once(ask)
        problem = _problem(rows, total)
        if problem is None:
            return tuple(rows)
        problems.append(problem)
    raise ArchiveError(
        f"{what}: expected every row once, got in {_ROUNDS} rounds over all pages: "
        f"{'; '.join(problems)}. Try again later."
    )


def _read_once(ask: Callable[[int], Page]) -> tuple[list[Row], int]:
    """Read until there are as many rows as the first page says, or no more come."""
    page = ask(0)
    rows, total = list(page.rows), page.total
    while page.rows and len(rows) < total:
        page = ask(len(rows))
        rows += page.rows
        total = page.total
    return rows, total


def _problem(rows: Sequence[Row], total: int) -> str | None:
    """Say what is wrong with the rows."""
    counts = Counter((row.get("ArchiveFileID"), row.get("fileSetName")) for row in rows)
    double = sorted(str(name) for (_, name), n in counts.items() if n > 1)
    if len(rows) != total or double:
        told = f", of which {', '.join(double[:3])} came twice" if double else ""
        return f"{len(rows)} rows of {total}{told}"
    return None
