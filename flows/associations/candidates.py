"""What the observing proposal says belongs together."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from .rows import Candidate, PoolRow

__all__ = ["parse_candidates", "sort_by_candidate"]

_ENTRY: Final = re.compile(r"\(\s*'([a-z0-9]+)'\s*,\s*'([a-z0-9_ -]+)'\s*\)")


def parse_candidates(text: str) -> tuple[Candidate, ...] | None:
    """Read ``[('o001', 'observation'), ('c1000', 'background')]``.

    Returns
    -------
    tuple of Candidate or None
        None if the text is not a list of candidates.
    """
    lower = text.strip().lower()
    found = _ENTRY.findall(lower)
    rest = _ENTRY.sub("", lower).strip("[]() ,")
    if rest:
        return None
    return tuple(dict.fromkeys(Candidate(*entry) for entry in found))


def sort_by_candidate(
    rows: Iterable[PoolRow], wanted: Sequence[str] | None = None
) -> dict[Candidate, list[PoolRow]]:
    """Give the exposures of every candidate, by name.

    Parameters
    ----------
    wanted
        Ids of the candidates to give; all if None.
    """
    sorted_rows: dict[Candidate, list[PoolRow]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.name):
        for candidate in row.candidates:
            if wanted is None or candidate.id in wanted:
                sorted_rows[candidate].append(row)
    return dict(sorted(sorted_rows.items()))
