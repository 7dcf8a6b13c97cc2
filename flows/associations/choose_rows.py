"""From where the rows come that are associated: a pool of DMS, else the headers."""

from collections.abc import Sequence

from flows.models import Inventory

from .options import AssociationOptions
from .pool import read_pool
from .repair import add_declared, repair
from .rows import PoolRow

__all__ = ["choose_rows"]

_SHOWN = 5
"""How many names a note lists."""


def choose_rows(
    inventory: Inventory, options: AssociationOptions
) -> tuple[tuple[PoolRow, ...], tuple[str, ...]]:
    """Choose the rows of a program.

    A pool knows what no header tells (candidates, targets, tiles), so it is taken if
    it knows every exposure; of a part of them it could only mislead.

    Returns
    -------
    rows
        One for every exposure.
    notes
        What a scientist must know of the choice.

    Raises
    ------
    PoolError
        The pool is none.
    """
    exposures = inventory.exposures
    if inventory.pool is None:
        return repair(exposures, options.candidates), ()
    name = inventory.pool.name
    pool = read_pool(inventory.pool.text, name)
    listed = {row.name for row in pool}
    held = {exposure.name: exposure for exposure in exposures}
    if unknown := sorted(set(held) - listed):
        note = f"{name} does not know {_list(unknown)}: headers are used in its place"
        return repair(exposures, options.candidates), (note,)
    missing = sorted(listed - set(held))
    note = f"of {name} the archive lacks {_list(missing)}"
    rows = (
        add_declared(row, held[row.name].observation, options.candidates)
        for row in pool
        if row.name in held
    )
    return tuple(rows), (note,) if missing else ()


def _list(names: Sequence[str]) -> str:
    """List a few names."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
