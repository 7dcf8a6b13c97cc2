"""The official rules: rows of a pool to associations, candidate by candidate."""

from collections.abc import Iterable, Sequence

from .candidates import sort_by_candidate
from .joining import make_level3
from .level2 import make_level2
from .parts import Draft
from .prune import prune
from .rows import PoolRow

__all__ = ["apply_rules"]


def apply_rules(
    rows: Iterable[PoolRow], candidates: Sequence[str] | None = None
) -> list[Draft]:
    """Make what the official rules make of the spectra of a pool.

    Parameters
    ----------
    rows
        Rows of a pool, in whatever order.
    candidates
        Ids of the candidates to look at (``o001``, ``c1000``); all if None.

    Raises
    ------
    FileNameError
        A value makes a product name that is none.
    """
    by_candidate = sort_by_candidate(rows, candidates)
    levels = (
        prune(
            draft
            for candidate, found in by_candidate.items()
            for draft in make(candidate, found)
        )
        for make in (make_level2, make_level3)
    )
    return [draft for level in levels for draft in sorted(level, key=_order)]


def _order(draft: Draft) -> tuple[str, str, str]:
    """Order associations by rule, product and candidate."""
    return draft.rule, draft.product, draft.candidate.id
